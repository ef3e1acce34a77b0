#include "analysis/plots/three_plots.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/plots/gnuplot.h"
#include "analysis/text.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

// ---- what is drawn: curves of points with a band
// -------------------------------------------------------------------

struct CurvePoint {
  std::uint64_t rows;
  double fraction, value, lower, upper, error;
  double exact_lower, exact_upper, wilson_lower, wilson_upper;  ///< NaN for means
  std::uint32_t trials;
};

using Curve = std::vector<CurvePoint>;

/// A point that a logarithmic axis can show, with a value.
bool drawable(std::uint64_t rows, double value) {
  return rows > 0 && std::isfinite(value);
}

Curve performance_curve(const ModelSummary& model) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  Curve curve;
  for (const auto& point : model.points) {
    const auto& mean = point.performance;
    if (mean.trials < 2 || !drawable(point.rows, mean.value)) continue;
    curve.push_back({point.rows, point.fraction, mean.value, mean.lower, mean.upper, mean.error, nan, nan,
                     nan, nan, mean.trials});
  }
  return curve;
}

template <class RateOf>
Curve rate_curve(const ModelSummary& model, RateOf rate_of_point) {
  Curve curve;
  for (const auto& point : model.points) {
    const Rate& rate = rate_of_point(point);
    if (!drawable(point.rows, rate.value)) continue;
    curve.push_back({point.rows, point.fraction, rate.value, rate.lower, rate.upper, rate.error,
                     rate.exact_lower, rate.exact_upper, rate.wilson_lower, rate.wilson_upper, rate.trials});
  }
  return curve;
}

enum class Kind { performance, solution, failure, conditional };

/// The curves of one panel, one per model.
struct Panel {
  Kind kind;
  std::string quantity;  ///< for the data file
  double delta;          ///< NaN where no line is drawn
  std::vector<Curve> curves;
  std::vector<std::size_t> blocks = {};  ///< [curve] of the data file
  bool joint = false;                    ///< of all constraints together
};

template <class CurveOf>
Panel panel_of(const Summary& summary, Kind kind, std::string quantity, double delta, CurveOf curve_of) {
  Panel panel{kind, std::move(quantity), delta, {}};
  for (const auto& model : summary.models) panel.curves.push_back(curve_of(model));
  return panel;
}

/// All panels that a figure of the summary may have, in the order of the data file: performance, solution
/// rate, then for each constraint, and for all of them together, the failure rate over all trials and over
/// those with a solution.
struct Panels {
  std::vector<Panel> list;

  static std::size_t failure(std::size_t constraint) { return 2 + 2 * constraint; }
  static std::size_t conditional(std::size_t constraint) { return 3 + 2 * constraint; }
};

Panels panels_of(const Summary& summary) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  // The guarantee is about the data that trials are drawn from, and about all trials.
  const auto line_at = [&](double delta) { return summary.truth == "held_out" ? nan : delta; };
  Panels panels;
  const auto add = [&](Kind kind, std::string quantity, double delta, auto rate_of_point) {
    panels.list.push_back(panel_of(summary, kind, std::move(quantity), delta, [&](const ModelSummary& model) {
      return rate_curve(model, rate_of_point);
    }));
  };
  panels.list.push_back(
      panel_of(summary, Kind::performance, "performance, " + summary.performance, nan, performance_curve));
  add(Kind::solution, "solution rate", nan, [](const Point& p) -> const Rate& { return p.solution; });
  for (std::size_t c = 0; c < summary.constraints.size(); ++c) {
    const auto& header = summary.constraints[c].header;
    add(Kind::failure, "failure rate, " + header.name, line_at(header.delta),
        [c](const Point& p) -> const Rate& { return p.violation[c]; });
    add(Kind::conditional, "failure rate among solutions, " + header.name, nan,
        [c](const Point& p) -> const Rate& { return p.conditional[c]; });
  }
  if (summary.constraints.size() > 1) {
    add(Kind::failure, "failure rate, any constraint", line_at(summary.joint_delta()),
        [](const Point& p) -> const Rate& { return p.joint; });
    panels.list.back().joint = true;
    add(Kind::conditional, "failure rate among solutions, any constraint", nan,
        [](const Point& p) -> const Rate& { return p.joint_conditional; });
  }
  std::size_t next = 0;
  for (auto& panel : panels.list)
    for (const auto& curve : panel.curves) panel.blocks.push_back(curve.empty() ? 0 : next++);
  return panels;
}

