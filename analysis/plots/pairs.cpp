#include "analysis/plots/pairs.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/aggregate.h"
#include "analysis/plots/three_plots.h"
#include "analysis/statistics/comparison.h"
#include "analysis/text.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// One model's performance on the selected truth, NaN where a trial has none.
class Performance {
 public:
  Performance(const ModelResults& model, const Selection& selection, const std::string& measure)
      : model_(model),
        truth_(truth_index(model.header.shape, selection)),
        measure_(measure_index(model.header.shape, measure)) {}

  bool recorded(std::size_t cell) const { return model_.done(cell); }
  double at(std::size_t cell) const {
    return model_.solved(cell) ? model_.performance_at(cell, truth_, measure_) : nan;
  }

 private:
  const ModelResults& model_;
  std::size_t truth_, measure_;
};

PairPoint compare(const Performance& first, const Performance& second, std::size_t begin, std::size_t end,
                  double confidence) {
  PairPoint point;
  std::vector<double> a, b;
  for (std::size_t cell = begin; cell < end; ++cell) {
    if (!first.recorded(cell) || !second.recorded(cell)) continue;
    ++point.recorded;
    const double x = first.at(cell), y = second.at(cell);
    if (!std::isnan(x) && !std::isnan(y)) {
      a.push_back(x);
      b.push_back(y);
    } else if (!std::isnan(x)) {
      ++point.only_first;
    } else if (!std::isnan(y)) {
      ++point.only_second;
    }
  }
  const auto comparison = paired(a, b, confidence);
  point.pairs = static_cast<std::uint32_t>(a.size());
  point.first = mean_of(a).value;
  point.second = mean_of(b).value;
  point.difference = comparison.mean;
  point.error = comparison.sd / std::sqrt(static_cast<double>(a.size()));
  point.lower = comparison.interval.lower;
  point.upper = comparison.interval.upper;
  point.p = comparison.test.p;
  return point;
}

std::string pair_name(const PairCurve& curve) {
  return curve.first + " − " + curve.second;
}

std::string percent(double confidence) {
  return shortest(std::round(confidence * 1e6) / 1e4) + " %";
}

}  // namespace

Pairs compare_pairs(const Results& results, const Selection& selection,
                    const std::vector<std::string>& models, const std::string& measure, double confidence) {
  if (!(confidence > 0 && confidence < 1))
    throw InputError("--confidence is " + shortest(confidence) + "; choose a number between 0 and 1");
  const auto& header = results.header;
  std::vector<std::string> names;
  for (const auto& model : header.models) names.push_back(model.name);
  const auto chosen = positions_of(models, names, "model");
  if (chosen.size() < 2)
    throw InputError("a comparison takes two models or more, and " + std::to_string(chosen.size()) +
                     " is named; name them with --models");
  const auto& shape = header.models[chosen.front()].shape;
  Pairs pairs{header.name,     "",         shape.truths.at(truth_index(shape, selection)),
              header.n_trials, confidence, {}};
  const auto index = measure_index(shape, measure);
  if (index < shape.performance.size()) pairs.measure = shape.performance[index];
  const Performance first(results.models[chosen.front()], selection, pairs.measure);
  for (std::size_t i = 1; i < chosen.size(); ++i) {
    const Performance second(results.models[chosen[i]], selection, pairs.measure);
    PairCurve curve{names[chosen.front()], names[chosen[i]], {}};
    for (std::size_t fraction = 0; fraction < header.data_fracs.size(); ++fraction) {
      const std::size_t begin = fraction * header.n_trials;
      curve.points.push_back(compare(first, second, begin, begin + header.n_trials, confidence));
      curve.points.back().fraction = header.data_fracs[fraction];
      curve.points.back().rows = header.rows[fraction];
    }
    std::ranges::stable_sort(curve.points, {}, &PairPoint::rows);
    pairs.curves.push_back(std::move(curve));
  }
  return pairs;
}

