// The Three Plots and the scatter of trials.

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "analysis/report/chart.h"
#include "analysis/report/markup.h"
#include "analysis/report/sections.h"
#include "analysis/report/table_html.h"
#include "analysis/text.h"

namespace seldon::analysis::report {
namespace {

constexpr std::size_t most_table_rows = 2000;
constexpr std::size_t most_dots = 4000;
constexpr const char* x_label = "Amount of data (rows)";

/// The amounts of data as a logarithmic axis, with this part of it as room at both ends. Few of them are
/// named themselves.
Scale data_scale(const Summary& summary, double part = 0.035) {
  constexpr std::size_t most_named = 5;
  constexpr double nearest = 1.6;  // factor between two that are named
  std::set<double> rows;
  for (const auto& model : summary.models)
    for (const auto& point : model.points) rows.insert(static_cast<double>(point.rows));
  if (rows.empty()) return {Scale::Kind::linear, 0, 1};
  Scale bare(Scale::Kind::log, *rows.begin(), *rows.rbegin());
  if (!bare.logarithmic()) return bare;
  const double room = std::pow(bare.high() / bare.low(), part);
  Scale scale(Scale::Kind::log, bare.low() / room, bare.high() * room);
  const auto too_near = [](double a, double b) { return b < nearest * a; };
  if (rows.size() > most_named || std::ranges::adjacent_find(rows, too_near) != rows.end()) return scale;
  return scale.marked_at({rows.begin(), rows.end()});
}

std::string at_rows(const Point& point) {
  return "n = " + count(point.rows);
}

std::string band_words(RateInterval interval, bool mean) {
  switch (interval) {
    case RateInterval::standard_error:
      return "one standard error to each side";
    case RateInterval::wilson:
      return mean ? "Student’s 95 % intervals" : "Wilson’s 95 % intervals";
    case RateInterval::exact:
      return mean ? "Student’s 95 % intervals" : "exact 95 % intervals (Clopper and Pearson)";
  }
  return "";
}

using Curve = std::vector<CurvePoint>;

Curve performance_curve(const Summary& summary, const ModelSummary& model) {
  Curve curve;
  for (const auto& point : model.points) {
    const auto& mean = point.performance;
    if (mean.trials < 2 || !std::isfinite(mean.value)) continue;
    curve.push_back({static_cast<double>(point.rows), mean.value, mean.lower, mean.upper,
                     model.name + "\n" + at_rows(point) + "\n" + words(summary.performance) + " " +
                         number(mean.value) + " [" + number(mean.lower) + ", " + number(mean.upper) +
                         "]\nover " + counted(mean.trials, "solution")});
  }
  return curve;
}

using RateOf = const Rate& (*)(const Point&, std::size_t);

Curve rate_curve(const ModelSummary& model, const std::string& what, RateOf rate_of_point,
                 std::size_t constraint) {
  Curve curve;
  for (const auto& point : model.points) {
    const auto& rate = rate_of_point(point, constraint);
    if (rate.trials == 0 || !std::isfinite(rate.value)) continue;
    curve.push_back({static_cast<double>(point.rows), rate.value, rate.lower, rate.upper,
                     model.name + "\n" + at_rows(point) + "\n" + what + " " + number(rate.value) + " [" +
                         number(rate.lower) + ", " + number(rate.upper) + "]\n" + count(rate.count) + " of " +
                         counted(rate.trials, "trial")});
  }
  return curve;
}

double highest(const std::vector<Curve>& curves) {
  double high = 0;
  for (const auto& curve : curves)
    for (const auto& p : curve) high = std::max(high, std::isfinite(p.upper) ? p.upper : p.y);
  return high;
}

/// Rates from 0 to 1, or to less where all are small.
Scale rate_scale(double high) {
  for (const double end : {0.1, 0.25, 0.5})
    if (high <= end) return {Scale::Kind::linear, 0, end};
  return {Scale::Kind::linear, 0, 1};
}

Scale performance_scale(const std::vector<Curve>& curves) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const auto& curve : curves)
    for (const auto& p : curve) {
      low = std::min(low, std::isfinite(p.lower) ? p.lower : p.y);
      high = std::max(high, std::isfinite(p.upper) ? p.upper : p.y);
    }
  return Scale::round(low, high);
}

