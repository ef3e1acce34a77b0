#include "analysis/report/chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/plots/palette.h"
#include "analysis/report/markup.h"
#include "analysis/text.h"

namespace seldon::analysis::report {
namespace {

constexpr double right = 12, top = 10, bottom = 44;
constexpr double label_width = 23, character_width = 6.9;  // of what stands left of the plot
constexpr double marker_size = 3.4, dot_size = 2.6;
constexpr std::size_t x_ticks = 5, y_ticks = 5;

/// A coordinate, to a tenth of a pixel.
std::string xy(double value) {
  auto text = fixed(value, 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

std::string at(char command, double x, double y) {
  std::string out(1, command);
  out += xy(x);
  out += ' ';
  return out += xy(y);
}

/// 1, 2 or 5 times a power of ten, at least `least`.
double round_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= least * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

std::string tick_label(double value, double step) {
  const double size = std::abs(value);
  if (size >= 1e6 && std::fmod(size, 1e5) == 0)
    return number(value / 1e6, std::fmod(size, 1e6) == 0 ? 0 : 1) + "M";
  if (size >= 1e4 && std::fmod(size, 100) == 0)
    return number(value / 1e3, std::fmod(size, 1e3) == 0 ? 0 : 1) + "k";
  if (size > 0 && (size >= 1e6 || step < 1e-4)) return shortest(value);
  return number(value, std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9))));
}

}  // namespace

// ---- Scale

Scale::Scale(Kind kind, double low, double high) : kind_(kind), low_(low), high_(high) {
  if (!std::isfinite(low_) || !std::isfinite(high_)) low_ = 0, high_ = 1;
  if (low_ > high_) std::swap(low_, high_);
  if (kind_ == Kind::log && !(low_ > 0)) kind_ = Kind::linear;
  if (low_ < high_) return;
  if (kind_ == Kind::log) {
    low_ /= 2;
    high_ *= 2;
  } else {
    const double room = low_ == 0 ? 1 : 0.1 * std::abs(low_);
    low_ -= room;
    high_ += room;
  }
}

Scale Scale::round(double low, double high) {
  const Scale plain(Kind::linear, low, high);
  const double step = round_step((plain.high_ - plain.low_) / y_ticks);
  return {Kind::linear, std::floor(plain.low_ / step + 1e-6) * step,
          std::ceil(plain.high_ / step - 1e-6) * step};
}

Scale Scale::roomy(double low, double high) {
  const Scale plain(Kind::linear, low, high);
  const double room = 0.04 * (plain.high_ - plain.low_);
  return {Kind::linear, plain.low_ - room, plain.high_ + room};
}

Scale Scale::marked_at(std::vector<double> values) const {
  Scale scale = *this;
  scale.marked_ = std::move(values);
  return scale;
}

double Scale::at(double value) const {
  if (kind_ == Kind::log) return std::log(value / low_) / std::log(high_ / low_);
  return (value - low_) / (high_ - low_);
}

std::vector<Scale::Tick> Scale::ticks(std::size_t wanted) const {
  std::vector<Tick> ticks;
  for (const double value : marked_) ticks.push_back({value, tick_label(value, 1)});
  if (!ticks.empty()) return ticks;
  if (kind_ == Kind::linear) {
    const double step = round_step((high_ - low_) / static_cast<double>(wanted));
    for (double k = std::ceil(low_ / step - 1e-6); k * step <= high_ + 1e-6 * step; ++k)
      ticks.push_back({k * step, tick_label(k * step, step)});
    return ticks;
  }
  // Powers of ten; between them 2 and 5 where there are few.
  const double decades = std::log10(high_ / low_);
  const std::vector<double> factors = decades < 2 ? std::vector<double>{1, 2, 5} : std::vector<double>{1};
  const double every = std::max(1.0, std::ceil(decades / static_cast<double>(wanted)));
  for (double power = std::floor(std::log10(low_)); power <= std::log10(high_); power += every)
    for (const double factor : factors) {
      const double value = factor * std::pow(10, power);
      if (value >= low_ * (1 - 1e-9) && value <= high_ * (1 + 1e-9))
        ticks.push_back({value, tick_label(value, std::min(value, 1.0))});
    }
  if (ticks.size() < 2) return {{low_, tick_label(low_, 1)}, {high_, tick_label(high_, 1)}};
  return ticks;
}

// ---- Series

std::string series_class(std::size_t index, SeriesOf of) {
  std::string out(1, of == SeriesOf::model ? 'm' : 'k');
  out += std::to_string(index);
  out += " c";
  return out += std::to_string(index % colours.size());
}

std::string series_dash(std::size_t index) {
  constexpr std::array<const char*, 4> dashes = {"", "7 3", "2 2.5", "9 3 2 3"};
  const std::string dash = dashes.at((index + index / colours.size()) % dashes.size());
  return dash.empty() ? "" : " stroke-dasharray=\"" + dash + "\"";
}