// ---- words
// ---------------------------------------------------------------------------------------------------------

std::string words_for_interval(RateInterval interval, std::uint32_t trials) {
  const auto over = " over " + std::to_string(trials) + (trials == 1 ? " trial" : " trials");
  if (interval == RateInterval::wilson)
    return "means with Student's, rates with Wilson's 95 % interval" + over;
  if (interval == RateInterval::exact)
    return "means with Student's, rates with Clopper and Pearson's 95 % interval" + over;
  return "mean and standard error" + over + " (at rates 0 and 1: Wilson, z = 1)";
}

/// What the whole figure shows, and what it lacks.
std::vector<std::string> remarks_of(const Summary& summary) {
  std::uint64_t cells = 0, recorded = 0, failed = 0;
  for (const auto& model : summary.models)
    for (const auto& point : model.points) {
      cells += point.recorded + point.failed + point.missing;
      recorded += point.recorded;
      failed += point.failed;
    }
  std::vector<std::string> remarks = {words_for_interval(summary.interval, summary.n_trials) + ", " +
                                      words_for_truth(summary.truth)};
  if (recorded < cells)
    remarks.push_back("PARTIAL: " + std::to_string(recorded) + " of " + std::to_string(cells) +
                      " cells recorded" + (failed > 0 ? ", " + std::to_string(failed) + " failed" : ""));
  return remarks;
}

std::string joint_title(const Summary& summary) {
  std::string names;
  for (const auto& constraint : summary.constraints)
    names.append(names.empty() ? "" : ", ").append(constraint.header.name);
  return "any constraint violated:  " + names;
}

/// Empty where there is no one delta.
std::string delta_text(const char* name, double delta) {
  return std::isnan(delta) ? "" : std::string(",  ") + name + " = " + shortest(delta);
}

std::string joint_rule(const Summary& summary) {
  const auto& first = summary.constraints.front().rule;
  const bool one_rule =
      std::ranges::all_of(summary.constraints, [&](const auto& c) { return c.rule == first; });
  if (one_rule) return words_for_rule(first);
  std::string rules;
  for (const auto& constraint : summary.constraints)
    rules.append(rules.empty() ? "" : ", ").append(constraint.rule);
  return "each by its own decisions (" + rules + ")";
}

// ---- the page
// ------------------------------------------------------------------------------------------------------

using namespace measures;
constexpr double count_size = 0.7;     // of the text
constexpr double delta_margin = 0.82;  // room for the name of delta, at 11 points
constexpr std::size_t title_lines = 4, legend_characters = 48;

/// Panels side by side, below their title.
struct Row {
  std::vector<std::size_t> panels;
  std::vector<std::string> title;
  std::size_t remarks = 0;  ///< of the title, the last lines, in grey
  double top = 0, bottom = 0;
  bool last = false;
};

struct Page {
  double scale = 1;  ///< of all that goes with the text
  double height = 0, left = 0, gap = 0, panel_width = 0, panel_height = 0;
  Heading heading;
  Legend legend;
  std::vector<Row> rows;
};

/// Lays out a figure from its options.
class Layout {
 public:
  Layout(const Summary& summary, const ThreePlotsOptions& options, std::span<const std::string> legend,
         std::span<const std::string> axis_labels, AxisRange performance)
      : summary_(summary), options_(options), style_(options.style), performance_(performance) {
    page_.scale = style_.scale();
    page_.heading = heading_for(style_, summary.experiment, remarks_of(summary));
    page_.legend = legend_for(style_, legend);
    add_rows();
    choose_sizes(axis_labels);
    stack();
  }
  Page take() && { return std::move(page_); }

 private:
  void add_rows() {
    for (std::size_t c = 0; c < summary_.constraints.size(); ++c) add_failures(c);
    const bool several = summary_.constraints.size() > 1;
    if (several && options_.joint.value_or(true)) add_failures(summary_.constraints.size());
    if (style_.narrow())
      page_.rows.insert(page_.rows.begin(), {Row{{0}, {}}, Row{{1}, {}}});
    else if (page_.rows.empty())
      page_.rows.push_back({{0, 1}, {}});
    page_.rows.back().last = true;
  }

