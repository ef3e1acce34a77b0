// How the run went, and how to do it again: failures, reasons for No Solution Found, timeline, reproduction.

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <utility>

#include "analysis/plots/palette.h"
#include "analysis/plots/timeline.h"
#include "analysis/report/chart.h"
#include "analysis/report/markup.h"
#include "analysis/report/sections.h"
#include "analysis/report/table_html.h"
#include "analysis/text.h"
#include "core/error.h"
#include "store/pack_rows.h"

namespace seldon::analysis::report {
namespace {

// ---- no solution found

constexpr std::array reasons = {NsfReason::too_few_rows, NsfReason::group_too_small, NsfReason::not_finite,
                                NsfReason::not_feasible, NsfReason::safety_test,     NsfReason::one_class,
                                NsfReason::none};

std::string_view about(NsfReason reason) {
  switch (reason) {
    case NsfReason::none:
      return "imported results do not tell why";
    case NsfReason::too_few_rows:
      return "under two rows on a side of the split";
    case NsfReason::group_too_small:
      return "a constraint’s group has no usable rows";
    case NsfReason::not_finite:
      return "NaN in candidate selection before any feasible point";
    case NsfReason::not_feasible:
      return "candidate selection found no feasible point, and the safety test refused its best";
    case NsfReason::safety_test:
      return "the candidate was predicted to pass the safety test and did not";
    case NsfReason::one_class:
      return "the rows of a baseline hold one class only";
  }
  return "";
}

/// The cells of one model and fraction without a solution, by reason.
struct Refusals {
  std::string model;
  std::uint64_t rows = 0, recorded = 0;
  std::array<std::uint64_t, reasons.size()> by_reason{};
  std::uint64_t all() const {
    std::uint64_t sum = 0;
    for (const auto n : by_reason) sum += n;
    return sum;
  }
};

std::vector<Refusals> refusals_of(const Material& material) {
  const auto& results = material.results;
  std::vector<Refusals> found;
  for (const auto& summary : material.summary.models) {
    const auto& model = results.models[summary.index];
    std::vector<Refusals> of_model(results.header.data_fracs.size());
    for (std::size_t cell = 0; cell < model.states.size(); ++cell) {
      auto& refusals = of_model[cell / results.header.n_trials];
      refusals.recorded += model.done(cell);
      if (!model.done(cell) || model.solved(cell)) continue;
      const auto reason = std::ranges::find(reasons, model.reasons[cell]);
      if (reason != reasons.end())
        ++refusals.by_reason.at(static_cast<std::size_t>(reason - reasons.begin()));
    }
    for (std::size_t f = 0; f < of_model.size(); ++f) {
      of_model[f].model = summary.name;
      of_model[f].rows = results.header.rows.at(f);
    }
    std::ranges::stable_sort(of_model, {}, &Refusals::rows);
    for (auto& refusals : of_model)
      if (refusals.all() > 0) found.push_back(std::move(refusals));
  }
  return found;
}

/// A bar as wide as all trials, with a part for each reason.
std::string bar_html(const Refusals& refusals) {
  constexpr double width = 160, height = 14;
  std::string parts;
  double x = 0;
  for (std::size_t r = 0; r < reasons.size(); ++r) {
    const double w =
        width * static_cast<double>(refusals.by_reason.at(r)) / static_cast<double>(refusals.recorded);
    if (w <= 0) continue;
    parts += "<rect class=\"fill c" + std::to_string(r) + "\" x=\"" + fixed(x, 1) + "\" width=\"" +
             fixed(w, 1) + "\" height=\"" + fixed(height, 0) + "\"/>";
    x += w;
  }
  return "<svg class=\"stack\" viewBox=\"0 0 160 14\" width=\"160\" height=\"14\" aria-hidden=\"true\"><rect "
         "class=\"rest\" width=\"160\" height=\"14\"/>" +
         parts + "</svg>";
}

std::string refusals_html(const std::vector<Refusals>& found) {
  std::array<bool, reasons.size()> used{};
  for (const auto& refusals : found)
    for (std::size_t r = 0; r < reasons.size(); ++r) used.at(r) = used.at(r) || refusals.by_reason.at(r) > 0;
  std::string head, key;
  for (std::size_t r = 0; r < reasons.size(); ++r) {
    if (!used.at(r)) continue;
    const auto name = reasons.at(r) == NsfReason::none ? "Unknown" : words(seldon::name_of(reasons.at(r)));
    head += "<th scope=\"col\" class=\"n\">" + name + "</th>";
    key +=
        "<div><dt><svg class=\"swatch\" viewBox=\"0 0 12 12\" width=\"12\" height=\"12\" "
        "aria-hidden=\"true\"><rect class=\"fill c" +
        std::to_string(r) + "\" width=\"12\" height=\"12\"/></svg>" + name + "</dt><dd>" +
        std::string(about(reasons.at(r))) + "</dd></div>";
  }
  std::string rows;
  for (const auto& refusals : found) {
    rows += "<tr><th scope=\"row\">" + escaped(refusals.model) + "</th><td class=\"n\" data-v=\"" +
            std::to_string(refusals.rows) + "\">" + count(refusals.rows) + "</td><td class=\"n\" data-v=\"" +
            std::to_string(refusals.recorded) + "\">" + count(refusals.recorded) + "</td><td data-v=\"" +
            shortest(static_cast<double>(refusals.all()) / static_cast<double>(refusals.recorded)) + "\">" +
            bar_html(refusals) + "</td>";
    for (std::size_t r = 0; r < reasons.size(); ++r)
      if (used.at(r))
        rows += "<td class=\"n\" data-v=\"" + std::to_string(refusals.by_reason.at(r)) + "\">" +
                count(refusals.by_reason.at(r)) + "</td>";
    rows += "</tr>\n";
  }
  return "<figure class=\"table\" id=\"table-nsf\" data-filter=\"1\"><div class=\"scroll\" role=\"region\" "
         "tabindex=\"0\" aria-labelledby=\"table-nsf-caption\"><table>\n<caption "
         "id=\"table-nsf-caption\"><span>Trials "
         "without a solution, by reason</span></caption>\n<thead><tr><th scope=\"col\">Model</th><th "
         "scope=\"col\" "
         "class=\"n\">Rows</th><th scope=\"col\" class=\"n\">Trials</th><th scope=\"col\">Share</th>" +
         head + "</tr></thead>\n<tbody>\n" + rows + "</tbody></table></div>\n<dl class=\"key\">" + key +
         "</dl></figure>\n";
}

// ---- failed cells

Table failures_table(const std::vector<FailureGroup>& groups) {
  Table table{"failures", "Cells that ended in an error", {}, {}, {}};
  table.columns = {{"message", "Message", "", 0},
                   {"cells", "Cells", "", 0},
                   {"hosts", "Nodes", "where, with how many", 0},
                   {"first", "First", "", 0}};
  constexpr std::size_t most_groups = 100, most_hosts = 6;
  for (const auto& group : groups) {
    if (table.rows.size() == most_groups) {
      table.notes.push_back(count(groups.size() - most_groups) +
                            " rarer messages are left out; seldon-report status "
                            "lists them.");
      break;
    }
    std::string hosts;
    std::size_t shown = 0;
    for (const auto& [host, cells] : group.hosts) {
      if (shown++ == most_hosts) {
        hosts += " and " + counted(group.hosts.size() - most_hosts, "more node");
        break;
      }
      hosts.append(hosts.empty() ? "" : ", ").append(host.empty() ? "(unknown)" : host);
      hosts.append(" (").append(count(cells)).append(")");
    }
    table.rows.push_back({TableCell::of(group.message), TableCell::of_count(group.cells),
                          TableCell::of(hosts),
                          TableCell::of(group.model + ", data fraction " + shortest(group.fraction) +
                                        ", trial " + std::to_string(group.trial))});
  }
  return table;
}

// ---- timeline

/// The rules of the timeline's own style sheet, so that they hold for it alone. It has no @-rules and no
/// nested braces.
std::string scoped_styles(std::string_view css, std::string_view scope) {
  std::string out;
  while (!css.empty()) {
    const auto end = css.find('}');
    if (end == std::string_view::npos) break;
    out.append(scope).append(" ").append(css.substr(0, end + 1));
    css.remove_prefix(end + 1);
  }
  return out;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// The timeline as a part of the page: its styles hold for it alone, and its colours are those of the page's
/// scheme.
std::string inlined(std::string svg, std::string_view scope) {
  constexpr std::string_view open = "<style>", close = "</style>";
  const auto from = svg.find(open), to = svg.find(close);
  if (from == std::string::npos || to == std::string::npos || to < from) return svg;
  const auto begin = from + open.size();
  auto styles = scoped_styles(std::string_view(svg).substr(begin, to - begin), scope);
  for (const auto& [colour, name] :
       {std::pair("#FFF", "var(--card)"), std::pair("#222", "var(--ink)"), std::pair("#444", "var(--muted)"),
        std::pair("#666", "var(--muted)"), std::pair("#888", "var(--muted)"),
        std::pair("#999", "var(--muted)"), std::pair("#DDD", "var(--grid)")})
    replace_all(styles, colour, name);
  auto body = svg.substr(to);
  for (std::size_t i = 0; i < colours.size(); ++i)
    for (const std::string_view part : {"fill=\"", "stroke=\""})
      replace_all(body, std::string(part) + colours.at(i) + "\"",
                  std::string(part) + "var(--c" + std::to_string(i) + ")\"");
  replace_all(body, "fill=\"#FFF\"", "fill=\"var(--card)\"");
  svg.replace(begin, std::string::npos, styles + body);
  return svg;
}

std::string command(const std::string& text) {
  return "<pre class=\"command\" tabindex=\"0\"><code>" + escaped_lines(text) + "</code></pre>\n";
}

constexpr std::uintmax_t most_digested = 512U << 20U;  // bytes: one to two seconds

/// Reading the store once more takes seconds for each gigabyte, and what is not finished has no digest to
/// compare with.
std::string digest_html(const Material& material) {
  if (!material.options.with_digest || material.results.damage.cells > 0 || cells_of(material).partial())
    return "";
  std::error_code unknown;
  const auto bytes = std::filesystem::file_size(material.store, unknown);
  if (unknown || bytes > most_digested)
    return "<p>The digest of the results, equal on any number of ranks, is what <code>seldon-report "
           "digest</code> prints: this store is too large to be read once more here.</p>\n";
  try {
    return "<p>Digest of the results, equal on any number of ranks: <code class=\"hash\">" +
           escaped(store::digest(material.store)) + "</code></p>\n";
  } catch (const InputError& error) {  // a record was torn since it was read
    return "<p>No digest: " + escaped(error.what()) + "</p>\n";
  }
}

std::string version_of(const store::Header& header) {
  return header.version.empty() ? "" : " (version " + header.version + ")";
}

}  // namespace

std::string failures_section(const Material& material) {
  const auto refusals = refusals_of(material);
  std::string out;
  if (!refusals.empty()) out += refusals_html(refusals);
  if (!material.status.failures.empty()) {
    out += to_html(failures_table(material.status.failures));
    out +=
        "<p class=\"muted\">These cells are left out of every mean and rate. <code>seldon run</code> with "
        "<code>--retry "
        "failed</code> tries them again.</p>\n";
  }
  if (out.empty() && cells_of(material).done > 0)
    out = "<p>Every recorded trial returned a solution, and no cell ended in an error.</p>\n";
  return out;
}

std::string timeline_section(const Material& material) {
  if (!std::filesystem::exists(store::pack_rows_path(material.store))) return "";
  const auto rows = store::read_pack_rows(material.store);
  if (rows.packs.empty()) return "";
  std::vector<std::string> models;
  for (const auto& model : material.results.header.models) models.push_back(model.name);
  auto svg = inlined(timeline_svg(material.results.header.name, models, rows), "#timeline-picture");
  svg.replace(0, std::string_view("<svg ").size(),
              "<svg role=\"img\" aria-label=\"Which worker computed which model when\" ");
  const auto sessions = sessions_of(rows);
  std::string out = "<p class=\"muted\">" + counted(rows.packs.size(), "lease") + " in " +
                    counted(sessions.size(), "run") + "; workers were busy for " +
                    fixed(100 * utilisation(sessions), 1) + " % of the time that they were there.</p>\n" +
                    "<figure class=\"timeline\"><div class=\"scroll\" role=\"region\" tabindex=\"0\" "
                    "aria-label=\"Picture of the leases\" id=\"timeline-picture\">" +
                    svg + "</div></figure>\n";
  if (rows.unreadable > 0)
    out += "<p class=\"muted\">" + counted(rows.unreadable, "line") +
           " of the log of leases cannot be read.</p>\n";
  return out;
}

std::string reproduction_section(const Material& material) {
  const auto& header = material.results.header;
  const auto file = std::filesystem::path(material.store).filename().string();
  std::string out;
  if (is_imported(material))
    out = "<p>These results were imported: what made them is not in this store.</p>\n" +
          command("seldon-report digest " + file + "\nseldon-report report " + file + " --out report");
  else
    out =
        "<h3>Run it again</h3>\n<p>Save the config as <code>experiment.toml</code> beside its data (the "
        "SHA-256 above "
        "tells whether they are the same). On the same kind of processor with the same libraries every "
        "number "
        "comes out equal, bit by bit, on any number of ranks.</p>\n" +
        command("seldon run experiment.toml --store " + file + "\nseldon-report digest " + file +
                "\nseldon-report report " + file + " --out report");
  out += digest_html(material);
  if (!header.config.empty())
    out += "<div class=\"print-only\"><h3>" + config_title(material) + "</h3><pre class=\"printed-config\">" +
           escaped_lines(header.config) + "</pre></div>\n";
  out +=
      "<h3>Cite</h3>\n<ul class=\"citations\">\n"
      "<li>P. S. Thomas, B. Castro da Silva, A. G. Barto, S. Giguere, Y. Brun and E. Brunskill. “Preventing "
      "undesirable behavior of intelligent machines.” <i>Science</i> 366 (6468), 999–1004, 2019. "
      "doi:10.1126/science.aag3311</li>\n"
      "<li>A. Hoag, J. E. Kostas, B. Castro da Silva, P. S. Thomas and Y. Brun. “Seldonian Toolkit: Building "
      "software "
      "with safe and fair machine learning.” <i>ICSE 2023, Companion Proceedings</i>, 107–111, 2023.</li>\n"
      "<li>Seldon" +
      escaped(version_of(header)) +
      ": Seldonian experiments on clusters. Name the version, the seed and the digest.</li>\n</ul>\n";
  return out;
}

}  // namespace seldon::analysis::report