/// First and last value of each curve, in words.
std::string findings(const Summary& summary, const std::vector<Curve>& curves) {
  constexpr std::size_t most = 8;
  std::string out;
  for (std::size_t m = 0; m < curves.size() && m < most; ++m) {
    if (curves[m].empty()) continue;
    const auto &first = curves[m].front(), &last = curves[m].back();
    out.append(one_line(summary.models[m].name)).append(": ").append(number(first.y)).append(" at ");
    out.append(count(static_cast<std::uint64_t>(first.x))).append(" rows, ").append(number(last.y));
    out.append(" at ").append(count(static_cast<std::uint64_t>(last.x))).append(". ");
  }
  return out + "All numbers are in the table below the figure.";
}

/// The first model is drawn last, on top.
void draw(Panel& panel, const std::vector<Curve>& curves) {
  for (auto m = curves.size(); m-- > 0;)
    if (!curves[m].empty()) panel.curve(m, curves[m]);
}

std::string figure(const std::string& title, const std::string& caption, const Panel& panel) {
  return "<figure class=\"plot\"><figcaption><h3>" + escaped(title) + "</h3>" +
         (caption.empty() ? "" : "<p>" + caption + "</p>") + "</figcaption>" + panel.svg() + "</figure>\n";
}

class ThreePlots {
 public:
  explicit ThreePlots(const Material& material)
      : summary_(material.summary), x_(data_scale(material.summary)) {}

  std::string performance() const {
    std::vector<Curve> curves;
    for (const auto& model : summary_.models) curves.push_back(performance_curve(summary_, model));
    Panel panel({"Performance against the amount of data", findings(summary_, curves), x_label,
                 words(shortened(summary_.performance, 40))},
                x_, performance_scale(curves));
    draw(panel, curves);
    return figure("Performance", "Mean " + escaped(lower_words(summary_.performance)) + " of the solutions",
                  panel);
  }

  std::string rates(const std::string& title, const std::string& caption, RateOf rate, std::size_t constraint,
                    double delta, const std::string& delta_name, const std::string& what) const {
    std::vector<Curve> curves;
    for (const auto& model : summary_.models) curves.push_back(rate_curve(model, what, rate, constraint));
    const bool level = std::isfinite(delta);
    const double high = std::max(highest(curves), level ? 1.3 * delta : 0);
    Panel panel({title + " against the amount of data", findings(summary_, curves), x_label, what}, x_,
                rate_scale(high));
    if (level) panel.level(delta, delta_name + " = " + shortest(delta));
    draw(panel, curves);
    return figure(title, caption, panel);
  }

 private:
  const Summary& summary_;
  Scale x_;
};

constexpr double none = std::numeric_limits<double>::quiet_NaN();

std::string panels(const Material& material) {
  const auto& summary = material.summary;
  const ThreePlots plots(material);
  std::string out =
      plots.performance() + plots.rates(
                                "Solution rate", "Trials that returned a solution",
                                [](const Point& p, std::size_t) -> const Rate& { return p.solution; }, 0,
                                none, "", "Solution rate");
  for (std::size_t c = 0; c < summary.constraints.size(); ++c) {
    const auto& header = summary.constraints[c].header;
    out += plots.rates(
        summary.constraints.size() == 1 ? "Failure rate" : "Failure rate: " + one_line(header.name),
        "Trials whose solution violates <b>" + escaped(header.name) + "</b>",
        [](const Point& p, std::size_t i) -> const Rate& { return p.violation[i]; }, c,
        is_bounded_by_delta(summary, summary.constraints[c]) ? header.delta : none, "δ", "Failure rate");
  }
  if (summary.constraints.size() > 1)
    out += plots.rates(
        "Failure rate: any constraint", "Trials whose solution violates at least one constraint",
        [](const Point& p, std::size_t) -> const Rate& { return p.joint; }, 0,
        is_bounded_by_deltas(summary) ? summary.joint_delta() : none, "Σδ", "Failure rate");
  return out;
}