  /// The row or rows of a constraint; after the last one, of all together.
  void add_failures(std::size_t constraint) {
    std::vector<std::size_t> failures;
    if (options_.failure != FailurePanels::conditional) failures.push_back(Panels::failure(constraint));
    if (options_.failure != FailurePanels::all) failures.push_back(Panels::conditional(constraint));
    const std::size_t first = page_.rows.size();
    if (!style_.narrow()) {
      Row row{{0, 1}, {}};
      for (auto panel : failures) row.panels.push_back(panel);
      page_.rows.push_back(std::move(row));
    } else {
      for (auto panel : failures) page_.rows.push_back({{panel}, {}});
    }
    title_row(constraint, page_.rows[first]);
  }

  void title_row(std::size_t constraint, Row& row) const {
    const bool joint = constraint == summary_.constraints.size();
    const auto width = characters_in(style_.width * 0.97, style_.text_size());
    std::string name, rule;
    if (joint) {
      name = joint_title(summary_);
      rule = joint_rule(summary_) + delta_text("Σδ", summary_.joint_delta());
    } else {
      const auto& shown = summary_.constraints[constraint];
      name = shown.header.name;
      if (style_.title) name += ":  " + replaced(replaced(shown.header.expression, "<=", "≤"), ">=", "≥");
      rule = shortened(one_line(words_for_rule(shown.rule)), 100) + delta_text("δ", shown.header.delta);
    }
    // Without titles a row is told from the others by its name alone.
    if (style_.title || summary_.constraints.size() > 1)
      row.title = wrapped(one_line(name), width, title_lines);
    const auto remarks = wrapped(rule, width, 2);
    row.remarks = remarks.size();
    row.title.insert(row.title.end(), remarks.begin(), remarks.end());
  }

  void choose_sizes(std::span<const std::string> axis_labels) {
    std::size_t columns = 1, longest = 1;
    for (const auto& row : page_.rows) columns = std::max(columns, row.panels.size());
    for (const auto& label : axis_labels) longest = std::max(longest, length(label));
    const auto count = static_cast<double>(columns);
    page_.left = left_margin * page_.scale;
    if (!options_.performance_log) page_.left += room_for_tics(style_, performance_);
    page_.gap = gap * page_.scale;
    const double right = (options_.delta ? delta_margin : right_margin) * page_.scale;
    page_.panel_width = std::max(0.4, (style_.width - page_.left - right - (count - 1) * page_.gap) / count);
    // High enough for the names of the axes.
    const double named = static_cast<double>(longest) * 0.008 * style_.text_size();
    const double wanted = style_.narrow() ? 0.52 * page_.panel_width : 1.03 * page_.panel_width;
    page_.panel_height = std::clamp(std::max(wanted, named), 1.0, 2.45 * std::max(1.0, style_.width / 10.4));
  }

  void stack() {
    const double s = page_.scale;
    double y = bottom_margin * s + page_.legend.height + axis_label_height * s;
    for (auto row = page_.rows.rbegin(); row != page_.rows.rend(); ++row) {
      row->bottom = y + (shows_tics(*row) ? tics_height : title_gap) * s;
      row->top = row->bottom + page_.panel_height;
      y = row->top + (title_gap + static_cast<double>(row->title.size()) * title_line + 0.1) * s;
    }
    page_.height = y + page_.heading.height;
  }

  /// Panels below each other share the axis of the last one.
  bool shows_tics(const Row& row) const { return row.last || !style_.narrow(); }

  const Summary& summary_;
  const ThreePlotsOptions& options_;
  const FigureStyle& style_;
  AxisRange performance_;
  Page page_;
};

// ---- the script
// ----------------------------------------------------------------------------------------------------

/// The amounts of data, with a margin on each side.
AxisRange rows_range(const Summary& summary, bool log) {
  std::vector<double> rows;
  for (const auto& model : summary.models)
    for (const auto& point : model.points)
      if (point.rows > 0) rows.push_back(static_cast<double>(point.rows));
  return data_range(rows, log, 0.06);
}

AxisRange performance_range(const Panel& panel, const ThreePlotsOptions& options) {
  if (options.performance_limits) return *options.performance_limits;
  std::vector<double> values;
  for (const auto& curve : panel.curves)
    for (const auto& point : curve) {
      if (options.performance_log && point.value <= 0)
        throw InputError("--performance-scale log: the mean performance at " + std::to_string(point.rows) +
                         " rows is " + shortest(point.value) +
                         ", which a logarithmic axis cannot show; use a linear one, or another --measure");
      values.insert(values.end(), {point.value, point.lower, point.upper});
    }
  return range_of(values, options.performance_log, options.counts ? 0.12 : 0.07);
}

