#include "analysis/plots/timeline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "analysis/escaped.h"
#include "analysis/output.h"
#include "analysis/plots/palette.h"
#include "analysis/text.h"
#include "core/error.h"
#include "store/store.h"

namespace seldon::analysis {
namespace {

using store::PackRow;

// ---- the page, in pixels
// ------------------------------------------------------------------------------------

constexpr double page_width = 1200, left = 150, right = 1180, width = right - left;
constexpr double load_top = 112, load_height = 96, lanes_top = load_top + load_height + 34;
constexpr double lanes_height = 720, thinnest_lane = 4, thickest_lane = 20;
constexpr double break_width = 18, tick_distance = 90, label_distance = 46;
constexpr std::size_t most_lanes = 160, most_bars = 5000, bins = 515, labels_in_legend = 24;
constexpr std::size_t busy_levels = 4;

std::string px(double value) {
  auto text = fixed(value, 1);
  return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

std::string text_at(double x, double y, std::string_view text, const std::string& style = "") {
  return "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\"" + (style.empty() ? "" : " " + style) + ">" +
         escaped(text) + "</text>\n";
}

std::string rectangle(double x, double y, double w, double h, const std::string& style) {
  return "<rect x=\"" + px(x) + "\" y=\"" + px(y) + "\" width=\"" + px(w) + "\" height=\"" + px(h) + "\" " +
         style;
}

std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<line x1=\"" + px(x1) + "\" y1=\"" + px(y1) + "\" x2=\"" + px(x2) + "\" y2=\"" + px(y2) + "\" " +
         style + "/>\n";
}

std::string counted(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// ---- time
// ---------------------------------------------------------------------------------------------------

/// From seconds to pixels. Sessions stand side by side: what may be a night in a queue takes a narrow break.
class Axis {
 public:
  explicit Axis(const std::vector<Session>& sessions) : sessions_(sessions) {
    double seconds = 0;
    for (const auto& session : sessions) seconds += session.end - session.begin;
    const auto breaks = static_cast<double>(sessions.size() - 1);
    break_ = std::min(break_width, width / 4 / std::max(breaks, 1.0));
    scale_ = (width - breaks * break_) / seconds;
    double x = left;
    for (const auto& session : sessions) {
      starts_.push_back(x);
      x += (session.end - session.begin) * scale_ + break_;
    }
  }

  /// Of a time within this session.
  double at(std::size_t session, double time) const {
    const auto& s = sessions_[session];
    return starts_[session] + (std::clamp(time, s.begin, s.end) - s.begin) * scale_;
  }
  double start(std::size_t session) const { return starts_[session]; }
  double break_pixels() const { return break_; }
  double seconds_per_pixel() const { return 1 / scale_; }

 private:
  const std::vector<Session>& sessions_;
  double scale_ = 1, break_ = 0;
  std::vector<double> starts_;
};

/// A step of the clock that leaves room for its labels.
double tick_step(double seconds_per_tick) {
  constexpr std::array steps = {0.1,    0.2,    0.5,    1.0,     2.0,     5.0,    10.0,
                                15.0,   30.0,   60.0,   120.0,   300.0,   600.0,  900.0,
                                1800.0, 3600.0, 7200.0, 10800.0, 21600.0, 43200.0};
  for (const double step : steps)
    if (step >= seconds_per_tick) return step;
  return 86400 * std::ceil(seconds_per_tick / 86400);
}

/// ":05"
std::string two_digits(std::uint64_t number) {
  return fmt::format(":{:02}", number);
}

std::string clock_label(double seconds, double step) {
  if (step < 1) return fixed(seconds, 1) + " s";
  if (step < 60 && seconds < 120) return fixed(seconds, 0) + " s";
  const auto minutes = static_cast<std::uint64_t>(seconds / 60 + 1e-6);
  if (step < 60) {
    const auto rest = two_digits(static_cast<std::uint64_t>(seconds + 1e-6) % 60);
    if (minutes < 120) return std::to_string(minutes) + rest + " min";
    return std::to_string(minutes / 60) + two_digits(minutes % 60) + rest + " h";
  }
  if (minutes < 120) return std::to_string(minutes) + " min";
  const auto rest = minutes % 60;
  return std::to_string(minutes / 60) + (rest == 0 ? "" : two_digits(rest)) + " h";
}

std::string date_of(double time) {
  const auto seconds = static_cast<std::time_t>(time);
  std::tm parts{};
  std::array<char, 32> text{};
  if (!::gmtime_r(&seconds, &parts) ||
      std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts) == 0)
    return "?";
  return text.data();
}

// ---- lanes
// --------------------------------------------------------------------------------------------------

struct Lane {
  std::string first_host, last_host;
  int first_rank = 0, last_rank = 0;
  double workers = 0;
  double y = 0;
};

struct Lanes {
  std::vector<Lane> lanes;
  std::map<std::string, int> hosts;                             ///< with their lowest ranks
  std::map<std::tuple<int, std::string, int>, std::size_t> of;  ///< (lowest rank of its host, host, rank)
  double height = 0;                                            ///< of one lane
  bool single() const { return of.size() == lanes.size(); }
  std::size_t& lane_of(const PackRow& pack) { return of[{hosts.at(pack.host), pack.host, pack.rank}]; }
  std::size_t lane_of(const PackRow& pack) const {
    return of.at({hosts.at(pack.host), pack.host, pack.rank});
  }
  double bottom() const { return lanes_top + height * static_cast<double>(lanes.size()); }
};

/// Workers of one host are neighbours, hosts are in the order of their ranks; where there are many, several
/// share a lane, and where there are many hosts, lanes span hosts.
Lanes lay_out(const store::PackRows& rows) {
  Lanes lanes;
  for (const auto& pack : rows.packs) {
    const auto host = lanes.hosts.try_emplace(pack.host, pack.rank).first;
    host->second = std::min(host->second, pack.rank);
  }
  for (const auto& pack : rows.packs) lanes.lane_of(pack) = 0;
  const std::size_t lanes_in_one = (lanes.of.size() + most_lanes - 1) / most_lanes;
  const auto share = static_cast<double>(lanes_in_one);
  const bool span_hosts = lanes.hosts.size() > most_lanes;
  for (auto& [worker, lane] : lanes.of) {
    const auto& [first_rank, host, rank] = worker;
    if (lanes.lanes.empty() || lanes.lanes.back().workers >= share ||
        (!span_hosts && lanes.lanes.back().last_host != host))
      lanes.lanes.push_back({host, host, rank, rank, 0, 0});
    lane = lanes.lanes.size() - 1;
    lanes.lanes.back().last_host = host;
    lanes.lanes.back().last_rank = rank;
    ++lanes.lanes.back().workers;
  }
  const auto count = static_cast<double>(lanes.lanes.size());
  lanes.height = std::clamp(lanes_height / count, thinnest_lane, thickest_lane);
  for (std::size_t i = 0; i < lanes.lanes.size(); ++i)
    lanes.lanes[i].y = lanes_top + static_cast<double>(i) * lanes.height;
  return lanes;
}

// ---- the picture
// --------------------------------------------------------------------------------------------

/// Boxes with labels, side by side while there is room.
class LegendLine {
 public:
  explicit LegendLine(double y) : y_(y) {}
  /// `fills`: what is drawn in the box, one above the other.
  void add(const std::string& label, const std::vector<std::string>& fills, double box = 13) {
    const double space = 18 + 6.9 * static_cast<double>(length(label)) + 16;
    if (x_ + space > right) full_ = true;
    if (full_) return;
    for (const auto& fill : fills) text_ += rectangle(x_, y_, box, 12, fill + "/>\n");
    text_ += text_at(x_ + 18, y_ + 10, label);
    x_ += space;
  }
  std::string text() const { return text_ + (full_ ? text_at(x_, y_ + 10, "...") : ""); }