std::string conditional_panels(const Material& material) {
  const auto& summary = material.summary;
  const ThreePlots plots(material);
  std::string out;
  for (std::size_t c = 0; c < summary.constraints.size(); ++c)
    out += plots.rates(
        summary.constraints.size() == 1 ? std::string("Failure rate given a solution")
                                        : "Given a solution: " + one_line(summary.constraints[c].header.name),
        "Share of the solutions, not of all trials; δ does not bound it",
        [](const Point& p, std::size_t i) -> const Rate& { return p.conditional[i]; }, c, none, "",
        "Failures among solutions");
  if (summary.constraints.size() > 1)
    out += plots.rates(
        "Given a solution: any constraint", "Share of the solutions, not of all trials",
        [](const Point& p, std::size_t) -> const Rate& { return p.joint_conditional; }, 0, none, "",
        "Failures among solutions");
  return out;
}

TableCell rate_cell(const Rate& rate, const std::string& why) {
  return TableCell::of_interval(rate.value, rate.lower, rate.upper, why);
}

Table numbers_table(const Summary& summary) {
  Table table{"three_plots", "The numbers behind the Three Plots", {}, {}, {}};
  table.columns = {
      {"model", "Model", "", 0},
      {"n", "Rows", "", 0},
      {"recorded", "Trials", "trials recorded", 0},
      {"performance", words(summary.performance), "mean over the solutions whose performance is a number", 3},
      {"solutions", "Solutions", "trials behind the performance", 0},
      {"solution_rate", "Solution rate", "solutions over trials", 3}};
  for (const auto& constraint : summary.constraints) {
    table.columns.push_back({"failure_" + constraint.header.name, "Failure rate: " + constraint.header.name,
                             "solutions that violate the constraint, over all trials", 3});
    table.columns.push_back({"conditional_" + constraint.header.name,
                             "Given a solution: " + constraint.header.name,
                             "solutions that violate the constraint, over the trials with a solution", 3});
  }
  for (const auto& model : summary.models)
    for (const auto& point : model.points) {
      const auto& mean = point.performance;
      auto performance = TableCell::of_interval(mean.value, mean.lower, mean.upper, "no solution to average");
      performance.interval = !std::isnan(mean.lower);
      std::vector<TableCell> row = {
          TableCell::of(model.name),           TableCell::of_count(point.rows),
          TableCell::of_count(point.recorded), performance,
          TableCell::of_count(mean.trials),    rate_cell(point.solution, "no trial recorded")};
      for (std::size_t c = 0; c < summary.constraints.size(); ++c) {
        row.push_back(rate_cell(point.violation[c], "no trial recorded"));
        row.push_back(rate_cell(point.conditional[c], "no solution"));
      }
      table.rows.push_back(std::move(row));
    }
  const auto performance = band_words(summary.interval, true), rates = band_words(summary.interval, false);
  table.notes = {
      "In brackets: " +
      (performance == rates ? rates : performance + " for the performance, " + rates + " for the rates") +
      "."};
  if (table.rows.size() > most_table_rows) {
    table.notes.push_back("The first " + count(most_table_rows) + " of " + counted(table.rows.size(), "row") +
                          "; seldon-report tables writes them all.");
    table.rows.resize(most_table_rows);
  }
  return table;
}

// ---- one dot for each trial

struct Cell {
  std::size_t model, fraction, trial;
};

/// How many trials of each model and fraction are shown, so that there are not too many dots. Trials are
/// exchangeable: the first ones are as good as any.
std::size_t trials_shown(const Material& material) {
  const auto groups =
      std::max<std::size_t>(1, material.summary.models.size() * material.results.header.data_fracs.size());
  return std::clamp<std::size_t>(most_dots / groups, 1, std::max(1U, material.results.header.n_trials));
}

class Scatter {
 public:
  Scatter(const Material& material, std::size_t constraint)
      : material_(material), constraint_(constraint), shown_(trials_shown(material)) {
    for (auto m = material.summary.models.size(); m-- > 0;) collect(m);  // the first on top
  }

  /// Models of which only failures are known.
  const std::vector<std::string>& without_g() const { return without_g_; }
  bool empty() const { return by_data_.empty(); }
  std::size_t without_number() const { return without_number_; }