void check_limits(const ThreePlotsOptions& options) {
  if (!options.performance_limits) return;
  const auto [low, high] = *options.performance_limits;
  if (!(low < high) || !std::isfinite(low) || !std::isfinite(high))
    throw InputError("--performance-limits " + shortest(low) + "," + shortest(high) +
                     ": two finite numbers, the lower one first");
  if (options.performance_log && low <= 0)
    throw InputError("--performance-limits " + shortest(low) + "," + shortest(high) +
                     ": a logarithmic axis begins above 0");
}

class Script {
 public:
  Script(const Summary& summary, const ThreePlotsOptions& options)
      : summary_(summary),
        options_(options),
        style_(options.style),
        name_(style_.name.empty() ? "three_plots" : style_.name),
        panels_(panels_of(summary)) {
    check(style_);
    check_limits(options);
    std::vector<std::string> names;
    for (const auto& model : summary.models) names.push_back(model.name);
    legend_ = legend_texts(names, options.labels);
    const auto label = [](const std::string& given, const std::string& usual) {
      return one_line(given.empty() ? usual : given);
    };
    labels_ = {label(options.performance_label, words_for_measure(summary.performance)),
               label(options.solution_label, "Solution rate"), label(options.failure_label, "Failure rate"),
               label(options.failure_label.empty() ? "" : options.failure_label + ", solutions only",
                     "Failure rate of solutions")};
    std::vector<std::string> drawn = labels_;
    if (options.failure == FailurePanels::all) drawn.pop_back();
    performance_ = performance_range(panels_.list[0], options);
    page_ = Layout(summary, options, legend_, drawn, performance_).take();
  }

  std::string text() const {
    std::string script =
        "# Three Plots: performance, solution rate and failure rate against the amount of data.\n";
    script += labels() + script_terminals(style_, page_.height, name_) +
              "# ---- styles: line style m and band colour of model m ----\n" +
              script_line_styles(style_, summary_.models.size()) + script_frame(style_);
    script += "data = '" + name_ + ".dat'\n" + x_axis() + "set multiplot\n" +
              script_heading(style_, page_.heading, page_.height);
    for (std::size_t r = 0; r < page_.rows.size(); ++r) script += row(r);
    return script +
           script_legend(style_, page_.legend, legend_.size(), "model_", bottom_margin * page_.scale,
                         page_.height) +
           "unset multiplot\nset output\n";
  }

 private:
  std::string labels() const {
    std::string script = "# ---- labels ----\n";
    for (std::size_t m = 0; m < legend_.size(); ++m) script += variable("model_" + number(m + 1), legend_[m]);
    script += variable("x_label", options_.x_label.empty() ? "Amount of data (rows)" : options_.x_label);
    script += variable("performance_label", labels_[0]) + variable("solution_label", labels_[1]) +
              variable("failure_label", labels_[2]) + variable("conditional_label", labels_[3]);
    const auto lines = [&](const std::string& name, const std::vector<std::string>& texts) {
      for (std::size_t i = 0; i < texts.size(); ++i) script += variable(name + number(i + 1), texts[i]);
    };
    script += heading_variables(page_.heading);
    for (std::size_t r = 0; r < page_.rows.size(); ++r)
      lines("row_" + number(r + 1) + "_title_", page_.rows[r].title);
    return script;
  }

  std::string x_axis() const {
    const auto range = rows_range(summary_, options_.x_log);
    const auto most = std::max<std::size_t>(3, characters_in(page_.panel_width, style_.text_size()) / 5);
    return "set xrange [" + shortest(range.low) + ":" + shortest(range.high) + "]\n" +
           (options_.x_log ? script_log_tics('x', range, most)
                           : script_tics('x', range, std::min<std::size_t>(most, 7)));
  }

  std::string row(std::size_t r) const {
    const auto& row = page_.rows[r];
    std::string script = "# ---- row " + number(r + 1) + " ----\n" + title(r);
    script += row.last ? "set xlabel x_label noenhanced offset 0,0.4\n" : "unset xlabel\n";
    if (style_.narrow() && !row.last)
      script += "set format x ''\n";
    else if (style_.narrow())
      script += x_axis();
    for (std::size_t column = 0; column < row.panels.size(); ++column)
      script += panel(panels_.list[row.panels[column]], place(row, column), column + 1 == row.panels.size());
    return script;
  }

