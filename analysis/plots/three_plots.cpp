#include "analysis/plots/three_plots.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "analysis/output.h"
#include "analysis/plots/gnuplot.h"
#include "analysis/plots/palette.h"
#include "analysis/text.h"

namespace seldon::analysis {
namespace {

// ---- what is drawn: curves of points with a band
// -------------------------------------------------------------------

struct CurvePoint {
  std::uint64_t rows;
  double fraction, value, lower, upper, error;
  double exact_lower, exact_upper;  ///< NaN for means
  std::uint32_t trials;
};

using Curve = std::vector<CurvePoint>;

/// A point that a logarithmic axis can show, with a value.
bool drawable(std::uint64_t rows, double value) {
  return rows > 0 && std::isfinite(value);
}

Curve performance_curve(const ModelSummary& model) {
  Curve curve;
  for (const auto& point : model.points) {
    const auto& mean = point.performance;
    if (mean.trials < 2 || !drawable(point.rows, mean.value)) continue;
    curve.push_back({point.rows, point.fraction, mean.value, mean.value - mean.error, mean.value + mean.error,
                     mean.error, std::nan(""), std::nan(""), mean.trials});
  }
  return curve;
}

template <class RateOf>
Curve rate_curve(const ModelSummary& model, RateOf rate_of_point) {
  Curve curve;
  for (const auto& point : model.points) {
    const Rate& rate = rate_of_point(point);
    if (!drawable(point.rows, rate.value)) continue;
    const double error = std::isnan(rate.error) ? 0 : rate.error;  // one trial: no band
    curve.push_back({point.rows, point.fraction, rate.value, std::max(0.0, rate.value - error),
                     std::min(1.0, rate.value + error), rate.error, rate.exact_lower, rate.exact_upper,
                     rate.trials});
  }
  return curve;
}

/// The curves of one panel, one per model.
struct Panel {
  std::string quantity;  ///< for the data file
  std::vector<Curve> curves;
};

/// Performance, solution rate, then the failure rate of each constraint.
std::vector<Panel> panels_of(const Summary& summary) {
  std::vector<Panel> panels{{"performance, " + summary.performance, {}}, {"solution rate", {}}};
  for (const auto& model : summary.models) {
    panels[0].curves.push_back(performance_curve(model));
    panels[1].curves.push_back(rate_curve(model, [](const Point& p) -> const Rate& { return p.solution; }));
  }
  for (std::size_t c = 0; c < summary.constraints.size(); ++c) {
    panels.push_back({"failure rate, " + summary.constraints[c].header.name, {}});
    for (const auto& model : summary.models)
      panels.back().curves.push_back(
          rate_curve(model, [c](const Point& p) -> const Rate& { return p.violation[c]; }));
  }
  return panels;
}

// ---- words
// ---------------------------------------------------------------------------------------------------------

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::string words_for_rule(const std::string& rule) {
  if (rule == "soft") return "soft decisions (mean probabilities)";
  if (rule == "hard") return "hard decisions (predicted labels)";
  return rule == "value" ? "predicted values" : rule + " decisions";
}

std::string words_for_truth(const std::string& truth) {
  if (truth == "original") return "ground truth: original data";
  if (truth == "held_out") return "ground truth: held-out rows";
  return "ground truth: " + truth;
}

/// "log_loss" becomes "Log loss".
std::string words_for_measure(const std::string& measure) {
  if (measure.empty()) return "Performance";
  auto words = one_line(replaced(measure, "_", " "));
  if (words[0] >= 'a' && words[0] <= 'z') words[0] = static_cast<char>(words[0] - 'a' + 'A');
  return shortened(words, 30);
}

/// What the whole figure shows, and what it lacks.
std::string subtitle(const Summary& summary) {
  std::uint64_t cells = 0, recorded = 0, failed = 0;
  for (const auto& model : summary.models)
    for (const auto& point : model.points) {
      cells += point.recorded + point.failed + point.missing;
      recorded += point.recorded;
      failed += point.failed;
    }
  std::string text = "mean and standard error over " + std::to_string(summary.n_trials) + " trials, " +
                     words_for_truth(summary.truth);
  if (recorded < cells)
    text += "; PARTIAL: " + std::to_string(recorded) + " of " + std::to_string(cells) + " cells recorded";
  if (failed > 0) text += ", " + std::to_string(failed) + " failed";
  return text;
}

// ---- the page, in inches
// -------------------------------------------------------------------------------------------

constexpr double page_width = 10.4;
constexpr std::size_t columns = 3;
constexpr double left_margin = 0.85, right_margin = 0.82, gap = 0.85;  // right: room for the name of delta
constexpr double panel_width = (page_width - left_margin - right_margin - (columns - 1) * gap) / columns;
constexpr double panel_height = 2.45;
constexpr double header_height = 0.62, title_line = 0.22, title_gap = 0.12;
constexpr double tics_height = 0.36, axis_label_height = 0.33, legend_line = 0.27, bottom_margin = 0.12;
constexpr double character_width = 0.088, legend_sample = 0.75;  // at 11 points
constexpr std::size_t title_characters = 115, title_lines = 4, legend_characters = 48;

struct Row {
  std::vector<std::string> title;
  double top, bottom;  ///< of the panels, from the page's lower edge
  bool last;
};

struct Page {
  double height = 0;
  double legend_top = 0, legend_bottom = 0;
  std::size_t legend_columns = 1;
  std::vector<Row> rows;
};

std::vector<std::string> title_of(const ConstraintSummary& constraint) {
  auto expression = replaced(replaced(constraint.header.expression, "<=", "≤"), ">=", "≥");
  auto lines = wrapped(one_line(constraint.header.name + ":  " + expression), title_characters, title_lines);
  lines.push_back(shortened(one_line(words_for_rule(constraint.rule)), title_characters) +
                  ",  δ = " + shortest(constraint.header.delta));
  return lines;
}

std::vector<std::string> legend_of(const Summary& summary) {
  std::vector<std::string> labels;
  for (const auto& model : summary.models)
    labels.push_back(shortened(one_line(model.name), legend_characters));
  return labels;
}

Page lay_out(const Summary& summary) {
  Page page;
  std::size_t longest = 1;
  for (const auto& label : legend_of(summary)) longest = std::max(longest, length(label));
  const double entry = static_cast<double>(longest) * character_width + legend_sample;
  const std::size_t models = std::max<std::size_t>(1, summary.models.size());
  page.legend_columns = std::clamp<std::size_t>(static_cast<std::size_t>(page_width / entry), 1, models);
  const auto legend_lines = (models + page.legend_columns - 1) / page.legend_columns;

  for (const auto& constraint : summary.constraints) page.rows.push_back({title_of(constraint), 0, 0, false});
  if (page.rows.empty()) page.rows.push_back({});
  page.rows.back().last = true;

  page.legend_bottom = bottom_margin;
  page.legend_top = page.legend_bottom + static_cast<double>(legend_lines) * legend_line;
  double y = page.legend_top + axis_label_height;
  for (auto row = page.rows.rbegin(); row != page.rows.rend(); ++row) {
    row->bottom = y + tics_height;
    row->top = row->bottom + panel_height;
    y = row->top + title_gap + static_cast<double>(row->title.size()) * title_line + 0.1;
  }
  page.height = y + header_height;
  return page;
}

// ---- the script
// ----------------------------------------------------------------------------------------------------

/// Point types of gnuplot: disc, square, diamond, triangle up, triangle down, pentagon, circle. Seven of them
/// and eight colours: 56 models before a pair repeats.
constexpr std::array<int, 7> markers = {7, 5, 13, 9, 11, 15, 6};
constexpr std::array<const char*, 5> dashes = {"solid", "(10,4)", "(4,3)", "(10,3,3,3)", "(2,3)"};

struct Range {
  double low, high;
};

/// The amounts of data, with a margin of a twentieth of the axis on each side.
Range data_range(const Summary& summary) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const auto& model : summary.models)
    for (const auto& point : model.points)
      if (point.rows > 0) {
        low = std::min(low, static_cast<double>(point.rows));
        high = std::max(high, static_cast<double>(point.rows));
      }
  if (high == 0) return {1, 10};
  const double margin = std::max(std::pow(high / low, 0.06), low == high ? 2.0 : 1.05);
  return {low / margin, high * margin};
}