  std::string by_data() const {
    Panel panel({"Constraint value of each trial against its amount of data", description(), x_label,
                 "g (above 0: violated)"},
                data_scale(material_.summary, scatter_room()), g_scale_of(by_data_), 440, 300);
    panel.shade_above(0, "violates the constraint");
    panel.dots(by_data_);
    return figure("Constraint value", "Each dot is a solution; trials without one have no dot", panel);
  }

  std::string by_performance() const {
    if (by_performance_.empty()) return "";
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const auto& dot : by_performance_) {
      low = std::min(low, dot.x);
      high = std::max(high, dot.x);
    }
    Panel panel({"Constraint value of each trial against its performance", description(),
                 words(shortened(material_.summary.performance, 40)), "g (above 0: violated)"},
                Scale::roomy(low, high), g_scale_of(by_performance_), 440, 300);
    panel.shade_above(0, "violates the constraint");
    panel.dots(by_performance_);
    return figure("Performance and constraint", "The trade between the two, solution by solution", panel);
  }

 private:
  void collect(std::size_t m) {
    const auto& results = material_.results;
    const auto& summary = material_.summary;
    const auto& model = results.models[summary.models[m].index];
    const auto& shape = model.header.shape;
    const auto c = constraint_index(shape, summary.constraints[constraint_].header.name);
    if (!c) return;
    const auto rule = rule_index(shape, summary.constraints[constraint_].header, material_.options.selection);
    if (!g_is_known(shape, rule)) {
      without_g_.push_back(summary.models[m].name);
      return;
    }
    const auto truth = truth_index(shape, material_.options.selection);
    const auto measure = measure_index(shape, summary.performance);
    const auto trials = results.header.n_trials;
    for (std::size_t cell = 0; cell < model.states.size(); ++cell) {
      const auto trial = cell % trials;
      if (!model.solved(cell) || trial >= shown_) continue;
      const double g = model.g_at(cell, *c, rule, truth);
      if (!std::isfinite(g)) {
        without_number_ += std::isnan(g);
        continue;
      }
      const double performance = model.performance_at(cell, truth, measure);
      add(m, static_cast<double>(model.rows[cell]), trial, g, performance);
    }
  }

  void add(std::size_t m, double rows, std::size_t trial, double g, double performance) {
    const auto& summary = material_.summary;
    const bool violates = has_failed(g);
    const auto told = summary.models[m].name + ", trial " + std::to_string(trial) +
                      "\nn = " + count(static_cast<std::uint64_t>(rows)) + "\ng = " + number(g, 4) +
                      (violates ? " (violates)" : " (satisfied)") + "\n" + words(summary.performance) + " " +
                      number(performance);
    // Side by side, so that models and trials of one amount of data can be told apart.
    const auto models = static_cast<double>(summary.models.size());
    const double lane = (static_cast<double>(m) + 0.5) / models - 0.5;
    const double within = (static_cast<double>(trial % 7) - 3) / 7 / models;
    const auto& all_rows = material_.results.header.rows;
    const double span = all_rows.size() > 1 ? spread(all_rows) : 1.2;
    by_data_.push_back({rows * std::pow(span, 0.7 * (lane + within)), g, m, violates, told});
    if (std::isfinite(performance)) by_performance_.push_back({performance, g, m, violates, told});
  }

  /// The smallest factor between two neighbouring amounts of data.
  static double spread(std::vector<std::uint64_t> rows) {
    std::ranges::sort(rows);
    double least = 2;
    for (std::size_t i = 1; i < rows.size(); ++i)
      if (rows[i] > rows[i - 1] && rows[i - 1] > 0)
        least = std::min(least, static_cast<double>(rows[i]) / static_cast<double>(rows[i - 1]));
    return std::max(least, 1.02);
  }

  /// Room for the models that stand beside the first and the last amount of data.
  double scatter_room() const {
    const auto& rows = material_.results.header.rows;
    const auto [low, high] = std::ranges::minmax(rows);
    if (rows.size() < 2 || low == 0 || low == high) return 0.1;
    return 0.03 +
           0.36 * std::log(spread(rows)) / std::log(static_cast<double>(high) / static_cast<double>(low));
  }

  static Scale g_scale_of(const std::vector<Dot>& dots) {
    double low = 0, high = 0;
    for (const auto& dot : dots) {
      low = std::min(low, dot.y);
      high = std::max(high, dot.y);
    }
    return Scale::roomy(low, high);
  }

  std::string description() const {
    std::size_t violating = 0;
    for (const auto& dot : by_data_) violating += dot.violates;
    return counted(by_data_.size(), "solution") + " shown, of which " + count(violating) +
           (violating == 1 ? " violates" : " violate") + " the constraint. Rates are in the Three Plots.";
  }

  const Material& material_;
  std::size_t constraint_, shown_, without_number_ = 0;
  std::vector<std::string> without_g_;
  std::vector<Dot> by_data_, by_performance_;
};

}  // namespace