std::string series_marker(std::size_t index, double x, double y, double size) {
  const double s = size, d = 1.25 * size;
  switch ((index + index / colours.size()) % 6) {
    case 0:  // circle
      return at('M', x - s, y) + "a" + xy(s) + " " + xy(s) + " 0 1 0 " + xy(2 * s) + " 0a" + xy(s) + " " +
             xy(s) + " 0 1 0 " + xy(-2 * s) + " 0z";
    case 1:  // square
      return at('M', x - 0.9 * s, y - 0.9 * s) + "h" + xy(1.8 * s) + "v" + xy(1.8 * s) + "h" + xy(-1.8 * s) +
             "z";
    case 2:  // triangle
      return at('M', x, y - d) + at('l', d, 1.9 * d) + "h" + xy(-2 * d) + "z";
    case 3:  // diamond
      return at('M', x, y - 1.1 * d) + at('l', 1.1 * d, 1.1 * d) + at('l', -1.1 * d, 1.1 * d) +
             at('l', -1.1 * d, -1.1 * d) + "z";
    case 4:  // triangle, point down
      return at('M', x, y + d) + at('l', d, -1.9 * d) + "h" + xy(-2 * d) + "z";
    default:  // plus
      return at('M', x - d, y - 0.35 * d) + "h" + xy(0.65 * d) + "v" + xy(-0.65 * d) + "h" + xy(0.7 * d) +
             "v" + xy(0.65 * d) + "h" + xy(0.65 * d) + "v" + xy(0.7 * d) + "h" + xy(-0.65 * d) + "v" +
             xy(0.65 * d) + "h" + xy(-0.7 * d) + "v" + xy(-0.65 * d) + "h" + xy(-0.65 * d) + "z";
  }
}

std::string series_sample(std::size_t index) {
  return "<svg class=\"sample " + series_class(index) +
         "\" viewBox=\"0 0 34 14\" width=\"34\" height=\"14\" aria-hidden=\"true\"><path class=\"line\" "
         "d=\"M1 7h32\"" +
         series_dash(index) + "/><path class=\"dot\" d=\"" + series_marker(index, 17, 7, marker_size) +
         "\"/></svg>";
}

// ---- Panel

Panel::Panel(Text text, Scale x, Scale y, double width, double height)
    : text_(std::move(text)), x_(std::move(x)), y_(std::move(y)), width_(width), height_(height) {
  std::size_t longest = 0;
  for (const auto& tick : y_.ticks(y_ticks)) longest = std::max(longest, length(tick.label));
  left_ = label_width + 7 + character_width * static_cast<double>(longest);
}

double Panel::px(double x) const {
  return left_ + x_.at(x) * (width_ - left_ - right);
}

double Panel::py(double y) const {
  return height_ - bottom - y_.at(y) * (height_ - top - bottom);
}

void Panel::shade_above(double y, std::string_view label) {
  if (y >= y_.high()) return;
  const double edge = std::min(py(y), height_ - bottom);
  below_ += "<rect class=\"shade\" x=\"" + xy(left_) + "\" y=\"" + xy(top) + "\" width=\"" +
            xy(width_ - left_ - right) + "\" height=\"" + xy(edge - top) + "\"/>\n";
  constexpr double label_height = 20;
  if (edge - top < label_height) return;
  above_ += "<text class=\"note\" x=\"" + xy(width_ - right - 5) + "\" y=\"" + xy(top + 14) +
            "\" text-anchor=\"end\">" + escaped(label) + "</text>\n";
}

void Panel::level(double y, std::string_view label) {
  if (y < y_.low() || y > y_.high()) return;
  below_ += "<path class=\"level\" d=\"" + at('M', left_, py(y)) + "H" + xy(width_ - right) + "\"/>\n";
  const bool under = py(y) < top + 16;
  above_ += "<text class=\"note\" x=\"" + xy(width_ - right - 4) + "\" y=\"" + xy(py(y) + (under ? 13 : -5)) +
            "\" text-anchor=\"end\">" + escaped(label) + "</text>\n";
}

std::string Panel::polygon(std::span<const CurvePoint> points) const {
  std::string up, down;
  for (const auto& p : points) {
    up += at(up.empty() ? 'M' : 'L', px(p.x), py(p.upper));
    down.insert(0, at('L', px(p.x), py(p.lower)));
  }
  return up + down + "Z";
}

std::string Panel::data(double px, double py, std::string_view told) {
  return " data-x=\"" + xy(px) + "\" data-y=\"" + xy(py) + "\" data-tip=\"" + escaped_lines(told) + "\"/>\n";
}

void Panel::upright(double x, std::string_view label) {
  if (x < x_.low() || x > x_.high()) return;
  below_ += "<path class=\"level\" d=\"" + at('M', px(x), height_ - bottom) + "V" + xy(top) + "\"/>\n";
  const bool near_end = px(x) > width_ - 110;
  above_ += "<text class=\"note\" x=\"" + xy(px(x) + (near_end ? -5 : 5)) + "\" y=\"" +
            xy(height_ - bottom - 7) + "\" text-anchor=\"" + (near_end ? "end" : "start") + "\">" +
            escaped(label) + "</text>\n";
}