Range value_range(const Panel& panel) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const auto& curve : panel.curves)
    for (const auto& point : curve)
      for (double value : {point.value, point.lower, point.upper})
        if (std::isfinite(value)) {
          low = std::min(low, value);
          high = std::max(high, value);
        }
  if (low > high) return {0, 1};
  // A constant gets a range around it; differences in the last digits are no differences.
  const double least = std::max(std::abs(low), std::abs(high)) * 1e-6;
  const double margin = high - low > least ? (high - low) * 0.07 : std::max(0.1 * std::abs(low), 0.05);
  return {low - margin, high + margin};
}

/// A tic every 1, 2 or 5 times a power of ten, at most seven of them, with just the decimals that this needs.
std::string script_y_tics(Range range) {
  const double least = (range.high - range.low) / 6;
  const double power = std::pow(10, std::floor(std::log10(least)));
  const int lead = least <= 1 * power ? 1 : least <= 2 * power ? 2 : least <= 5 * power ? 5 : 10;
  const int decimals = -static_cast<int>(std::floor(std::log10(lead * power) + 1e-9));
  const bool plain = decimals <= 6 && std::max(std::abs(range.low), std::abs(range.high)) < 1e6;
  return "set ytics " + shortest(lead * power) + "\nset format y '" +
         (plain ? "%." + std::to_string(std::max(0, decimals)) + "f" : "%.6g") + "'\n";
}