Table pairs_table(const Pairs& pairs) {
  const auto measure = words_for_measure(pairs.measure);
  const auto level = percent(pairs.confidence);
  Table table;
  table.name = "pairs";
  table.title = measure + ": paired comparison over common trials";
  table.columns = {
      {"first", "First", "the model whose performance is taken", 3},
      {"second", "Second", "the model whose performance is subtracted", 3},
      {"data_frac", "Fraction", "share of the data", 4},
      {"n", "n", "rows that a trial saw", 0},
      {"recorded", "Trials", "trials recorded of both models", 0},
      {"pairs", "Pairs", "trials in which both found a solution", 0},
      {"only_first", "Only first", "trials in which only the first found a solution", 0},
      {"only_second", "Only second", "trials in which only the second found a solution", 0},
      {"mean_first", "Mean first", "mean performance of the first over the pairs", 4},
      {"mean_second", "Mean second", "mean performance of the second over the pairs", 4},
      {"difference", "Difference", "mean of first - second over the pairs, with its interval", 4},
      {"standard_error", "Std. error", "of the mean difference", 4},
      {"p", "p", "two-sided, of 'the mean difference is 0' (Student)", 4}};
  for (const auto& curve : pairs.curves)
    for (const auto& point : curve.points) {
      const std::string none = point.pairs == 0 ? "no pairs" : "";
      const std::string single = point.pairs == 0 ? "no pairs" : point.pairs == 1 ? "one pair" : "";
      table.rows.push_back(
          {TableCell::of(one_line(curve.first)), TableCell::of(one_line(curve.second)),
           TableCell::of_number(point.fraction), TableCell::of_count(point.rows),
           TableCell::of_count(point.recorded), TableCell::of_count(point.pairs),
           TableCell::of_count(point.only_first), TableCell::of_count(point.only_second),
           TableCell::of_number(point.first, none), TableCell::of_number(point.second, none),
           std::isnan(point.lower) ? TableCell::of_number(point.difference, none)
                                   : TableCell::of_interval(point.difference, point.lower, point.upper, none),
           TableCell::of_number(point.error, single), TableCell::of_number(point.p, single)});
    }
  table.notes = {
      "Difference: mean of first - second over the trials in which both models found a solution, with "
      "Student's " +
          level + " interval; one interval per row, not simultaneous.",
      "Models share the rows of a trial. Where one of the two often finds no solution, the pairs are a "
      "selection of the trials.",
      "Judged on: " + words_for_truth(pairs.truth) + "."};
  return table;
}

std::string pairs_data(const Pairs& pairs) {
  std::string text = "# ";
  text += one_line(pairs.experiment) + ", " + one_line(pairs.measure) + ", " + words_for_truth(pairs.truth) +
          "\n# data_frac n difference lower upper standard_error pairs only_first only_second mean_first "
          "mean_second p\n# difference: mean of first - second over the pairs; lower, upper: Student's " +
          percent(pairs.confidence) + " interval\n";
  for (const auto& curve : pairs.curves) {
    text += "\n\n# " + one_line(curve.first) + " - " + one_line(curve.second) + "\n";
    for (const auto& point : curve.points) {
      text += shortest(point.fraction) + " " + std::to_string(point.rows);
      for (double value : {point.difference, point.lower, point.upper, point.error})
        text.append(" ").append(data_number(value));
      for (auto count : {point.pairs, point.only_first, point.only_second})
        text.append(" ").append(std::to_string(count));
      for (double value : {point.first, point.second, point.p}) text.append(" ").append(data_number(value));
      text += "\n";
    }
  }
  return text;
}

// ---- the script
// ----------------------------------------------------------------------------------------------------

namespace {

using namespace measures;

class Script {
 public:
  Script(const Pairs& pairs, const PairsOptions& options)
      : pairs_(pairs), options_(options), style_(options.style) {
    check(style_);
    name_ = style_.name.empty() ? "pairs" : style_.name;
    std::vector<std::string> models;
    if (!pairs.curves.empty()) models.push_back(pairs.curves.front().first);
    for (const auto& curve : pairs.curves) models.push_back(curve.second);
    const auto texts = legend_texts(models, options.labels);
    for (std::size_t i = 1; i < texts.size(); ++i)
      legend_texts_.push_back(pair_name({texts.front(), texts[i], {}}));
    legend_ = legend_for(style_, legend_texts_);
    heading_ = heading_for(
        style_, pairs.experiment + ": paired comparison",
        {"mean difference over the trials in which both found a solution, with Student's " +
             percent(pairs.confidence) + " interval",
         words_for_truth(pairs.truth) + ", at most " + std::to_string(pairs.n_trials) + " pairs"});
    lay_out();
  }

  std::string text() const {
    const auto difference = options_.difference_label.empty()
                                ? words_for_measure(pairs_.measure) + ", difference"
                                : options_.difference_label;
    std::string script = "# Paired comparison: the mean difference of two models over common trials.\n";
    script += "# ---- labels ----\n";
    for (std::size_t i = 0; i < legend_texts_.size(); ++i)
      script += variable("pair_" + number(i + 1), legend_texts_[i]);
    script += variable("x_label", options_.x_label.empty() ? "Amount of data (rows)" : options_.x_label) +
              variable("difference_label", difference) + variable("pairs_label", "Pairs") +
              heading_variables(heading_);
    script += script_terminals(style_, height_, name_) +
              "# ---- styles: line style i and band colour of pair i ----\n" +
              script_line_styles(style_, pairs_.curves.size()) + script_frame(style_) + "data = '" + name_ +
              ".dat'\n" + "set multiplot\n" + script_heading(style_, heading_, height_);
    script += differences() + counts();
    return script +
           script_legend(style_, legend_, legend_texts_.size(), "pair_", bottom_margin * style_.scale(),
                         height_) +
           "unset multiplot\nset output\n";
  }

