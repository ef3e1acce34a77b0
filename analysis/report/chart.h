#pragma once
// Line and dot charts as SVG that takes its colours from the page's style sheet (report.css).

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seldon::analysis::report {

/// Numbers on an axis, from `low` (0) to `high` (1).
class Scale {
 public:
  enum class Kind { linear, log };
  /// A span of no length is widened, and one that a logarithm cannot show becomes linear.
  Scale(Kind kind, double low, double high);
  /// Linear, the ends moved outwards to round numbers.
  static Scale round(double low, double high);
  /// Linear, with a little room at both ends.
  static Scale roomy(double low, double high);
  /// The same with ticks at these values.
  Scale marked_at(std::vector<double> values) const;

  double at(double value) const;
  bool logarithmic() const { return kind_ == Kind::log; }
  double low() const { return low_; }
  double high() const { return high_; }
  struct Tick {
    double value;
    std::string label;
  };
  /// Round numbers, about `wanted` of them.
  std::vector<Tick> ticks(std::size_t wanted) const;

 private:
  Kind kind_;
  double low_, high_;
  std::vector<double> marked_;
};

/// What a curve is of. The legend shows and hides models.
enum class SeriesOf { model, constraint };
/// A class for the colour of a series, the same in the whole report: "m3 c3". (m: the model, or k: the
/// constraint; c: its colour.)
std::string series_class(std::size_t index, SeriesOf of = SeriesOf::model);
/// stroke-dasharray of a series, as an attribute; neighbours differ.
std::string series_dash(std::size_t index);
/// The path of a series' marker around a point; neighbours differ, as do series of one colour.
std::string series_marker(std::size_t index, double x, double y, double size);
/// A short line with a marker, for legends.
std::string series_sample(std::size_t index);

/// A point of a curve, in the numbers of its axes.
struct CurvePoint {
  double x, y, lower, upper;  ///< the band; NaN: none
  std::string told;           ///< what a reader is told who points at it; lines separated by '\n'
};

/// A dot of a scatter.
struct Dot {
  double x, y;
  std::size_t series;
  bool violates;  ///< drawn as a cross
  std::string told;
};

/// One chart.
class Panel {
 public:
  struct Text {
    std::string title;        ///< what a screen reader says first
    std::string description;  ///< the finding in words, and where the numbers are
    std::string x_label, y_label;
  };
  Panel(Text text, Scale x, Scale y, double width = 320, double height = 252);

  /// A shaded part above `y`, with words in it.
  void shade_above(double y, std::string_view label);
  /// A dashed level with a name.
  void level(double y, std::string_view label);
  /// A dashed upright line with a name.
  void upright(double x, std::string_view label);
  void curve(std::size_t series, std::span<const CurvePoint> points);
  /// A curve of many points without markers; about `told` of them can be pointed at. Those of constraints are
  /// dashed as in series_sample().
  void trace(std::size_t series, std::span<const CurvePoint> points, std::size_t told,
             SeriesOf of = SeriesOf::model);
  void dots(std::span<const Dot> dots);
  std::string svg() const;

 private:
  double px(double x) const;
  double py(double y) const;
  std::string axes() const;
  std::string polygon(std::span<const CurvePoint> points) const;
  void line(std::size_t series, std::span<const CurvePoint> points, bool dashed, SeriesOf of);
  static std::string data(double px, double py, std::string_view told);

  Text text_;
  Scale x_, y_;
  double width_, height_, left_ = 0;
  std::string below_, bands_, lines_, marks_, above_;
};

}  // namespace seldon::analysis::report