/// `name = "text"` for labels that a person may want to change.
std::string variable(const std::string& name, std::string_view value) {
  return name + " = " + gnuplot_quoted(value) + "\n";
}

std::string number(std::size_t value) {
  return std::to_string(value);
}

std::string script_labels(const Summary& summary, const Page& page) {
  std::string script = "# ---- labels ----\n";
  const auto legend = legend_of(summary);
  for (std::size_t m = 0; m < legend.size(); ++m) script += variable("model_" + number(m + 1), legend[m]);
  script += variable("x_label", "Amount of data (rows)");
  script += variable("performance_label", words_for_measure(summary.performance));
  script += variable("solution_label", "Solution rate");
  script += variable("failure_label", "Failure rate");
  script += variable("figure_title", shortened(one_line(summary.experiment), title_characters - 15));
  script += variable("figure_subtitle", shortened(one_line(subtitle(summary)), title_characters));
  for (std::size_t r = 0; r < page.rows.size(); ++r)
    for (std::size_t line = 0; line < page.rows[r].title.size(); ++line)
      script += variable("row_" + number(r + 1) + "_title_" + number(line + 1), page.rows[r].title[line]);
  return script;
}

std::string script_terminals(const Page& page) {
  const auto size = [&](int per_inch) {
    return " size " + fixed(page_width * per_inch, 0) + "," + fixed(page.height * per_inch, 0);
  };
  // Sizes of text, lines and points differ between gnuplot's terminals; the scales make them equal on paper.
  return "# ---- format: gnuplot -d -e \"format='pdf'\" three_plots.gp draws another ----\n"
         "if (!exists('format')) format = 'svg'\n"
         "set encoding utf8\n"
         "if (format eq 'svg') set terminal svg" +
         size(96) +
         " font 'DejaVu Sans,Helvetica,Arial,sans-serif,11' fontscale 1.333 linewidth 1.333 background rgb "
         "'white'\n"
         "if (format eq 'pdf') set terminal pdfcairo size " +
         fixed(page_width, 2) + "in," + fixed(page.height, 2) +
         "in font 'DejaVu Sans,11' fontscale 0.75 linewidth 2.2 pointscale 0.8\n"
         "if (format eq 'png') set terminal pngcairo" +
         size(150) +
         " font 'DejaVu Sans,11' fontscale 1.5625 linewidth 2 pointscale 2 background rgb 'white'\n"
         "if (!exists('file')) file = 'three_plots.'.format\nset output file\n";
}