  std::string panel(const Panel& panel, const Place& place, bool last) const {
    std::string script = script_place(place, style_.width, page_.height);
    if (panel.kind == Kind::performance) {
      script += "set yrange [" + shortest(performance_.low) + ":" + shortest(performance_.high) + "]\n";
      const auto most =
          static_cast<std::size_t>(std::clamp(page_.panel_height / (0.27 * page_.scale), 3.0, 7.0));
      script += options_.performance_log ? script_log_tics('y', performance_, most)
                                         : script_tics('y', performance_, most);
    } else {
      script += std::string(options_.performance_log ? "unset logscale y\nset mytics 1\n" : "") +
                "set yrange [-0.05:1.05]\nset ytics 0,0.2,1\nset format y '%.1f'\n";
    }
    constexpr const char* names[] = {"performance_label", "solution_label", "failure_label",
                                     "conditional_label"};
    script += std::string("set ylabel ") + names[static_cast<std::size_t>(panel.kind)] +
              " noenhanced offset 0.5,0\n";
    const bool line = options_.delta && std::isfinite(panel.delta);
    if (line) script += delta_line(panel, last);
    script += curves(panel);
    return script + (line ? "unset arrow\n" : "") + "unset label\n";
  }

  /// The curves of a panel: bands below, lines above them, the first model on top.
  std::string curves(const Panel& panel) const {
    std::string bands, lines, counts;
    const bool log = panel.kind == Kind::performance && options_.performance_log;
    // What a logarithmic axis has no place for ends at its foot.
    const auto foot = shortest(performance_.low);
    const std::string lower = log ? "($4 > " + foot + " ? $4 : " + foot + ")" : "4";
    for (std::size_t m = panel.curves.size(); m-- > 0;) {
      if (panel.curves[m].empty()) continue;
      const auto from = ", \\\n  data index " + number(panel.blocks[m]) + " using ";
      if (panel.curves[m].size() > 1)
        bands += from + "2:" + lower + ":5 with filledcurves linecolor rgb '" + colour_of(m) + "'";
      else
        bands += from + "2:3:" + lower + ":5 with yerrorbars linestyle " + number(m + 1) +
                 " dashtype solid pointsize 0";
      lines += from + "2:3 with linespoints linestyle " + number(m + 1);
      const auto counted = counted_points(panel, m);
      if (!counted.empty())
        counts += from + "2:(strstrt('" + counted +
                  "', sprintf(' %d ', $0)) > 0 ? $3 : NaN):(sprintf('%d', $9)) with labels font '," +
                  shortest(style_.text_size() * count_size) + "' textcolor rgb '" + colour_of(m) +
                  "' offset 0,0.7";
    }
    return "plot NaN" + bands + lines + counts + "\n";  // NaN: a panel without a curve keeps its axes
  }

  /// Which points of a curve get the number of their trials, as " 0 2 ": performances that some trials are
  /// not behind, as far as the numbers fit side by side.
  std::string counted_points(const Panel& panel, std::size_t m) const {
    if (panel.kind != Kind::performance || !options_.counts) return "";
    const auto axis = rows_range(summary_, options_.x_log);
    const auto place = [&](std::uint64_t rows) {
      const auto n = static_cast<double>(rows);
      const double share = options_.x_log ? std::log(n / axis.low) / std::log(axis.high / axis.low)
                                          : (n - axis.low) / (axis.high - axis.low);
      return share * page_.panel_width;
    };
    std::string list;
    double free = 0;
    for (std::size_t i = 0; i < panel.curves[m].size(); ++i) {
      const auto& point = panel.curves[m][i];
      const double width = (static_cast<double>(std::to_string(point.trials).size()) + 0.7) * 0.009 *
                           style_.text_size() * count_size;
      if (point.trials >= summary_.n_trials || place(point.rows) - width / 2 < free) continue;
      list += (list.empty() ? " " : "") + number(i) + " ";
      free = place(point.rows) + width / 2;
    }
    return list;
  }