 private:
  double x_ = left, y_;
  bool full_ = false;
  std::string text_;
};

class Picture {
 public:
  Picture(const std::string& experiment, const std::vector<std::string>& models, const store::PackRows& rows)
      : experiment_(experiment),
        models_(models),
        rows_(rows),
        sessions_(sessions_of(rows)),
        axis_(sessions_),
        lanes_(lay_out(rows)) {}

  std::string svg() const;

 private:
  std::size_t model_of(const PackRow& pack) const {
    return static_cast<std::size_t>(std::ranges::find(models_, pack.model) - models_.begin());
  }
  std::string colour(std::size_t model) const {
    return model < models_.size() ? colours[model % colours.size()] : "#888888";  // no longer in the config
  }
  /// Calls visit(bin, share of the bin) for each bin that a lease touches.
  template <class Visit>
  void for_bins(std::size_t session, const PackRow& pack, Visit visit) const;

  /// Each lease has a bar of its own.
  bool exact() const { return lanes_.single() && rows_.packs.size() <= most_bars; }
  std::string header() const;
  std::string legend() const;
  std::string load() const;
  std::string time_axis() const;
  std::string lane_labels() const;
  std::string bars() const;
  std::string bar(std::size_t session, const PackRow& pack) const;
  std::string blocks() const;