std::string script_styles(const Summary& summary) {
  std::string script = "# ---- styles: line style m and band colour of model m ----\n";
  const std::size_t models = summary.models.size();
  for (std::size_t m = 0; m < models; ++m) {
    // The first model is drawn on top; those below it are broader, so that equal curves show.
    const double depth = models < 2 ? 0 : static_cast<double>(m) / static_cast<double>(models - 1);
    const double step = models < 4 ? static_cast<double>(models - 1) / 3 : 1;
    script += "set style line " + number(m + 1) + " linecolor rgb '" + colours[m % colours.size()] +
              "' linewidth " + fixed(1.5 + 1.5 * step * depth, 1) + " pointtype " +
              std::to_string(markers[m % markers.size()]) + " pointsize " +
              fixed(0.55 + 0.36 * step * depth, 2) + " dashtype " + dashes[m % dashes.size()] + "\n";
  }
  return script +
         "set style fill transparent solid 0.22 noborder\n"
         "set border 31 linecolor rgb '#666666' linewidth 0.8\n"
         "set grid xtics ytics linecolor rgb '#DDDDDD' linewidth 0.7 linetype 1\n"
         "set tics nomirror out scale 0.6,0.3 textcolor rgb '#222222'\n"
         "set key off\n";
}

std::string script_x_axis(const Summary& summary) {
  const auto range = data_range(summary);
  std::string script =
      "set logscale x 10\nset xrange [" + shortest(range.low) + ":" + shortest(range.high) + "]\n";
  if (range.high / range.low > 30) return script + "set format x '10^{%L}'\nset mxtics 10\n";
  // Too short an axis for powers of ten alone: 1, 2, 5, 10 ...
  std::string tics;
  for (int exponent = static_cast<int>(std::floor(std::log10(range.low)));
       std::pow(10, exponent) <= range.high; ++exponent)
    for (int lead : {1, 2, 5}) tics += (tics.empty() ? "" : ", ") + shortest(lead * std::pow(10, exponent));
  return script + "set format x '%.10g'\nset mxtics 1\nset xtics (" + tics + ")\n";
}

/// The curves of a panel: bands below, lines above them, the first model on top.
std::string script_curves(const Panel& panel, const std::vector<std::size_t>& blocks) {
  std::string bands, lines;
  for (std::size_t m = panel.curves.size(); m-- > 0;) {
    if (panel.curves[m].empty()) continue;
    const auto from = ", \\\n  data index " + number(blocks[m]) + " using ";
    if (panel.curves[m].size() > 1)
      bands += from + "2:4:5 with filledcurves linecolor rgb '" + colours[m % colours.size()] + "'";
    else
      bands += from + "2:3:4:5 with yerrorbars linestyle " + number(m + 1) + " dashtype solid pointsize 0";
    lines += from + "2:3 with linespoints linestyle " + number(m + 1);
  }
  return "plot NaN" + bands + lines + "\n";  // NaN: a panel without a curve keeps its axes
}

class ScriptRows {
 public:
  ScriptRows(const Summary& summary, const Page& page, const std::vector<Panel>& panels,
             const std::vector<std::vector<std::size_t>>& blocks)
      : summary_(summary), page_(page), panels_(panels), blocks_(blocks) {}

