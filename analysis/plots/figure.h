#pragma once
// What the figures that gnuplot draws have in common: formats, sizes, fonts, axes, styles.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/statistics/interval.h"

namespace seldon::analysis {

enum class Format : std::uint8_t { svg, pdf, png };
std::string_view name_of(Format format);
/// "svg", "pdf" or "png".
std::optional<Format> format_named(std::string_view name);

/// Widths of one and of two columns of a journal (IEEE: 3.5 and 7.16 inches), and that of a figure by itself.
inline constexpr double one_column = 3.5, two_columns = 7.16, full_width = 10.4;

/// How a figure looks. Zero and empty mean: as suits its width.
struct FigureStyle {
  double width = full_width;  ///< inches; under 5 the panels stand below each other
  std::string font = "DejaVu Sans";
  double font_size = 0, title_font_size = 0, legend_font_size = 0;  ///< points
  bool legend = true;
  std::size_t legend_columns = 0;
  bool title = true;
  std::string title_text;  ///< instead of the experiment's name
  double marker_size = 1;  ///< times the usual
  std::string name;        ///< of the files; empty: as the figure is called

  /// One panel below the other.
  bool narrow() const { return width < 5; }
  double text_size() const;
  /// Of all that goes with text: 1 at 11 points.
  double scale() const { return text_size() / 11; }
  double title_size() const;
  double legend_size() const;
};

/// InputError for a size that is not to be drawn, or a name of a font or file that could mean more than
/// itself.
void check(const FigureStyle& style);

// ---- the pieces of a script
// ----------------------------------------------------------------------------------------------------

struct AxisRange {
  double low, high;
};

/// `name = "text"` for labels that a person may want to change.
std::string variable(const std::string& name, std::string_view value);
std::string number(std::size_t value);
/// A number for a data file: "NaN" where it is not finite.
std::string data_number(double value);
/// What gnuplot is to do with `format` and `file`: terminals of a page of `style.width` x `height` inches.
std::string script_terminals(const FigureStyle& style, double height, const std::string& name);
/// Line style m + 1 of curve m: colour, marker and dashes; the first is on top, those below are a little
/// broader. Fifty-six curves before a pair of colour and marker repeats.
std::string script_line_styles(const FigureStyle& style, std::size_t curves);
/// Border, grid, tics.
std::string script_frame(const FigureStyle& style);
const char* colour_of(std::size_t curve);
/// Tics every 1, 2 or 5 times a power of ten, at most `most` of them, with just the decimals that this needs.
std::string script_tics(char axis, AxisRange range, std::size_t most = 7);
/// Inches that the numbers of `script_tics` need beyond the usual margin beside a panel.
double room_for_tics(const FigureStyle& style, AxisRange range, std::size_t most = 7);
/// A logarithmic axis: powers of ten, or, where there are too few of them, 1, 2, 5, 10 ..., or else equal
/// steps.
std::string script_log_tics(char axis, AxisRange range, std::size_t most = 7);
/// The range of an axis that shows `values`, with margins; a range around a constant. Log: of those above 0.
AxisRange range_of(std::span<const double> values, bool log, double margin);
/// The same for amounts of data above 0: a single one stands in the middle.
AxisRange data_range(std::span<const double> rows, bool log, double margin);

/// A legend of line styles 1 to n; the texts are the variables
/// `prefix`1 ...; its lower edge lies `bottom` inches above that of the page.
struct Legend {
  std::size_t columns = 1, lines = 0;
  double height = 0;  ///< inches; 0 without a legend
};
Legend legend_for(const FigureStyle& style, std::span<const std::string> texts);
std::string script_legend(const FigureStyle& style, const Legend& legend, std::size_t curves,
                          const std::string& prefix, double bottom, double page_height);

/// The figure's title and, in grey, what it shows, at the head of the page.
struct Heading {
  std::vector<std::string> title, remarks;  ///< lines
  double height = 0;                        ///< inches
};
/// Broken into lines that the page has room for, each remark on lines of its own; the title only where the
/// style has one.
Heading heading_for(const FigureStyle& style, const std::string& title,
                    const std::vector<std::string>& remarks);
/// The texts as variables figure_title_1 ... and figure_subtitle_1 ... .
std::string heading_variables(const Heading& heading);
std::string script_heading(const FigureStyle& style, const Heading& heading, double page_height);

/// Inches that go with text of 11 points, and shrink and grow with it.
namespace measures {
inline constexpr double left_margin = 0.85, right_margin = 0.25, gap = 0.85;
inline constexpr double title_line = 0.22, title_gap = 0.12;
inline constexpr double tics_height = 0.36, axis_label_height = 0.33, bottom_margin = 0.12;
}  // namespace measures

/// A panel between four edges of the page, in inches from its lower left corner.
struct Place {
  double left, right, bottom, top;
};
std::string script_place(const Place& place, double page_width, double page_height);

/// Characters that fit into a width, in inches, at a size of text.
std::size_t characters_in(double inches, double points);

/// Writes NAME.gp and NAME.dat into the folder (made if need be) and draws NAME.FORMAT beside them. Where
/// gnuplot fails, an older figure stays. InputError if the folder cannot be written or gnuplot is missing.
void write_figure(const std::filesystem::path& folder, const std::string& name, const std::string& data,
                  const std::string& script, std::span<const Format> formats);

// ---- words
// ----------------------------------------------------------------------------------------------------

std::string replaced(std::string text, const std::string& from, const std::string& to);
/// "soft" becomes "soft decisions (mean probabilities)".
std::string words_for_rule(const std::string& rule);
/// "original" becomes "ground truth: original data".
std::string words_for_truth(const std::string& truth);
/// "log_loss" becomes "Log loss".
std::string words_for_measure(const std::string& measure);

}  // namespace seldon::analysis