  /// Its name stands beside the last panel of a row, and within any other.
  std::string delta_line(const Panel& panel, bool last) const {
    const auto at = shortest(panel.delta);
    const std::string name = panel.joint ? "Σδ" : "δ";
    const std::string place =
        last ? "graph 1.02, first " + at + " left" : "graph 0.98, first " + at + " right offset 0,0.5";
    return "set arrow 1 from graph 0, first " + at + " to graph 1, first " + at +
           " nohead front linecolor rgb 'black' linewidth " + fixed(1.5 * std::min(1.0, page_.scale), 2) +
           " dashtype (6,4)\nset label 99 " + gnuplot_quoted(name + " = " + at) + " at " + place +
           " noenhanced front\n";
  }

  std::string y(double inches) const { return fixed(inches / page_.height, 5); }

  Place place(const Row& row, std::size_t column) const {
    const double left = page_.left + static_cast<double>(column) * (page_.panel_width + page_.gap);
    return {left, left + page_.panel_width, row.bottom, row.top};
  }

  std::string title(std::size_t r) const {
    const auto& row = page_.rows[r];
    std::string script;
    for (std::size_t line = 0; line < row.title.size(); ++line) {
      const double height =
          row.top +
          (title_gap + (static_cast<double>(row.title.size() - line) - 0.5) * title_line) * page_.scale;
      script += "set label row_" + number(r + 1) + "_title_" + number(line + 1) + " at screen 0.5, screen " +
                y(height) + " center noenhanced" +
                (line + row.remarks >= row.title.size() ? " textcolor rgb '#555555'" : "") + "\n";
    }
    return script;
  }

  const Summary& summary_;
  const ThreePlotsOptions& options_;
  const FigureStyle& style_;
  std::string name_;
  Panels panels_;
  std::vector<std::string> legend_, labels_;
  Page page_;
  AxisRange performance_ = {0, 1};
};

}  // namespace

std::vector<std::string> legend_texts(const std::vector<std::string>& names,
                                      const std::vector<std::pair<std::string, std::string>>& labels) {
  auto texts = names;
  for (const auto& [name, text] : labels) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
      std::string known;
      for (const auto& shown : names) known.append(known.empty() ? "'" : ", '").append(shown).append("'");
      throw InputError("--label: no model '" + one_line(name) + "' is shown; shown are " + known);
    }
    texts[static_cast<std::size_t>(found - names.begin())] = text;
  }
  for (auto& text : texts) text = shortened(one_line(text), legend_characters);
  return texts;
}

std::string three_plots_data(const Summary& summary) {
  std::string band = "one standard error to each side, rates cut at 0 and 1, at rates 0 and 1 Wilson (z = 1)";
  if (summary.interval == RateInterval::exact) band = "95 %, means by Student, rates by Clopper and Pearson";
  if (summary.interval == RateInterval::wilson) band = "95 %, means by Student, rates by Wilson";
  std::string text =
      "# data_frac n value lower upper standard_error exact_95_lower exact_95_upper trials wilson_95_lower "
      "wilson_95_upper\n# lower, upper: ";
  text += band + "; exact (Clopper and Pearson) and Wilson: rates only\n";
  for (const auto& panel : panels_of(summary).list)
    for (std::size_t m = 0; m < panel.curves.size(); ++m) {
      if (panel.curves[m].empty()) continue;
      text += "\n\n# " + one_line(summary.models[m].name) + ": " + one_line(panel.quantity) + "\n";
      for (const auto& point : panel.curves[m]) {
        text += shortest(point.fraction) + " " + std::to_string(point.rows);
        for (double value :
             {point.value, point.lower, point.upper, point.error, point.exact_lower, point.exact_upper})
          text.append(" ").append(data_number(value));
        text.append(" ").append(std::to_string(point.trials));
        for (double value : {point.wilson_lower, point.wilson_upper})
          text.append(" ").append(data_number(value));
        text.append("\n");
      }
    }
  return text;
}

std::string three_plots_script(const Summary& summary, const ThreePlotsOptions& options) {
  return Script(summary, options).text();
}

void write_three_plots(const Summary& summary, const std::filesystem::path& folder,
                       std::span<const Format> formats, const ThreePlotsOptions& options) {
  const auto script = three_plots_script(summary, options);
  write_figure(folder, options.style.name.empty() ? "three_plots" : options.style.name,
               three_plots_data(summary), script, formats);
}

}  // namespace seldon::analysis