  std::string row(std::size_t r) const {
    const auto& row = page_.rows[r];
    std::string script = "# ---- row " + number(r + 1) + " ----\n" + title(r);
    script += row.last ? "set xlabel x_label noenhanced offset 0,0.4\n" : "unset xlabel\n";
    script += "set tmargin at screen " + y(row.top) + "\nset bmargin at screen " + y(row.bottom) + "\n";

    const auto performance = value_range(panels_[0]);
    script += margins(0) + "set yrange [" + shortest(performance.low) + ":" + shortest(performance.high) +
              "]\n" + script_y_tics(performance) + "set ylabel performance_label noenhanced offset 0.5,0\n";
    script += script_curves(panels_[0], blocks_[0]);
    script += "unset label\n";

    script += "set yrange [-0.05:1.05]\nset ytics 0,0.2,1\nset format y '%.1f'\n";
    script += margins(1) + "set ylabel solution_label noenhanced offset 0.5,0\n";
    script += script_curves(panels_[1], blocks_[1]);
    if (r >= summary_.constraints.size()) return script;

    script += margins(2) + "set ylabel failure_label noenhanced offset 0.5,0\n";
    if (summary_.truth != "held_out") script += delta_line(shortest(summary_.constraints[r].header.delta));
    script += script_curves(panels_[2 + r], blocks_[2 + r]);
    return script + "unset arrow\nunset label\n";
  }

 private:
  /// The guarantee is about the data that trials are drawn from, so it has no line where held-out rows judge.
  static std::string delta_line(const std::string& delta) {
    return "set arrow 1 from graph 0, first " + delta + " to graph 1, first " + delta +
           " nohead front linecolor rgb 'black' linewidth 1.5 dashtype (6,4)\nset label 1 " +
           gnuplot_quoted("δ = " + delta) + " at graph 1.02, first " + delta + " left noenhanced\n";
  }

  std::string y(double inches) const { return fixed(inches / page_.height, 5); }

  static std::string margins(std::size_t column) {
    const double left = left_margin + static_cast<double>(column) * (panel_width + gap);
    return "set lmargin at screen " + fixed(left / page_width, 5) + "\nset rmargin at screen " +
           fixed((left + panel_width) / page_width, 5) + "\n";
  }

  std::string title(std::size_t r) const {
    const auto& row = page_.rows[r];
    std::string script;
    for (std::size_t line = 0; line < row.title.size(); ++line) {
      const double height =
          row.top + title_gap + (static_cast<double>(row.title.size() - line) - 0.5) * title_line;
      script += "set label row_" + number(r + 1) + "_title_" + number(line + 1) + " at screen 0.5, screen " +
                y(height) + " center noenhanced" +
                (line + 1 == row.title.size() ? " textcolor rgb '#555555'" : "") + "\n";
    }
    return script;
  }

  const Summary& summary_;
  const Page& page_;
  const std::vector<Panel>& panels_;
  const std::vector<std::vector<std::size_t>>& blocks_;
};

std::string script_legend(const Summary& summary, const Page& page) {
  std::string script =
      "# ---- one legend for all panels ----\n"
      "unset logscale\nunset border\nunset tics\nunset grid\nunset xlabel\nunset ylabel\n"
      "set xrange [0:1]\nset yrange [0:1]\nset lmargin at screen 0\nset rmargin at screen 1\n"
      "set bmargin at screen " +
      fixed(page.legend_bottom / page.height, 5) + "\nset tmargin at screen " +
      fixed(page.legend_top / page.height, 5) + "\nset key on center center horizontal noenhanced maxcols " +
      number(page.legend_columns) + " samplen 3 width 1 Left reverse\nplot NaN notitle";
  for (std::size_t m = 0; m < summary.models.size(); ++m)
    script +=
        ", \\\n  keyentry with linespoints linestyle " + number(m + 1) + " title model_" + number(m + 1);
  return script + "\n";
}