 private:
  void lay_out() {
    const double s = style_.scale();
    const double left = (left_margin + 0.2) * s + room_for_tics(style_, difference_range()),
                 right = style_.width - right_margin * s;
    const double upper = std::clamp(0.4 * (right - left), 1.3, 4.0), lower = 0.3 * upper;
    double y = bottom_margin * s + legend_.height + (axis_label_height + tics_height) * s;
    counts_ = {left, right, y, y + lower};
    y += lower + title_gap * s;
    differences_ = {left, right, y, y + upper};
    height_ = y + upper + title_gap * s + heading_.height;
  }

  std::string x_axis() const {
    std::vector<double> rows;
    for (const auto& curve : pairs_.curves)
      for (const auto& point : curve.points)
        if (point.rows > 0) rows.push_back(static_cast<double>(point.rows));
    const auto range = data_range(rows, options_.x_log, 0.04);
    const auto most = std::clamp<std::size_t>(
        characters_in(differences_.right - differences_.left, style_.text_size()) / 6, 3, 10);
    return "set xrange [" + shortest(range.low) + ":" + shortest(range.high) + "]\n" +
           (options_.x_log ? script_log_tics('x', range, most) : script_tics('x', range, most));
  }

  AxisRange difference_range() const {
    std::vector<double> values = {0};
    for (const auto& curve : pairs_.curves)
      for (const auto& point : curve.points)
        if (is_drawn(point)) values.insert(values.end(), {point.difference, point.lower, point.upper});
    return range_of(values, false, 0.08);
  }

  static bool is_drawn(const PairPoint& point) { return point.pairs > 1 && point.rows > 0; }

  std::string differences() const {
    std::string bands, lines;
    for (std::size_t i = pairs_.curves.size(); i-- > 0;) {
      const auto drawn = std::ranges::count_if(pairs_.curves[i].points, is_drawn);
      const auto from = ", \\\n  data index " + number(i) + " using 2:";
      const std::string several = "($7 > 1 ? $3 : NaN)";
      if (drawn > 1) bands += from + "4:5 with filledcurves linecolor rgb '" + colour_of(i) + "'";
      if (drawn > 0)
        lines += from + "4:(0):($5-$4) with vectors nohead linecolor rgb '" + colour_of(i) +
                 "' linewidth 0.8" + from + several + " with linespoints linestyle " + number(i + 1);
    }
    const auto range = difference_range();
    const auto most = static_cast<std::size_t>(
        std::clamp((differences_.top - differences_.bottom) / (0.3 * style_.scale()), 3.0, 7.0));
    return "# ---- differences ----\n" + x_axis() + "set format x ''\n" +
           script_place(differences_, style_.width, height_) + "set yrange [" + shortest(range.low) + ":" +
           shortest(range.high) + "]\n" + script_tics('y', range, most) +
           "set ylabel difference_label noenhanced offset 0.5,0\n"
           "set arrow 1 from graph 0, first 0 to graph 1, first 0 nohead back linecolor rgb '#444444' "
           "linewidth 1\nplot NaN" +
           bands + lines + "\nunset arrow\nunset label\n";
  }

  std::string counts() const {
    const double top = std::max(1.0, static_cast<double>(pairs_.n_trials));
    std::string lines;
    for (std::size_t i = pairs_.curves.size(); i-- > 0;)
      lines += ", \\\n  data index " + number(i) + " using 2:7 with linespoints linestyle " + number(i + 1);
    return "# ---- how many pairs ----\n" + x_axis() + script_place(counts_, style_.width, height_) +
           "set xlabel x_label noenhanced offset 0,0.4\nset yrange [" + shortest(-0.08 * top) + ":" +
           shortest(1.08 * top) + "]\n" + script_tics('y', {0, top}, 3) +
           "set ylabel pairs_label noenhanced offset 0.5,0\nplot NaN" + lines + "\n";
  }

  const Pairs& pairs_;
  const PairsOptions& options_;
  const FigureStyle& style_;
  std::string name_;
  std::vector<std::string> legend_texts_;
  Legend legend_;
  Heading heading_;
  Place differences_ = {}, counts_ = {};
  double height_ = 0;
};

}  // namespace

std::string pairs_script(const Pairs& pairs, const PairsOptions& options) {
  return Script(pairs, options).text();
}

void write_pairs(const Pairs& pairs, const PairsOptions& options, const std::filesystem::path& folder,
                 std::span<const Format> formats) {
  const auto script = pairs_script(pairs, options);
  write_figure(folder, options.style.name.empty() ? "pairs" : options.style.name, pairs_data(pairs), script,
               formats);
}

}  // namespace seldon::analysis