void Panel::line(std::size_t series, std::span<const CurvePoint> points, bool dashed, SeriesOf of) {
  const auto style = series_class(series, of);
  std::string path, bands;
  for (std::size_t i = 0; i < points.size();) {  // stretches with a band
    auto end = i;
    while (end < points.size() && std::isfinite(points[end].lower) && std::isfinite(points[end].upper)) ++end;
    if (end - i > 1) bands += polygon(points.subspan(i, end - i));
    i = std::max(end, i + 1);
  }
  for (const auto& p : points) path += at(path.empty() ? 'M' : 'L', px(p.x), py(p.y));
  if (!bands.empty()) bands_ += "<path class=\"band " + style + "\" d=\"" + bands + "\"/>\n";
  if (points.size() > 1)
    lines_ += "<path class=\"line " + style + "\"" + (dashed ? series_dash(series) : "") + " d=\"" + path +
              "\"/>\n";
  if (points.size() == 1 && std::isfinite(points[0].lower))
    bands_ += "<path class=\"bar " + style + "\" d=\"" + at('M', px(points[0].x), py(points[0].lower)) + "V" +
              xy(py(points[0].upper)) + "\"/>\n";
}

void Panel::curve(std::size_t series, std::span<const CurvePoint> points) {
  line(series, points, true, SeriesOf::model);
  for (const auto& p : points) {
    const double x = px(p.x), y = py(p.y);
    marks_ += "<path class=\"dot pt " + series_class(series) + "\" d=\"" +
              series_marker(series, x, y, marker_size) + "\"" + data(x, y, p.told);
  }
}

void Panel::trace(std::size_t series, std::span<const CurvePoint> points, std::size_t told, SeriesOf of) {
  line(series, points, of == SeriesOf::constraint, of);
  const auto every = std::max<std::size_t>(1, points.size() / std::max<std::size_t>(1, told));
  for (std::size_t i = 0; i < points.size(); i += every) {
    const double x = px(points[i].x), y = py(points[i].y);
    marks_ += "<path class=\"pt " + series_class(series, of) + "\" d=\"" + at('M', x, y) + "\"" +
              data(x, y, points[i].told);
  }
}

void Panel::dots(std::span<const Dot> dots) {
  for (const auto& dot : dots) {
    const double x = px(dot.x), y = py(dot.y), s = dot_size;
    const auto shape = dot.violates ? at('M', x - s, y - s) + at('l', 2 * s, 2 * s) + "m0 " + xy(-2 * s) +
                                          at('l', -2 * s, 2 * s)
                                    : at('M', x - s, y) + "a" + xy(s) + " " + xy(s) + " 0 1 0 " + xy(2 * s) +
                                          " 0a" + xy(s) + " " + xy(s) + " 0 1 0 " + xy(-2 * s) + " 0z";
    marks_ += std::string("<path class=\"pt ") + (dot.violates ? "cross " : "ring ") +
              series_class(dot.series) + "\" d=\"" + shape + "\" data-x=\"" + xy(x) + "\" data-y=\"" + xy(y) +
              "\" data-tip=\"" + escaped_lines(dot.told) + "\"/>\n";
  }
}

std::string Panel::axes() const {
  std::string grid, labels;
  const double floor = height_ - bottom, end = width_ - right;
  for (const auto& tick : y_.ticks(y_ticks)) {
    const double y = py(tick.value);
    grid += at('M', left_, y) + "H" + xy(end);
    labels += "<text class=\"tick\" x=\"" + xy(left_ - 7) + "\" y=\"" + xy(y + 4) +
              "\" text-anchor=\"end\">" + tick.label + "</text>\n";
  }
  std::string marks;
  for (const auto& tick : x_.ticks(x_ticks)) {
    const double x = px(tick.value);
    marks += at('M', x, floor) + "v4";
    labels += "<text class=\"tick\" x=\"" + xy(x) + "\" y=\"" + xy(floor + 17) +
              "\" text-anchor=\"middle\">" + tick.label + "</text>\n";
  }
  labels += "<text class=\"axis-label\" x=\"" + xy((left_ + end) / 2) + "\" y=\"" + xy(height_ - 6) +
            "\" text-anchor=\"middle\">" + escaped(text_.x_label) + "</text>\n";
  if (!text_.y_label.empty())
    labels += "<text class=\"axis-label\" transform=\"translate(12 " + xy((top + floor) / 2) +
              ") rotate(-90)\" text-anchor=\"middle\">" + escaped(text_.y_label) + "</text>\n";
  return "<path class=\"grid\" d=\"" + grid + "\"/>\n<path class=\"axis\" d=\"" + at('M', left_, floor) +
         "H" + xy(end) + marks + "\"/>\n" + labels;
}

std::string Panel::svg() const {
  return "<svg class=\"chart\" role=\"img\"" +
         attribute("aria-label", text_.title + ". " + text_.description) + " viewBox=\"0 0 " + xy(width_) +
         " " + xy(height_) + "\">\n" + axes() + below_ + bands_ + lines_ + marks_ + above_ + "</svg>\n";
}

}  // namespace seldon::analysis::report