/// Which block of the data file holds [panel][model]; curves without points have none.
std::vector<std::vector<std::size_t>> number_blocks(const std::vector<Panel>& panels) {
  std::vector<std::vector<std::size_t>> blocks;
  std::size_t next = 0;
  for (const auto& panel : panels) {
    blocks.emplace_back();
    for (const auto& curve : panel.curves) blocks.back().push_back(curve.empty() ? 0 : next++);
  }
  return blocks;
}

/// Draws beside the figure and moves into place what is complete: where gnuplot fails, an older figure stays.
void draw(const std::filesystem::path& folder, std::string_view format) {
  const auto name = "three_plots." + std::string(format);
  const TemporaryFile part(folder / (name + ".part"));
  write_file(part.path(), "");  // gnuplot says less clearly why not
  run_gnuplot(folder,
              {"-e", "format = '" + std::string(format) + "'; file = '" + name + ".part'", "three_plots.gp"});
  move_file(part.path(), folder / name);
}

}  // namespace

std::string_view name_of(Format format) {
  constexpr std::array<std::string_view, 3> names = {"svg", "pdf", "png"};
  return names[static_cast<std::size_t>(format)];
}

std::optional<Format> format_named(std::string_view name) {
  for (auto format : {Format::svg, Format::pdf, Format::png})
    if (name_of(format) == name) return format;
  return std::nullopt;
}

std::string three_plots_data(const Summary& summary) {
  std::string text =
      "# data_frac n value lower upper standard_error exact_95_lower exact_95_upper trials\n"
      "# lower, upper: value -+ one standard error, rates cut at 0 and 1; exact: Clopper-Pearson, rates "
      "only\n";
  for (const auto& panel : panels_of(summary))
    for (std::size_t m = 0; m < panel.curves.size(); ++m) {
      if (panel.curves[m].empty()) continue;
      text += "\n\n# " + one_line(summary.models[m].name) + ": " + one_line(panel.quantity) + "\n";
      for (const auto& point : panel.curves[m]) {
        text += shortest(point.fraction) + " " + std::to_string(point.rows);
        for (double value :
             {point.value, point.lower, point.upper, point.error, point.exact_lower, point.exact_upper})
          text.append(" ").append(std::isnan(value) ? "NaN" : shortest(value));
        text.append(" ").append(std::to_string(point.trials)).append("\n");
      }
    }
  return text;
}

std::string three_plots_script(const Summary& summary) {
  const auto panels = panels_of(summary);
  const auto blocks = number_blocks(panels);
  const auto page = lay_out(summary);
  const ScriptRows rows(summary, page, panels, blocks);
  const auto heading = [&](const char* text, double from_top, const char* style) {
    return std::string("set label ") + text + " at screen 0.5, screen " +
           fixed(1 - from_top / page.height, 5) + " center noenhanced " + style + "\n";
  };

  std::string script =
      "# Three Plots: performance, solution rate and failure rate against the amount of data.\n";
  script += script_labels(summary, page) + script_terminals(page) + script_styles(summary);
  script += "data = 'three_plots.dat'\n" + script_x_axis(summary) + "set multiplot\n";
  script += heading("figure_title", 0.25, "font ',13'") +
            heading("figure_subtitle", 0.5, "textcolor rgb '#555555'");
  for (std::size_t r = 0; r < page.rows.size(); ++r) script += rows.row(r);
  return script + script_legend(summary, page) + "unset multiplot\nset output\n";
}

void write_three_plots(const Summary& summary, const std::filesystem::path& folder,
                       std::span<const Format> formats) {
  make_folder(folder);
  write_file(folder / "three_plots.dat", three_plots_data(summary));
  write_file(folder / "three_plots.gp", three_plots_script(summary));
  for (auto format : formats) draw(folder, name_of(format));
}

}  // namespace seldon::analysis