  const std::string& experiment_;
  const std::vector<std::string>& models_;
  const store::PackRows& rows_;
  std::vector<Session> sessions_;
  Axis axis_;
  Lanes lanes_;
};

constexpr double bin_width = width / bins;

template <class Visit>
void Picture::for_bins(std::size_t session, const PackRow& pack, Visit visit) const {
  const double from = (axis_.at(session, pack.start) - left) / bin_width;
  const double to = std::min((axis_.at(session, pack.end) - left) / bin_width, static_cast<double>(bins));
  for (auto bin = static_cast<std::size_t>(from); static_cast<double>(bin) < to; ++bin)
    visit(bin, std::min(to, static_cast<double>(bin + 1)) - std::max(from, static_cast<double>(bin)));
}

std::string Picture::header() const {
  double seconds = 0;
  for (const auto& session : sessions_) seconds += session.end - session.begin;
  const double used = utilisation(sessions_);
  std::string title = shortened(one_line(experiment_), 60) + ": who worked when";
  if (std::isfinite(used)) title += ", workers busy " + fixed(100 * used, 1) + " % of the time";
  return text_at(left, 34, title, "class=\"title\"") +
         text_at(left, 56,
                 counted(lanes_.of.size(), "worker") + " on " + counted(lanes_.hosts.size(), "host") + ", " +
                     counted(rows_.packs.size(), "lease") + " in " + duration(seconds) +
                     (sessions_.size() > 1 ? " of " + std::to_string(sessions_.size()) + " runs" : "") +
                     ", from " + date_of(sessions_.front().begin),
                 "class=\"faint\"");
}

std::string Picture::legend() const {
  LegendLine first(72), second(91);
  for (std::size_t m = 0; m < models_.size(); ++m)
    first.add(shortened(one_line(models_[m]), labels_in_legend), {"fill=\"" + colour(m) + "\""});
  // How leases end otherwise than well, where one did.
  const auto ends_so = [&](LeaseEnd how) {
    return std::ranges::any_of(rows_.packs, [how](const auto& pack) { return pack.how == how; });
  };
  if (!exact()) {
    if (ends_so(LeaseEnd::lost) || ends_so(LeaseEnd::silent) || ends_so(LeaseEnd::timed_out))
      second.add("a worker was lost or fell silent, or a lease timed out", {"fill=\"#000\""}, 2);
    return first.text() + second.text();
  }
  if (ends_so(LeaseEnd::preempted))
    second.add("preempted", {"class=\"preempted\" fill=\"#777\" stroke=\"#777\""});
  for (const auto& [how, label] : {std::pair(LeaseEnd::lost, "worker lost"),
                                   {LeaseEnd::silent, "worker silent"},
                                   {LeaseEnd::timed_out, "timed out"}})
    if (ends_so(how))
      second.add(label,
                 {"fill=\"#BBB\"", "class=\"ended\" fill=\"url(#" + std::string(name_of(how)) + ")\""});
  if (std::ranges::any_of(rows_.packs, [](const auto& pack) { return pack.failed > 0; }))
    second.add("cells failed", {"fill=\"url(#foot)\""});
  return first.text() + second.text();
}

/// Workers that were busy, stacked by model.
std::string Picture::load() const {
  std::vector<std::vector<double>> busy(models_.size() + 1, std::vector<double>(bins, 0));
  double most = 1;
  for (std::size_t s = 0; s < sessions_.size(); ++s) {
    most = std::max(most, sessions_[s].workers);
    for (const auto* pack : sessions_[s].packs)
      for_bins(s, *pack, [&, m = model_of(*pack)](std::size_t bin, double share) { busy[m][bin] += share; });
  }
  std::vector<double> below(bins, 0);
  const auto y = [&](double workers) { return load_top + load_height * (1 - std::min(1.0, workers / most)); };
  std::string out;
  for (std::size_t m = 0; m < busy.size(); ++m) {
    if (std::ranges::all_of(busy[m], [](double b) { return b == 0; })) continue;
    std::string up, down;
    for (std::size_t bin = 0; bin < bins; ++bin) {
      const double x = left + static_cast<double>(bin) * bin_width;
      up += fmt::format("{}{} {}H{}", bin == 0 ? "M" : "L", px(x), px(y(below[bin] + busy[m][bin])),
                        px(x + bin_width));
      down = fmt::format("L{} {}H{}", px(x + bin_width), px(y(below[bin])), px(x)) + down;
      below[bin] += busy[m][bin];
    }
    out += "<path fill=\"" + colour(m) + "\" d=\"" + up + down + "Z\"/>\n";
  }
  out += line(left, load_top, right, load_top, "class=\"all\"");
  out += text_at(left - 8, load_top + 4, fixed(most, 0), "class=\"number\"") +
         text_at(left - 8, load_top + load_height, "0", "class=\"number\"") +
         text_at(left - 8, load_top + load_height / 2 + 4, "workers busy", "class=\"number\"");
  return out + line(left, load_top + load_height, right, load_top + load_height, "class=\"axis\"");
}

std::string Picture::time_axis() const {
  const double step = tick_step(axis_.seconds_per_pixel() * tick_distance), bottom = lanes_.bottom();
  std::string grid, labels;
  double last_label = -label_distance;
  for (std::size_t s = 0; s < sessions_.size(); ++s) {
    const double origin = sessions_.front().begin;
    for (double k = std::ceil((sessions_[s].begin - origin) / step); origin + k * step <= sessions_[s].end;
         ++k) {
      const double x = axis_.at(s, origin + k * step);
      grid += line(x, load_top, x, bottom + 5, "class=\"grid\"");
      if (x - last_label < label_distance) continue;
      labels += text_at(x, bottom + 20, clock_label(k * step, step), "text-anchor=\"middle\"");
      last_label = x;
    }
    if (s == 0) continue;
    const double from = axis_.start(s) - axis_.break_pixels();
    const double away = std::max(0.0, sessions_[s].begin - sessions_[s - 1].end);
    const auto told = "restart after " + duration(away);
    for (const auto& [y, height] : {std::pair(load_top, load_height), {lanes_top, bottom - lanes_top}})
      grid += rectangle(from, y, axis_.break_pixels(), height, "fill=\"url(#break)\">") + "<title>" + told +
              "</title></rect>\n";
    if (sessions_.size() <= 10)
      labels += text_at(from + axis_.break_pixels() / 2, load_top + load_height + 20, told,
                        "class=\"faint\" text-anchor=\"middle\"");
  }
  return grid + labels + line(left, bottom, right, bottom, "class=\"axis\"") +
         text_at((left + right) / 2, bottom + 40, "time since the first start", "text-anchor=\"middle\"");
}

std::string Picture::lane_labels() const {
  std::string out;
  const auto& lanes = lanes_.lanes;
  double last = 0;
  for (std::size_t first = 0; first < lanes.size();) {
    auto end = first + 1;
    while (end < lanes.size() && lanes[end].first_host == lanes[first].first_host) ++end;
    const double top = lanes[first].y, bottom = lanes[end - 1].y + lanes_.height, middle = (top + bottom) / 2;
    if (first > 0 && lanes_.single()) out += line(left - 6, top, right, top, "class=\"host\"");
    if (middle - last >= 12) {
      const auto& lane = lanes[first];
      out += text_at(
          left - (lanes_.single() && lanes_.height >= 11 ? 34 : 8), middle + 4,
          shortened(one_line(lane.first_host == lane.last_host ? lane.first_host
                                                               : lane.first_host + " - " + lane.last_host),
                    18),
          "class=\"number\"");
      last = middle;
    }
    for (auto i = first; i < end && lanes_.single() && lanes_.height >= 11; ++i)
      out += text_at(left - 8, lanes[i].y + lanes_.height / 2 + 3.5, std::to_string(lanes[i].first_rank),
                     "class=\"rank\"");
    first = end;
  }
  return out;
}

std::string told(const PackRow& pack) {
  const auto first = std::to_string(pack.first_trial);
  std::string text =
      pack.model + ", data fraction " + shortest(pack.fraction) + ", trial" +
      (pack.width > 1 ? "s " + first + "-" + std::to_string(pack.first_trial + pack.width - 1) : " " + first);
  text += ", attempt " + std::to_string(pack.attempt) + "\nrank " + std::to_string(pack.rank) + " on " +
          pack.host + ", " + fixed(pack.end - pack.start, 2) + " s: " + std::string(name_of(pack.how)) +
          ", " + std::to_string(pack.done) + " of " + std::to_string(pack.wanted) + " cells";
  if (pack.failed > 0) text += ", " + std::to_string(pack.failed) + " failed";
  return text;
}

std::string Picture::bar(std::size_t session, const PackRow& pack) const {
  const auto& lane = lanes_.lanes[lanes_.lane_of(pack)];
  const double x = axis_.at(session, pack.start), h = lanes_.height - (lanes_.height >= 6 ? 1.5 : 0.5);
  const double w = std::max(axis_.at(session, pack.end) - x, 0.3);
  const auto fill = "fill=\"" + colour(model_of(pack)) + "\"";
  const auto title = "<title>" + escaped(told(pack)) + "</title>";
  const bool preempted = pack.how == LeaseEnd::preempted;
  std::string out =
      rectangle(x, lane.y, w, h,
                fill +
                    (preempted ? " class=\"preempted\" stroke=\"" + colour(model_of(pack)) + "\""
                     : w > 3   ? " class=\"pack\""
                               : "") +
                    ">" + title + "</rect>\n");
  if (pack.how != LeaseEnd::finished && !preempted)
    out += rectangle(
        x, lane.y, std::max(w, 2.0), h,
        "class=\"ended\" fill=\"url(#" + std::string(name_of(pack.how)) + ")\">" + title + "</rect>\n");
  if (pack.failed > 0)
    out += rectangle(x, lane.y + h - std::min(3.0, h / 2), std::max(w, 2.0), std::min(3.0, h / 2),
                     "fill=\"#000\"/>\n");
  return out;
}

std::string Picture::bars() const {
  if (!exact()) return blocks();
  std::string out;
  for (std::size_t s = 0; s < sessions_.size(); ++s)
    for (const auto* pack : sessions_[s].packs) out += bar(s, *pack);
  return out;
}

/// Lanes in bins of time: the model that took most of it, the paler the less busy.
std::string Picture::blocks() const {
  const auto models = models_.size() + 1, lanes = lanes_.lanes.size();
  std::vector<float> busy(lanes * bins * models, 0);
  std::vector<bool> trouble(lanes * bins, false);
  for (std::size_t s = 0; s < sessions_.size(); ++s)
    for (const auto* pack : sessions_[s].packs) {
      const auto lane = lanes_.lane_of(*pack);
      for_bins(s, *pack, [&, m = model_of(*pack)](std::size_t bin, double share) {
        busy[(lane * bins + bin) * models + m] += static_cast<float>(share);
      });
      if (pack->how == LeaseEnd::finished || pack->how == LeaseEnd::preempted) continue;
      const auto bin = static_cast<std::size_t>((axis_.at(s, pack->end) - left) / bin_width);
      trouble[lane * bins + std::min(bin, bins - 1)] = true;
    }

  std::map<std::pair<std::size_t, std::size_t>, std::string> paths;  // (model, level) -> rectangles
  std::string marks;
  const double h = lanes_.height - (lanes_.height >= 6 ? 1.0 : 0.5);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    const double y = lanes_.lanes[lane].y;
    std::pair<std::size_t, std::size_t> drawn{0, 0};  // level 0: nothing
    std::size_t from = 0;
    for (std::size_t bin = 0; bin <= bins; ++bin) {
      std::pair<std::size_t, std::size_t> here{0, 0};
      if (bin < bins) {
        const auto shares = std::span(busy).subspan((lane * bins + bin) * models, models);
        const auto most = std::ranges::max_element(shares);
        double all = 0;
        for (const float share : shares) all += share;
        here.first = static_cast<std::size_t>(most - shares.begin());
        here.second = static_cast<std::size_t>(
            std::ceil(std::min(1.0, all / lanes_.lanes[lane].workers) * busy_levels - 0.02));
        if (trouble[lane * bins + bin])
          marks +=
              fmt::format("M{} {}h2v{}h-2z", px(left + static_cast<double>(bin) * bin_width), px(y), px(h));
      }
      if (bin < bins && here == drawn) continue;
      if (drawn.second > 0) {
        const auto w = px(static_cast<double>(bin - from) * bin_width);
        paths[drawn] += fmt::format("M{} {}h{}v{}h-{}z", px(left + static_cast<double>(from) * bin_width),
                                    px(y), w, px(h), w);
      }
      drawn = here;
      from = bin;
    }
  }
  std::string out;
  for (const auto& [key, path] : paths)
    out += "<path fill=\"" + colour(key.first) + "\" fill-opacity=\"" +
           shortest(static_cast<double>(key.second) / busy_levels) + "\" d=\"" + path + "\"/>\n";
  return out + (marks.empty() ? "" : "<path fill=\"#000\" d=\"" + marks + "\"/>\n");
}

constexpr const char* styles =
    "<style>text{font:12px 'DejaVu Sans',Helvetica,Arial,sans-serif;fill:#222}.title{font-size:18px}"
    ".faint{fill:#666}.number{text-anchor:end;fill:#444}.rank{text-anchor:end;font-size:9px;fill:#888}"
    ".grid{stroke:#DDD;stroke-width:1}.host{stroke:#999;stroke-width:.6}.axis{stroke:#666}"
    ".all{stroke:#666;stroke-dasharray:5 4}.pack{stroke:#FFF;stroke-width:.6}"
    ".preempted{fill-opacity:.3;stroke-width:1}.ended{stroke:#000;stroke-width:.8}</style>\n"
    "<defs>\n"
    "<pattern id=\"lost\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\">"
    "<rect width=\"2\" height=\"5\" fill=\"#000\"/></pattern>\n"
    "<pattern id=\"silent\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
    "<rect width=\"4\" height=\"1.5\" fill=\"#000\"/></pattern>\n"
    "<pattern id=\"timed_out\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">"
    "<circle cx=\"2.5\" cy=\"2.5\" r=\"1.3\" fill=\"#000\"/></pattern>\n"
    "<pattern id=\"foot\" width=\"1\" height=\"1\"><rect width=\"13\" height=\"12\" fill=\"#BBB\"/>"
    "<rect y=\"9\" width=\"13\" height=\"3\" fill=\"#000\"/></pattern>\n"
    "<pattern id=\"break\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(-45)\">"
    "<rect width=\"6\" height=\"6\" fill=\"#F4F4F4\"/><rect width=\"1\" height=\"6\" "
    "fill=\"#AAA\"/></pattern>\n"
    "</defs>\n";

std::string Picture::svg() const {
  const auto height = px(lanes_.bottom() + 56);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + px(page_width) + "\" height=\"" + height +
         "\" viewBox=\"0 0 " + px(page_width) + " " + height + "\">\n" + styles +
         "<rect width=\"100%\" height=\"100%\" fill=\"#FFF\"/>\n" + header() + legend() + time_axis() +
         load() + lane_labels() + bars() + "</svg>\n";
}

}  // namespace

