#include "analysis/plots/figure.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "analysis/output.h"
#include "analysis/plots/gnuplot.h"
#include "analysis/plots/palette.h"
#include "analysis/results.h"
#include "analysis/text.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

constexpr double journal_text = 8, page_text = 11;         // points
constexpr double inches_per_character = 0.008;             // at one point, of DejaVu Sans on average
constexpr double title_height = 1.75;                      // lines, of its size
constexpr double legend_line = 0.2, legend_sample = 0.75;  // inches, at 11 points

/// Point types of gnuplot: disc, square, diamond, triangle up, triangle down, pentagon, circle. Seven of them
/// and eight colours: 56 curves before a pair repeats.
constexpr std::array<int, 7> markers = {7, 5, 13, 9, 11, 15, 6};
constexpr std::array<const char*, 5> dashes = {"solid", "(10,4)", "(4,3)", "(10,3,3,3)", "(2,3)"};

bool plain_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

void check_size(double value, double low, double high, const char* option) {
  if (value == 0) return;  // as suits the width
  if (!(value >= low && value <= high))
    throw InputError(std::string(option) + " is " + shortest(value) + "; choose " + shortest(low) + " to " +
                     shortest(high));
}

/// Draws beside the figure and moves into place what is complete: where gnuplot fails, an older figure stays.
void draw(const std::filesystem::path& folder, const std::string& name, std::string_view format) {
  const auto file = name + "." + std::string(format);
  const TemporaryFile part(folder / (file + ".part"));
  write_file(part.path(), "");  // gnuplot says less clearly why not
  run_gnuplot(folder,
              {"-e", "format = '" + std::string(format) + "'; file = '" + file + ".part'", name + ".gp"});
  move_file(part.path(), folder / file);
}

/// 1, 2 or 5 times a power of ten, `least` or the next above it.
struct Step {
  double size;
  int decimals;
};
Step step_above(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  const int lead = least <= power ? 1 : least <= 2 * power ? 2 : least <= 5 * power ? 5 : 10;
  return {lead * power, -static_cast<int>(std::floor(std::log10(lead * power) + 1e-9))};
}

/// Equal steps along an axis, and gnuplot's format of the numbers there.
struct Steps {
  double size;
  std::string format;
};
Steps steps_of(AxisRange range, std::size_t most) {
  const Step step =
      step_above((range.high - range.low) / static_cast<double>(std::max<std::size_t>(2, most) - 1));
  const double largest = std::max(std::abs(range.low), std::abs(range.high));
  if (step.decimals <= 6 && largest < 1e6)
    return {step.size, "%." + std::to_string(std::max(0, step.decimals)) + "f"};
  // As many digits as tell neighbours apart.
  const int digits = static_cast<int>(std::floor(std::log10(largest)) + 1) + step.decimals;
  return {step.size, "%." + std::to_string(std::clamp(digits, 2, 15)) + "g"};
}

