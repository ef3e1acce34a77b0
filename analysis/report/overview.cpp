// The top of the report: what was run, how far it is, what is guaranteed, and what came out.

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

#include "analysis/report/markup.h"
#include "analysis/report/sections.h"
#include "analysis/report/table_html.h"
#include "analysis/text.h"

namespace seldon::analysis::report {
namespace {

std::string fact(std::string_view name, const std::string& value_html) {
  return value_html.empty() ? "" : "<div><dt>" + escaped(name) + "</dt><dd>" + value_html + "</dd></div>\n";
}

std::string name_html(const std::string& name) {
  return "<b>" + escaped(name) + "</b>";
}

std::string state_html(const Material& material) {
  const auto cells = cells_of(material);
  const auto done = "<b>" + count(cells.done) + "</b> of " + counted(cells.all, "cell") + " recorded";
  const auto failed = cells.failed > 0 ? ", " + count(cells.failed) + " failed" : std::string();
  if (!cells.partial())
    return "<p class=\"state complete\"><span class=\"mark\">Complete</span> " + done + "</p>\n";
  return "<p class=\"state partial\"><span class=\"mark\">PARTIAL</span> " + done + failed +
         ". All figures rest on the recorded cells only.</p>\n";
}

std::string damage_html(const Damage& damage) {
  if (damage.cells == 0) return "";
  return "<p class=\"state damaged\"><span class=\"mark\">Damaged</span> " + counted(damage.cells, "record") +
         " of the store " + (damage.cells == 1 ? "does" : "do") +
         " not fit the checksum and is left out of everything here (first: " + escaped(damage.first) +
         "). The same <code>seldon run</code> runs these cells again.</p>\n";
}

// ---- the guarantee

constexpr std::string_view imported_bound = "recorded";  // in place of a bound that is unknown (import.cpp)

std::string about_bound(const std::string& bound) {
  if (bound == "student_t")
    return "Student’s t bounds the means: exact for normal values, approximate otherwise, and too sure of "
           "small or very skewed groups.";
  if (bound == "clopper_pearson") return "Clopper and Pearson’s bounds of the shares hold at every size.";
  if (bound == "hoeffding") return "Hoeffding’s bounds of the means hold at every size.";
  return bound.empty() ? "" : "Bound: " + escaped(bound) + ".";
}

std::string delta_words(double delta) {
  return std::isfinite(delta) ? shortest(delta) : "unknown";
}

/// What the sentence of the guarantee must add to "at most delta": Student's t keeps it in the limit only,
/// and of imported results nothing is known but what was said.
std::string reservation(const Summary& summary) {
  const auto any = [&](std::string_view bound) {
    return std::ranges::any_of(summary.constraints,
                               [&](const ConstraintSummary& c) { return c.header.bound == bound; });
  };
  if (any(imported_bound)) return ", as far as what made the results kept its promise";
  return any("student_t") ? ", up to the approximation in Student’s t (see below)" : "";
}

std::string constraint_html(const ConstraintSummary& constraint) {
  const auto& header = constraint.header;
  std::string out = "<li>" + name_html(header.name) + ": <code>" + escaped(header.expression) +
                    "</code> <span class=\"nowrap\">with δ = " + delta_words(header.delta) + "</span>";
  if (header.bound == imported_bound) return out + ", as stated when the results were imported.</li>\n";
  return out + ", certified on " + escaped(words_for_rule(header.decision)) + ". " +
         about_bound(header.bound) + "</li>\n";
}

std::string guarantee_html(const Summary& summary) {
  std::vector<std::string> models;
  for (const auto& model : summary.models)
    if (is_seldonian(model)) models.push_back(name_html(model.name));
  if (summary.constraints.empty())
    return "<p class=\"lead\">No constraint was declared, so nothing is guaranteed.</p>\n";
  if (models.empty())
    return "<p class=\"lead\">No model here is Seldonian: none of them carries a guarantee.</p>\n";

  const bool one = summary.constraints.size() == 1;
  const double delta = one ? summary.constraints[0].header.delta : summary.joint_delta();
  std::string out =
      "<p class=\"lead\">Each time that " +
      (models.size() == 1 ? models[0] : "one of " + enumerated(models)) +
      " is trained on rows drawn independently, the probability that it returns a solution that violates " +
      (one ? name_html(summary.constraints[0].header.name) : std::string("any of the constraints")) +
      " is at most <b class=\"nowrap\">" + (one ? "δ = " : "Σδ = ") + delta_words(delta) + "</b>" +
      reservation(summary) +
      ". Where its safety data cannot show this, it answers <i>No Solution Found</i>.</p>\n";
  out += "<ul class=\"constraints\">\n";
  for (const auto& constraint : summary.constraints) out += constraint_html(constraint);
  out += "</ul>\n";
  std::set<std::string> rules;
  for (const auto& constraint : summary.constraints) rules.insert(words_for_rule(constraint.rule));
  out += "<p class=\"muted\">The figures below judge a solution by " + escaped(enumerated(rules)) + " on " +
         escaped(words_for_truth(summary.truth)) + ". ";
  if (summary.truth == "held_out")
    out +=
        "The guarantee speaks of the data that trials are drawn from, not of these rows, so no δ is drawn.";
  else
    out += "That is the distribution that the guarantee speaks of.";
  std::vector<std::string> others;
  for (const auto& constraint : summary.constraints)
    if (constraint.rule != constraint.header.decision && constraint.header.bound != imported_bound)
      others.push_back("<b>" + escaped(constraint.header.name) + "</b>");
  if (!others.empty())
    out += " But " + enumerated(others) + (others.size() == 1 ? " was" : " were") +
           " certified on other decisions: δ bounds the failures by those, not the ones shown here.";
  return out + " Baselines carry no guarantee.</p>\n";
}

// ---- the models at a glance

const Point* largest(const ModelSummary& model) {
  const Point* found = nullptr;
  for (const auto& point : model.points)
    if (point.recorded > 0) found = &point;
  return found;
}

TableCell exact_cell(const Rate& rate) {
  return TableCell::of_interval(rate.value, rate.exact_lower, rate.exact_upper, "no trial recorded");
}

Table glance(const Material& material) {
  const auto& summary = material.summary;
  Table table{"models", "Each model at its largest amount of data", {}, {}, {}};
  table.columns = {
      {"model", "Model", "", 0},
      {"kind", "Kind", "", 0},
      {"n", "Rows", "rows that a trial saw, candidate and safety data together", 0},
      {"trials", "Trials", "trials recorded there", 0},
      {"performance", words(summary.performance), "mean over the solutions, with one standard error", 3},
      {"solution_rate", "Solution rate", "share of trials that returned a solution", 3}};
  for (const auto& constraint : summary.constraints)
    table.columns.push_back({"failure_" + constraint.header.name, "Failure rate: " + constraint.header.name,
                             "share of trials that returned a solution that violates the constraint", 3});
  bool flagged = false;
  for (const auto& model : summary.models) {
    const auto* point = largest(model);
    if (!point) continue;
    const auto& mean = point->performance;
    std::vector<TableCell> row = {TableCell::of(model.name),
                                  TableCell::of(model.kind),
                                  TableCell::of_count(point->rows),
                                  TableCell::of_count(point->recorded),
                                  TableCell::of_interval(mean.value, mean.value - mean.error,
                                                         mean.value + mean.error, "no solution to average"),
                                  exact_cell(point->solution)};
    if (std::isnan(mean.error)) row[4].interval = false;
    for (std::size_t c = 0; c < summary.constraints.size(); ++c) {
      const auto& rate = point->violation[c];
      const bool above = is_seldonian(model) && rate.exact_lower > summary.constraints[c].header.delta &&
                         is_bounded_by_delta(summary, summary.constraints[c]);
      flagged = flagged || above;
      row.push_back(exact_cell(rate).flag(above));
    }
    table.rows.push_back(std::move(row));
  }
  table.notes = {
      "In brackets: one standard error to each side for the performance, exact 95 % intervals (Clopper and "
      "Pearson) for the rates."};
  if (flagged)
    table.notes.emplace_back(
        "Flagged: a Seldonian model whose failure rate lies above its delta with its whole interval.");
  return table;
}

// ---- what was run

struct Circumstances {
  std::set<std::string> hosts, devices;
  double start = std::numeric_limits<double>::infinity(), end = 0, seconds = 0;
};

Circumstances circumstances_of(const Results& results) {
  Circumstances c;
  for (const auto& model : results.models)
    for (std::size_t cell = 0; cell < model.runs.size(); ++cell) {
      const auto& run = model.runs[cell];
      if (!is_final(model.states[cell]) || run.start <= 0) continue;
      if (!run.host.empty()) c.hosts.insert(run.host);
      if (!run.device.empty()) c.devices.insert(run.device);
      c.start = std::min(c.start, run.start);
      c.end = std::max(c.end, run.start + run.seconds_total);
      c.seconds += run.seconds_total;
    }
  return c;
}

std::string some_of(const std::set<std::string>& names) {
  constexpr std::size_t most = 4;
  std::vector<std::string> shown;
  for (const auto& name : names)
    if (shown.size() < most) shown.push_back(escaped(name));
  if (names.size() > most) shown.push_back(count(names.size() - most) + " more");
  return enumerated(shown);
}

std::string data_hash(const store::Header& header) {
  const auto identity = nlohmann::json::parse(header.identity, nullptr, false);
  if (!identity.is_object() || !identity.contains("data.hash") || !identity["data.hash"].is_string())
    return "";
  const auto hash = identity["data.hash"].get<std::string>();
  return "<code class=\"hash\">" + escaped(hash) + "</code>";
}

std::string numerics_html(const std::string& json) {
  const auto numerics = nlohmann::json::parse(json, nullptr, false);
  if (!numerics.is_object()) return "";
  std::string out;
  for (const auto& [key, value] : numerics.items())
    out += (out.empty() ? "" : "<br>") + escaped(key) + ": " +
           escaped(value.is_string() ? value.get<std::string>()
                                     : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return out;
}

std::string time_html(const Circumstances& c) {
  if (!std::isfinite(c.start)) return "";
  return date(c.start) + " to " + date(c.end) + " (" + duration(c.end - c.start) + "; " +
         duration(c.seconds) + " of work on cells)";
}

std::string models_html(const Results& results) {
  std::vector<std::string> names;
  for (const auto& model : results.header.models)
    names.push_back(escaped(model.name) + (model.kind == "seldonian" ? " (Seldonian)" : ""));
  return enumerated(names);
}

std::string size_html(const store::Header& header) {
  std::string out = counted(header.models.size(), "model") + " × " +
                    counted(header.data_fracs.size(), "data fraction") + " × " +
                    counted(header.n_trials, "trial");
  if (!header.rows.empty()) {
    const auto [low, high] = std::ranges::minmax(header.rows);
    out += ", " + (low == high ? counted(low, "row") : count(low) + " to " + counted(high, "row")) +
           " of a table of " + count(header.total_rows);
  }
  return out;
}

}  // namespace

Cells cells_of(const Material& material) {
  Cells cells;
  for (const auto& model : material.status.models) {
    cells.done += model.in(CellState::done);
    cells.failed += model.in(CellState::failed);
    for (const auto of_state : model.cells) cells.all += of_state;
  }
  return cells;
}

bool is_imported(const Material& material) {
  return std::ranges::any_of(material.results.header.constraints,
                             [](const auto& constraint) { return constraint.bound == imported_bound; });
}

std::string config_title(const Material& material) {
  return is_imported(material) ? "Where the results came from" : "The config, as it was run";
}

bool is_seldonian(const ModelSummary& model) {
  return model.kind == "seldonian";
}

bool is_bounded_by_delta(const Summary& summary, const ConstraintSummary& constraint) {
  const auto& header = constraint.header;
  return summary.truth == "original" && std::isfinite(header.delta) &&
         (constraint.rule == header.decision || header.bound == imported_bound);
}

bool is_bounded_by_deltas(const Summary& summary) {
  return std::ranges::all_of(summary.constraints, [&](const ConstraintSummary& constraint) {
    return is_bounded_by_delta(summary, constraint);
  });
}

std::string words_for_rule(const std::string& rule) {
  if (rule == "soft") return "soft decisions (means of predicted probabilities)";
  if (rule == "hard") return "hard decisions (predicted labels)";
  if (rule == "recorded" || rule == failures_only) return "what the imported results tell";
  return rule == "value" ? "predicted values" : rule + " decisions";
}

std::string words_for_truth(const std::string& truth) {
  if (truth == "original") return "the original data, from which trials are drawn";
  if (truth == "held_out") return "held-out rows";
  return "the ground truth " + truth;
}

std::string masthead(const Material& material) {
  const auto& header = material.results.header;
  const auto& title = material.options.title.empty() ? header.name : material.options.title;
  const auto c = circumstances_of(material.results);
  const bool imported = is_imported(material);
  std::string out = std::string("<header class=\"masthead\">\n<p class=\"eyebrow\">") +
                    (imported ? "Report of imported results" : "Report of a Seldonian experiment") +
                    "</p>\n<h1>" + escaped(title) + "</h1>\n" + state_html(material) +
                    damage_html(material.results.damage) + "<dl class=\"facts\">\n";
  if (title != header.name) out += fact("Experiment", escaped(header.name));
  out += fact("Grid", size_html(header)) + fact("Models", models_html(material.results)) +
         fact("Run", time_html(c)) + fact("Nodes", some_of(c.hosts)) + fact("Devices", some_of(c.devices)) +
         fact(imported ? "Imported by" : "Made by", "Seldon " + escaped(header.version)) +
         fact("Seed", imported ? "" : std::to_string(header.seed)) +
         fact("Numerics", numerics_html(header.numerics)) + fact("Data, SHA-256", data_hash(header));
  out += "</dl>\n";
  if (!header.config.empty())
    out += "<details class=\"config screen\"><summary>" + config_title(material) +
           "</summary><pre tabindex=\"0\">" + escaped_lines(header.config) + "</pre></details>\n";
  return out + "</header>\n";
}

std::string summary_section(const Material& material) {
  const auto table = glance(material);
  return guarantee_html(material.summary) +
         (table.rows.empty() ? "<p>No cell has been recorded yet.</p>\n" : to_html(table));
}

}  // namespace seldon::analysis::report
