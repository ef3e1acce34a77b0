// Candidate selection against its iterations, where the store keeps traces.

#include <algorithm>
#include <cmath>

#include "analysis/plots/trace.h"
#include "analysis/report/chart.h"
#include "analysis/report/markup.h"
#include "analysis/report/sections.h"
#include "analysis/text.h"
#include "core/error.h"
#include "store/store.h"

namespace seldon::analysis::report {
namespace {

constexpr std::size_t most_traces = 24, most_of_a_model = 6;  // amounts of data
constexpr std::size_t most_points = 240, told_points = 40;

/// A line with its band, at no more iterations than can be seen.
std::vector<CurvePoint> curve_of(const TraceLine& line, const std::string& what) {
  std::vector<CurvePoint> points;
  const auto every = std::max<std::size_t>(1, (line.centre.size() + most_points - 1) / most_points);
  for (std::size_t i = 0; i < line.centre.size(); i += every) {
    if (!std::isfinite(line.centre[i])) continue;
    const double lower = line.lower[i], upper = line.upper[i];
    std::string told = "iteration " + count(i) + "\n" + what + " " + number(line.centre[i], 4);
    if (std::isfinite(lower) && upper > lower)
      told.append(" [").append(number(lower, 4)).append(", ").append(number(upper, 4)).append("]");
    points.push_back({static_cast<double>(i), line.centre[i], lower, upper, told});
  }
  return points;
}

struct Series {
  std::vector<CurvePoint> points;
  std::string name;
};

Scale scale_of(const std::vector<Series>& all, bool with_zero) {
  double low = with_zero ? 0 : std::numeric_limits<double>::infinity(), high = with_zero ? 0 : -low;
  for (const auto& series : all)
    for (const auto& p : series.points) {
      low = std::min(low, std::isfinite(p.lower) ? p.lower : p.y);
      high = std::max(high, std::isfinite(p.upper) ? p.upper : p.y);
    }
  return Scale::round(low, high);
}

class TraceFigure {
 public:
  TraceFigure(const TraceSummary& trace, std::size_t colour) : trace_(trace), colour_(colour) {}

  std::string html() const {
    std::string out = "<div class=\"plots two\">\n";
    out += panel("Loss", {{curve_of(trace_.loss, "loss"), ""}}, false);
    out += panel("Lagrangian", {{curve_of(trace_.lagrangian, "Lagrangian"), ""}}, false);
    out += panel("Multiplier", of_constraints(trace_.multiplier, "multiplier"), true);
    out += panel("Upper bound of g", of_constraints(trace_.upper, "upper bound"), true);
    return out + "</div>\n";
  }

 private:
  std::vector<Series> of_constraints(const std::vector<TraceLine>& lines, const std::string& what) const {
    std::vector<Series> all;
    for (std::size_t c = 0; c < lines.size() && c < trace_.constraints.size(); ++c) {
      const auto& name = trace_.constraints[c].name;
      all.push_back({curve_of(lines[c], lines.size() > 1 ? name + ": " + what : what), name});
    }
    return all;
  }

  std::string panel(const std::string& title, const std::vector<Series>& all, bool with_zero) const {
    if (std::ranges::all_of(all, [](const Series& series) { return series.points.empty(); })) return "";
    const double best = trace_.best_feasible();
    std::string described = "Candidate selection of " + one_line(trace_.model) + " over " +
                            counted(trace_.iterations(), "iteration") + ". ";
    for (const auto& series : all)
      if (!series.points.empty())
        described +=
            number(series.points.front().y) + " at first, " + number(series.points.back().y) + " at last. ";
    const auto last = static_cast<double>(std::max<std::size_t>(trace_.iterations(), 2) - 1);
    Panel panel({title + " against the iteration", described, "Iteration", title},
                {Scale::Kind::linear, 0, last}, scale_of(all, with_zero), 440, 250);
    if (title.starts_with("Upper")) panel.shade_above(0, "not feasible");
    if (std::isfinite(best)) panel.upright(best, "best feasible");
    const bool several = all.size() > 1;
    for (std::size_t s = all.size(); s-- > 0;)
      if (!all[s].points.empty())
        panel.trace(several ? s : colour_, all[s].points, told_points,
                    several ? SeriesOf::constraint : SeriesOf::model);
    std::string key;
    if (all.size() > 1)
      for (std::size_t s = 0; s < all.size(); ++s)
        key += (s == 0 ? "" : " ") + std::string("<span class=\"nowrap\">") + series_sample(s) + " " +
               escaped(all[s].name) + "</span>";
    return "<figure class=\"plot\"><figcaption><h3>" + title + "</h3>" +
           (key.empty() ? "" : "<p>" + key + "</p>") + "</figcaption>" + panel.svg() + "</figure>\n";
  }