std::size_t within(const std::vector<double>& tics, AxisRange range) {
  return static_cast<std::size_t>(std::ranges::count_if(
      tics, [&](double tic) { return tic >= range.low * 0.999 && tic <= range.high * 1.001; }));
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

double FigureStyle::text_size() const {
  if (font_size > 0) return font_size;
  return width < 9 ? journal_text : page_text;
}

double FigureStyle::title_size() const {
  return title_font_size > 0 ? title_font_size : std::round(text_size() * 13 / 11 * 2) / 2;
}

double FigureStyle::legend_size() const {
  return legend_font_size > 0 ? legend_font_size : text_size();
}

void check(const FigureStyle& style) {
  if (!(style.width >= 2.5 && style.width <= 40))
    throw InputError("--width is " + shortest(style.width) + " inches; choose 2.5 to 40");
  check_size(style.font_size, 4, 40, "--font-size");
  check_size(style.title_font_size, 4, 60, "--title-font-size");
  check_size(style.legend_font_size, 4, 40, "--legend-font-size");
  if (!(style.marker_size >= 0 && style.marker_size <= 10))
    throw InputError("--marker-size is " + shortest(style.marker_size) + "; choose 0 (no markers) to 10");
  const auto letter_of_font = [](char c) { return plain_letter(c) || c == ' '; };
  if (style.font.empty() || style.font.size() > 100 || !std::ranges::all_of(style.font, letter_of_font))
    throw InputError("--font: '" + one_line(style.font) +
                     "' is no name of a font (letters, digits, blanks, '-' and '_')");
  const auto letter_of_file = [](char c) { return plain_letter(c) || c == '.'; };
  if (style.name.size() > 100 || style.name.starts_with('.') || style.name.starts_with('-') ||
      !std::ranges::all_of(style.name, letter_of_file))
    throw InputError("--name: '" + one_line(style.name) +
                     "' is no name for files here (letters, digits, '_', '-' and '.'; folders go to --out)");
}

std::string variable(const std::string& name, std::string_view value) {
  return name + " = " + gnuplot_quoted(value) + "\n";
}

std::string number(std::size_t value) {
  return std::to_string(value);
}

std::string data_number(double value) {
  return std::isfinite(value) ? shortest(value) : "NaN";
}

std::string script_terminals(const FigureStyle& style, double height, const std::string& name) {
  const auto size = [&](int per_inch) {
    return " size " + fixed(style.width * per_inch, 0) + "," + fixed(height * per_inch, 0);
  };
  const auto points = shortest(style.text_size());
  // A journal prints 300 dots per inch.
  const int dots = style.width < 9 ? 300 : 150;
  // Sizes of text, lines and points differ between gnuplot's terminals; the scales make them equal on paper.
  return "# ---- format: gnuplot -d -e \"format='pdf'\" " + name +
         ".gp draws another ----\n"
         "if (!exists('format')) format = 'svg'\n"
         "set encoding utf8\n"
         "if (format eq 'svg') set terminal svg" +
         size(96) + " font '" + style.font + ",Helvetica,Arial,sans-serif," + points +
         "' fontscale 1.333 linewidth 1.333 background rgb 'white'\n"
         "if (format eq 'pdf') set terminal pdfcairo size " +
         fixed(style.width, 2) + "in," + fixed(height, 2) + "in font '" + style.font + "," + points +
         "' fontscale 0.75 linewidth 2.2 pointscale 0.8\n"
         "if (format eq 'png') set terminal pngcairo" +
         size(dots) + " font '" + style.font + "," + points + "' fontscale " + shortest(dots / 96.0) +
         " linewidth " + shortest(dots / 75.0) + " pointscale " + shortest(dots / 75.0) +
         " background rgb 'white'\n"
         "if (!exists('file')) file = '" +
         name + ".'.format\nset output file\n";
}

const char* colour_of(std::size_t curve) {
  return colours[curve % colours.size()];
}

std::string script_line_styles(const FigureStyle& style, std::size_t curves) {
  // Smaller text, finer lines.
  const double scale = std::clamp(style.text_size() / page_text, 0.65, 1.0);
  std::string script;
  for (std::size_t m = 0; m < curves; ++m) {
    // The first curve is drawn on top; those below it are broader, so that equal curves show.
    const double depth = curves < 2 ? 0 : static_cast<double>(m) / static_cast<double>(curves - 1);
    const double step = curves < 4 ? static_cast<double>(curves - 1) / 3 : 1;
    script += "set style line " + number(m + 1) + " linecolor rgb '" + colour_of(m) + "' linewidth " +
              fixed((1.5 + 1.5 * step * depth) * scale, 1) + " pointtype " +
              std::to_string(markers[m % markers.size()]) + " pointsize " +
              fixed((0.55 + 0.36 * step * depth) * scale * style.marker_size, 2) + " dashtype " +
              dashes[m % dashes.size()] + "\n";
  }
  return script + "set style fill transparent solid 0.22 noborder\n";
}

std::string script_frame(const FigureStyle& style) {
  const double scale = std::clamp(style.text_size() / page_text, 0.65, 1.0);
  return "set border 31 linecolor rgb '#666666' linewidth " + fixed(0.8 * scale, 2) +
         "\nset grid xtics ytics linecolor rgb '#DDDDDD' linewidth " + fixed(0.7 * scale, 2) +
         " linetype 1\nset tics nomirror out scale 0.6,0.3 textcolor rgb '#222222'\nset key off\n";
}

std::string script_tics(char axis, AxisRange range, std::size_t most) {
  const auto steps = steps_of(range, most);
  return std::string("set ") + axis + "tics " + shortest(steps.size) + "\nset format " + axis + " '" +
         steps.format + "'\n";
}

double room_for_tics(const FigureStyle& style, AxisRange range, std::size_t most) {
  constexpr std::size_t usual = 4;  // characters, in the margins of `measures`
  const auto steps = steps_of(range, most);
  std::size_t longest = usual;
  for (double k = std::ceil(range.low / steps.size); k * steps.size <= range.high; ++k) {
    std::array<char, 64> text;
    const int count = std::snprintf(text.data(), text.size(), steps.format.c_str(), k * steps.size);
    longest = std::max(longest, static_cast<std::size_t>(std::max(count, 0)));
  }
  return static_cast<double>(longest - usual) * inches_per_character * style.text_size();
}

std::string script_log_tics(char axis, AxisRange range, std::size_t most) {
  const std::string name(1, axis);
  std::string script = "set logscale " + name + " 10\n";
  if (range.high / range.low > 30)
    return script + "set " + name + "tics autofreq\nset format " + name + " '10^{%L}'\nset m" + name +
           "tics 10\n";
  // Too short an axis for powers of ten alone: 1, 2, 5, 10 ..., or 1, 3, 10 ... where those do not fit.
  std::vector<double> tics;
  for (const auto& leads : {std::vector<int>{1, 2, 5}, {1, 3}, {1}}) {
    tics.clear();
    for (int exponent = static_cast<int>(std::floor(std::log10(range.low)));
         std::pow(10, exponent) <= range.high; ++exponent)
      for (int lead : leads) tics.push_back(lead * std::pow(10, exponent));
    if (within(tics, range) <= most) break;
  }
  if (within(tics, range) < 2) {  // too short for those, too
    const Step step =
        step_above((range.high - range.low) / static_cast<double>(std::max<std::size_t>(3, most)));
    tics.clear();
    for (double k = std::ceil(range.low / step.size); k * step.size <= range.high; ++k)
      tics.push_back(std::stod(fixed(k * step.size, std::max(0, step.decimals))));
  }
  std::string list;
  for (double tic : tics) list.append(list.empty() ? "" : ", ").append(shortest(tic));
  return script + "set format " + name + " '%.10g'\nset m" + name + "tics 1\nset " + name + "tics (" + list +
         ")\n";
}

AxisRange data_range(std::span<const double> rows, bool log, double margin) {
  auto range = range_of(rows, log, margin);
  if (rows.empty()) return {1, 10};
  const auto [low, high] = std::ranges::minmax(rows);
  if (log) {  // a single amount of data gets some room, too
    const double factor = low == high ? 2.2 : 1.05;
    range = {std::min(range.low, low / factor), std::max(range.high, high * factor)};
  }
  return range;
}

AxisRange range_of(std::span<const double> values, bool log, double margin) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (double value : values) {
    if (!std::isfinite(value) || (log && value <= 0)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) return log ? AxisRange{1, 10} : AxisRange{0, 1};
  if (log) {
    const double factor = high / low > 1 + 1e-6 ? std::pow(high / low, margin) : 1.1;
    return {low / factor, high * factor};
  }
  // A constant gets a range around it; differences in the last digits are no differences.
  const double least = std::max(std::abs(low), std::abs(high)) * 1e-6;
  const double room = high - low > least ? (high - low) * margin : std::max(0.1 * std::abs(low), 0.05);
  return {low - room, high + room};
}

Legend legend_for(const FigureStyle& style, std::span<const std::string> texts) {
  if (!style.legend || texts.empty()) return {1, 0, 0};
  const double scale = style.legend_size() / page_text;
  std::size_t longest = 1;
  for (const auto& text : texts) longest = std::max(longest, length(text));
  const double entry =
      static_cast<double>(longest) * inches_per_character * style.legend_size() + legend_sample * scale;
  const auto fitting =
      style.legend_columns > 0 ? style.legend_columns : static_cast<std::size_t>(style.width / entry);
  Legend legend;
  legend.columns = std::clamp<std::size_t>(fitting, 1, texts.size());
  legend.lines = (texts.size() + legend.columns - 1) / legend.columns;
  legend.height = static_cast<double>(legend.lines) * legend_line * scale;
  return legend;
}

std::string script_legend(const FigureStyle& style, const Legend& legend, std::size_t curves,
                          const std::string& prefix, double bottom, double page_height) {
  if (legend.lines == 0) return "";
  std::string script =
      "# ---- one legend for all panels ----\n"
      "unset logscale\nunset border\nunset tics\nunset grid\nunset xlabel\nunset ylabel\nunset label\n"
      "unset arrow\nunset object\n"
      "set xrange [0:1]\nset yrange [0:1]\nset lmargin at screen 0\nset rmargin at screen 1\n"
      "set bmargin at screen " +
      fixed(bottom / page_height, 5) + "\nset tmargin at screen " +
      fixed((bottom + legend.height) / page_height, 5) +
      "\nset key on center center horizontal noenhanced maxcols " + number(legend.columns) +
      " samplen 3 width 1 Left reverse font '," + shortest(style.legend_size()) + "'\nplot NaN notitle";
  for (std::size_t m = 1; m <= curves; ++m)
    script += ", \\\n  keyentry with linespoints linestyle " + number(m) + " title " + prefix + number(m);
  return script + "\n";
}

Heading heading_for(const FigureStyle& style, const std::string& title,
                    const std::vector<std::string>& remarks) {
  const double room = style.width * 0.97;
  Heading heading;
  if (style.title) {
    const auto& text = style.title_text.empty() ? title : style.title_text;
    heading.title = wrapped(one_line(text), characters_in(room, style.title_size()), 2);
  }
  for (const auto& remark : remarks) {
    const auto lines = wrapped(one_line(remark), characters_in(room, style.text_size()), 5);
    heading.remarks.insert(heading.remarks.end(), lines.begin(), lines.end());
  }
  heading.height =
      static_cast<double>(heading.title.size()) * title_height * style.title_size() / 72 +
      (static_cast<double>(heading.remarks.size()) * measures::title_line + 0.12) * style.scale();
  return heading;
}

std::string heading_variables(const Heading& heading) {
  std::string script;
  for (std::size_t i = 0; i < heading.title.size(); ++i)
    script += variable("figure_title_" + number(i + 1), heading.title[i]);
  for (std::size_t i = 0; i < heading.remarks.size(); ++i)
    script += variable("figure_subtitle_" + number(i + 1), heading.remarks[i]);
  return script;
}

std::string script_heading(const FigureStyle& style, const Heading& heading, double page_height) {
  std::string script;
  double y = page_height - 0.06 * style.scale();
  const auto add = [&](const std::string& text, double line, const std::string& look) {
    script += "set label " + text + " at screen 0.5, screen " + fixed((y - line / 2) / page_height, 5) +
              " center noenhanced " + look + "\n";
    y -= line;
  };
  for (std::size_t i = 0; i < heading.title.size(); ++i)
    add("figure_title_" + number(i + 1), title_height * style.title_size() / 72,
        "font '," + shortest(style.title_size()) + "'");
  for (std::size_t i = 0; i < heading.remarks.size(); ++i)
    add("figure_subtitle_" + number(i + 1), measures::title_line * style.scale(), "textcolor rgb '#555555'");
  return script;
}

std::string script_place(const Place& place, double page_width, double page_height) {
  return "set lmargin at screen " + fixed(place.left / page_width, 5) + "\nset rmargin at screen " +
         fixed(place.right / page_width, 5) + "\nset bmargin at screen " +
         fixed(place.bottom / page_height, 5) + "\nset tmargin at screen " +
         fixed(place.top / page_height, 5) + "\n";
}

std::size_t characters_in(double inches, double points) {
  return std::max<std::size_t>(8, static_cast<std::size_t>(inches / (points * inches_per_character)));
}

void write_figure(const std::filesystem::path& folder, const std::string& name, const std::string& data,
                  const std::string& script, std::span<const Format> formats) {
  make_folder(folder);
  write_file(folder / (name + ".dat"), data);
  write_file(folder / (name + ".gp"), script);
  for (auto format : formats) draw(folder, name, name_of(format));
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::string words_for_rule(const std::string& rule) {
  if (rule == "soft") return "soft decisions (mean probabilities)";
  if (rule == "hard") return "hard decisions (predicted labels)";
  if (rule == "recorded" || rule == failures_only) return "judged as in the imported results";
  return rule == "value" ? "predicted values" : rule + " decisions";
}

std::string words_for_truth(const std::string& truth) {
  if (truth == "original") return "ground truth: original data";
  if (truth == "held_out") return "ground truth: held-out rows";
  return "ground truth: " + truth;
}

std::string words_for_measure(const std::string& measure) {
  if (measure.empty()) return "Performance";
  auto words = one_line(replaced(measure, "_", " "));
  if (words[0] >= 'a' && words[0] <= 'z') words[0] = static_cast<char>(words[0] - 'a' + 'A');
  return shortened(words, 30);
}

}  // namespace seldon::analysis