std::vector<Session> sessions_of(const store::PackRows& rows) {
  std::vector<Session> sessions;
  for (const auto& run : rows.runs)
    if (run.begins)
      sessions.push_back({run.time, run.time, static_cast<double>(run.workers), {}});
    else if (!sessions.empty())
      sessions.back().end = std::max(sessions.back().end, run.time);
  std::ranges::stable_sort(sessions, {}, &Session::begin);
  if (sessions.empty()) sessions.emplace_back();
  bool first = true;
  for (const auto& pack : rows.packs) {
    const auto later = std::ranges::upper_bound(sessions, pack.start, {}, &Session::begin);
    auto& session = later == sessions.begin() ? sessions.front() : *(later - 1);
    if (std::exchange(first, false) && rows.runs.empty()) session.begin = pack.start;
    session.begin = std::min(session.begin, pack.start);
    session.end = std::max(session.end, pack.end);
    session.packs.push_back(&pack);
  }
  std::erase_if(sessions, [](const Session& session) { return session.packs.empty(); });
  for (auto& session : sessions) {
    std::vector<int> ranks;
    for (const auto* pack : session.packs) ranks.push_back(pack->rank);
    std::ranges::sort(ranks);
    const auto distinct = std::ranges::unique(ranks).begin() - ranks.begin();
    session.workers = std::max(session.workers, static_cast<double>(distinct));
    session.end = std::max(session.end, session.begin + 1e-3);  // something to divide by
  }
  return sessions;
}

double utilisation(const std::vector<Session>& sessions) {
  double busy = 0, there = 0;
  for (const auto& session : sessions) {
    there += session.workers * (session.end - session.begin);
    for (const auto* pack : session.packs) busy += pack->end - pack->start;
  }
  return busy / there;
}

std::string timeline_svg(const std::string& experiment, const std::vector<std::string>& models,
                         const store::PackRows& rows) {
  if (rows.packs.empty())
    throw InputError("no lease has ended yet: there is nothing to draw; try again later");
  return Picture(experiment, models, rows).svg();
}

std::uint64_t write_timeline(const std::string& store, const std::filesystem::path& file) {
  const store::Reader reader(store);
  std::vector<std::string> models;
  for (const auto& model : reader.header().models) models.push_back(model.name);
  const auto rows = store::read_pack_rows(store);
  write_file(file, timeline_svg(reader.header().name, models, rows));
  return rows.unreadable;
}

}  // namespace seldon::analysis