  const TraceSummary& trace_;
  std::size_t colour_;
};

std::string words_for(const TraceSummary& trace) {
  std::size_t feasible = 0;
  for (const auto& best : trace.best) feasible += best.feasible;
  std::string out = "<p class=\"muted\">" + counted(trace.best.size(), "trial") +
                    ": median, and the band between the "
                    "quartiles. In " +
                    count(feasible) + " of them candidate selection found a feasible iterate";
  if (std::isfinite(trace.best_feasible()))
    out += "; the upright line is the median of the best ones, iteration " + number(trace.best_feasible(), 0);
  return out + ".</p>\n";
}

/// Positions of at most `most` of `all` things, evenly spread, the first and the last among them.
std::vector<std::size_t> spread(std::size_t all, std::size_t most) {
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < std::min(all, most); ++i)
    chosen.push_back(all <= most || most < 2 ? i : i * (all - 1) / (most - 1));
  return chosen;
}

/// The traces of a model, largest amount of data first.
std::vector<TraceSummary> traces_of(const store::Reader& reader, const std::string& model) {
  const auto& header = reader.header();
  std::vector<std::size_t> fractions;
  for (std::size_t f = 0; f < header.data_fracs.size(); ++f) fractions.push_back(f);
  std::ranges::stable_sort(fractions, std::ranges::greater{}, [&](std::size_t f) { return header.rows[f]; });
  std::vector<TraceSummary> traces;
  for (const auto chosen : spread(fractions.size(), most_of_a_model)) {
    try {
      traces.push_back(read_trace(
          reader, {model, header.data_fracs[fractions[chosen]], std::nullopt, TraceBand::quartiles}));
    } catch (const InputError&) {
      continue;  // no trial with a trace there
    }
  }
  return traces;
}

std::string title_of(const TraceSummary& trace) {
  return escaped(trace.model) + ", n = " + count(trace.rows);
}

}  // namespace

std::string traces_section(const Material& material) {
  const store::Reader reader(material.store);
  std::string out;
  std::size_t drawn = 0;
  bool all = true;
  for (std::size_t m = 0; m < material.summary.models.size(); ++m) {
    const auto& name = material.summary.models[m].name;
    if (!has_trace(reader.header(), name)) continue;
    if (drawn >= most_traces) {
      all = false;
      continue;
    }
    const auto traces = traces_of(reader, name);
    all = all && traces.size() == reader.header().data_fracs.size();
    drawn += traces.size();
    if (traces.empty()) continue;
    out += "<h3>" + title_of(traces[0]) + "</h3>\n" + words_for(traces[0]) + TraceFigure(traces[0], m).html();
    if (traces.size() == 1) continue;
    out += "<details class=\"more screen\"><summary>" + escaped(name) + " with less data</summary>\n";
    for (std::size_t t = 1; t < traces.size(); ++t)
      out +=
          "<h4>" + title_of(traces[t]) + "</h4>\n" + words_for(traces[t]) + TraceFigure(traces[t], m).html();
    out += "</details>\n";
  }
  if (!out.empty() && !all)
    out +=
        "<p class=\"muted\">Not all amounts of data are shown: <code>seldon-report plots</code> draws "
        "any.</p>\n";
  return out;
}

}  // namespace seldon::analysis::report