std::string legend(const Summary& summary) {
  std::string out = "<fieldset class=\"legend\"><legend class=\"hidden\">Models shown</legend>\n";
  for (std::size_t m = 0; m < summary.models.size(); ++m)
    out += "<label><input type=\"checkbox\" checked data-series=\"" + std::to_string(m) + "\">" +
           series_sample(m) + "<span>" + escaped(summary.models[m].name) + "</span></label>\n";
  return out + "</fieldset>\n";
}

std::string three_plots_section(const Material& material) {
  const auto& summary = material.summary;
  if (cells_of(material).done == 0) return "";
  std::string out = "<p class=\"muted\">Bands: " + band_words(summary.interval, true) +
                    (summary.interval == RateInterval::standard_error
                         ? ""
                         : " of the performance, " + band_words(summary.interval, false) + " of the rates") +
                    ", over up to " + counted(summary.n_trials, "trial") +
                    ". Performance averages over the trials " +
                    "with a solution, at least two of them.</p>\n" + legend(summary) +
                    "<div class=\"plots three\">\n" + panels(material) + "</div>\n";
  if (!summary.constraints.empty())
    out +=
        "<details class=\"more\"><summary>Failures among the solutions only</summary>\n<div class=\"plots "
        "three\">\n" +
        conditional_panels(material) + "</div></details>\n";
  const auto table = numbers_table(summary);
  TableLook look;
  look.filter = true;
  return out + "<details class=\"more\"><summary>The numbers</summary>\n" + to_html(table, look) +
         "</details>\n";
}

std::string trials_section(const Material& material) {
  const auto& summary = material.summary;
  std::string out;
  std::set<std::string> unknown;
  for (std::size_t c = 0; c < summary.constraints.size(); ++c) {
    const Scatter scatter(material, c);
    for (const auto& name : scatter.without_g()) unknown.insert(name);
    if (scatter.empty()) continue;
    if (summary.constraints.size() > 1)
      out += "<h3 class=\"constraint\">" + escaped(summary.constraints[c].header.name) + "</h3>\n";
    out += "<div class=\"plots two\">\n" + scatter.by_data() + scatter.by_performance() + "</div>\n";
    if (scatter.without_number() > 0)
      out += "<p class=\"muted\">" + counted(scatter.without_number(), "solution") +
             " without a number for g (counted as violating) cannot be drawn.</p>\n";
  }
  std::vector<std::string> names;
  for (const auto& name : unknown) names.push_back("<b>" + escaped(name) + "</b>");
  auto missing = names.empty()
                     ? ""
                     : "<p class=\"muted\">Of " + enumerated(names) +
                           " the value of the constraint is not known, only whether it was violated.</p>\n";
  if (out.empty()) return missing;
  std::string intro =
      "<p class=\"muted\">Rings satisfy the constraint, crosses violate it. Models stand side by side at "
      "each amount of data.";
  if (const auto shown = trials_shown(material); shown < material.results.header.n_trials)
    intro += " Thinned: of each model and amount of data the first " + count(shown) + " of " +
             counted(material.results.header.n_trials, "trial") + ".";
  return intro + "</p>\n" + legend(summary) + out + missing;
}

}  // namespace seldon::analysis::report
