#include "analysis/plots/trace.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "analysis/plots/gnuplot.h"
#include "analysis/results.h"
#include "analysis/text.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// ---- what a store keeps
// --------------------------------------------------------------------------------------------

std::string quoted_list(const std::vector<std::string>& names) {
  std::string list;
  for (const auto& name : names) list.append(list.empty() ? "'" : ", '").append(name).append("'");
  return list.empty() ? "none" : list;
}

std::vector<std::string> traced_models(const store::Header& header) {
  std::vector<std::string> names;
  for (const auto& model : header.models)
    if (model.shape.trace_iterations > 0) names.push_back(model.name);
  return names;
}

std::uint32_t model_of(const store::Header& header, const std::string& wanted) {
  const auto traced = traced_models(header);
  if (wanted.empty() && !traced.empty()) return model_of(header, traced.front());
  std::vector<std::string> known;
  for (std::uint32_t m = 0; m < header.models.size(); ++m) {
    known.push_back(header.models[m].name);
    if (header.models[m].name != wanted) continue;
    if (header.models[m].shape.trace_iterations > 0) return m;
    throw InputError("the store keeps no traces of candidate selection of model '" + wanted +
                     "' (it does of: " + quoted_list(traced) + "); set model." + wanted +
                     ".keep_trace = true in the config, if it is a Seldonian model, and run it into a new "
                     "store");
  }
  if (wanted.empty())
    throw InputError(
        "the store keeps no traces of candidate selection; set model.NAME.keep_trace = true in the config, "
        "NAME being a Seldonian model, and run it into a new store");
  throw InputError("the store holds no model '" + wanted + "'; it holds " + quoted_list(known));
}

std::uint32_t fraction_of(const store::Header& header, std::optional<double> wanted) {
  const auto& fractions = header.data_fracs;
  if (fractions.empty()) throw InputError("the store holds no data fractions");
  if (!wanted) return static_cast<std::uint32_t>(std::ranges::max_element(fractions) - fractions.begin());
  std::string known;
  for (std::uint32_t f = 0; f < fractions.size(); ++f) {
    // As far as a person writes it down.
    if (std::abs(fractions[f] - *wanted) <= 1e-6 * std::abs(fractions[f])) return f;
    known.append(known.empty() ? "" : ", ").append(shortest(fractions[f]));
  }
  throw InputError("the store holds no data fraction " + shortest(*wanted) + "; it holds " + known);
}

/// Whether the returned iterate was predicted to pass the safety test.
bool was_feasible(const CellRecord& record, std::int64_t best, std::span<const double> trace) {
  if (best < 0 || record.nsf_reason() == NsfReason::not_feasible) return false;
  if (record.nsf_reason() == NsfReason::safety_test) return true;
  const std::size_t constraints = record.layout().shape().constraints.size(), width = 1 + 2 * constraints;
  const auto row = static_cast<std::size_t>(best) * width;
  if (row + width > trace.size()) return true;  // the iterate after the last step: nothing else is known
  for (std::size_t c = 0; c < constraints; ++c)
    if (!(trace[row + 2 + 2 * c] <= 0)) return false;
  return true;
}

constexpr const char* does_not_fit =
    "has a record that does not fit its checksum; the same `seldon run` runs it again";

/// None if the cell has no trace to show; why, in `lack`.
std::optional<CellTrace> read_cell(const store::Reader& reader, CellKey key, CellState state,
                                   std::string& lack) {
  if (state != CellState::done) {
    lack = state == CellState::failed ? "ended in an error" : "has not been run to its end";
    return std::nullopt;
  }
  const auto& header = reader.header();
  const auto record = reader.record(key);
  if (!record.intact(header.models[key.model].name, header.data_fracs[key.fraction], key.trial)) {
    lack = does_not_fit;
    return std::nullopt;
  }
  const auto values = record.doubles(Field::trace);
  if (std::ranges::all_of(values, [](double value) { return std::isnan(value); })) {
    lack = "has no iteration of candidate selection (" + std::string(name_of(record.nsf_reason())) + ")";
    return std::nullopt;
  }
  CellTrace cell{{values.begin(), values.end()}, {}};
  cell.best.trial = key.trial;
  cell.best.iteration = record.view<std::int64_t>(Field::best_iteration)[0];
  cell.best.feasible = was_feasible(record, cell.best.iteration, values);
  cell.best.solution = record.outcome() == Outcome::solution;
  return cell;
}

// ---- many trials as one line
// ---------------------------------------------------------------------------------------

struct Band {
  double centre, lower, upper;
};

/// Type 7 of Hyndman and Fan: linear between order statistics, the first at 0 and the last at 1.
double quantile_of(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const double part = place - std::floor(place), low = sorted[below];
  if (part == 0 || low == sorted[below + 1]) return low;  // also of infinite values
  return low + part * (sorted[below + 1] - low);
}

Band band_of(std::vector<double> values, TraceBand kind) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return {nan, nan, nan};
  if (kind == TraceBand::quartiles) {
    std::ranges::sort(values);
    return {quantile_of(values, 0.5), quantile_of(values, 0.25), quantile_of(values, 0.75)};
  }
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (double value : values) sum += value;
  const double mean = sum / n;
  if (values.size() == 1) return {mean, mean, mean};
  for (double value : values) squares += (value - mean) * (value - mean);
  const double error = std::sqrt(squares / (n - 1) / n);
  return {mean, mean - error, mean + error};
}

/// loss + sum of multiplier x bound. A bound that is NaN is of a constraint that sat the iteration out.
double lagrangian_of(std::span<const double> row) {
  double sum = row[0];
  for (std::size_t at = 1; at + 1 < row.size(); at += 2)
    if (row[at] != 0 && !std::isnan(row[at + 1])) sum += row[at] * row[at + 1];
  return sum;
}

void add(TraceLine& line, const Band& band) {
  line.centre.push_back(band.centre);
  line.lower.push_back(band.lower);
  line.upper.push_back(band.upper);
}

}  // namespace

double TraceSummary::best_feasible() const {
  std::vector<double> iterations;
  for (const auto& mark : best)
    if (mark.feasible) iterations.push_back(static_cast<double>(mark.iteration));
  return band_of(iterations, TraceBand::quartiles).centre;
}

bool has_trace(const store::Header& header, const std::string& model) {
  const auto traced = traced_models(header);
  return std::ranges::find(traced, model) != traced.end();
}

void summarise_traces(std::span<const CellTrace> cells, TraceSummary& summary) {
  if (cells.empty()) throw InputError("there is no trial with a trace of candidate selection");
  const std::size_t constraints = summary.constraints.size(), width = 1 + 2 * constraints;
  std::size_t iterations = 0;
  for (const auto& cell : cells) {
    if (cell.values.size() % width != 0 || cell.values.size() != cells.front().values.size())
      throw InternalError("the traces do not fit the number of their constraints, or each other");
    std::size_t own = cell.values.size() / width;
    while (own > 0 && std::isnan(cell.values[(own - 1) * width])) --own;
    iterations = std::max(iterations, own);
  }
  summary.multiplier.assign(constraints, {});
  summary.upper.assign(constraints, {});
  std::vector<double> values(cells.size());
  for (std::size_t i = 0; i < iterations; ++i) {
    const auto row = [&](const CellTrace& cell) { return std::span(cell.values).subspan(i * width, width); };
    const auto gather = [&](TraceLine& line, auto value_of) {
      std::ranges::transform(cells, values.begin(),
                             [&](const CellTrace& cell) { return value_of(row(cell)); });
      add(line, band_of(values, summary.band));
    };
    gather(summary.loss, [](std::span<const double> r) { return r[0]; });
    summary.running.push_back(static_cast<std::uint32_t>(
        std::ranges::count_if(values, [](double value) { return !std::isnan(value); })));
    gather(summary.lagrangian, lagrangian_of);
    for (std::size_t c = 0; c < constraints; ++c) {
      gather(summary.multiplier[c], [c](std::span<const double> r) { return r[1 + 2 * c]; });
      gather(summary.upper[c], [c](std::span<const double> r) { return r[2 + 2 * c]; });
    }
  }
  for (const auto& cell : cells) summary.best.push_back(cell.best);
}

TraceSummary read_trace(const store::Reader& reader, const TraceChoice& choice) {
  const auto& header = reader.header();
  const auto m = model_of(header, choice.model);
  const auto f = fraction_of(header, choice.fraction);
  if (choice.trial && *choice.trial >= header.n_trials)
    throw InputError("the store holds no trial " + std::to_string(*choice.trial) + "; it holds 0 to " +
                     std::to_string(header.n_trials - 1));
  TraceSummary summary;
  summary.experiment = header.name;
  summary.model = header.models[m].name;
  summary.fraction = header.data_fracs[f];
  summary.rows = header.rows[f];
  summary.n_trials = header.n_trials;
  summary.trial = choice.trial;
  summary.band = choice.band;
  for (const auto& name : header.models[m].shape.constraints) {
    const auto found = std::ranges::find(header.constraints, name, &store::ConstraintHeader::name);
    if (found != header.constraints.end())
      summary.constraints.push_back(*found);
    else
      summary.constraints.push_back({name, "", "", "", nan});
  }
  const auto states = reader.states(m);
  std::vector<CellTrace> cells;
  std::string lack;
  const std::uint32_t first = choice.trial.value_or(0), last = choice.trial ? first + 1 : header.n_trials;
  for (std::uint32_t trial = first; trial < last; ++trial) {
    auto cell =
        read_cell(reader, {0, m, f, trial}, states.at(std::size_t{f} * header.n_trials + trial), lack);
    if (cell)
      cells.push_back(std::move(*cell));
    else if (lack == does_not_fit && summary.damage.cells++ == 0)
      summary.damage.first = "model '" + summary.model + "', data fraction " + shortest(summary.fraction) +
                             ", trial " + std::to_string(trial);
  }
  if (cells.empty())
    throw InputError("nothing to draw of model '" + summary.model + "' at data fraction " +
                     shortest(summary.fraction) + ": trial " + std::to_string(last - 1) + " " + lack +
                     (choice.trial ? "" : ", and no other has a trace"));
  summarise_traces(cells, summary);
  return summary;
}

// ---- the data file
// -------------------------------------------------------------------------------------------------

std::string trace_data(const TraceSummary& summary) {
  std::string text = "# ";
  text += one_line(summary.experiment) + ", model " + one_line(summary.model) + ", data fraction " +
          shortest(summary.fraction) + ", " + std::to_string(summary.rows) + " rows\n# lower, upper: ";
  text += summary.trial                          ? "as the value, of one trial"
          : summary.band == TraceBand::quartiles ? "quartiles, the value is the median"
                                                 : "one standard error from the mean";
  text += "\n# iteration trials loss lower upper lagrangian lower upper";
  for (const auto& constraint : summary.constraints)
    for (const char* quantity : {"multiplier", "upper_bound"})
      text += " " + std::string(quantity) + "_of_" + one_line(constraint.name) + " lower upper";
  text += "\n";
  for (std::size_t i = 0; i < summary.iterations(); ++i) {
    text += std::to_string(i) + " " + std::to_string(summary.running[i]);
    const auto put = [&](const TraceLine& line) {
      for (double value : {line.centre[i], line.lower[i], line.upper[i]})
        text.append(" ").append(data_number(value));
    };
    put(summary.loss);
    put(summary.lagrangian);
    for (std::size_t c = 0; c < summary.constraints.size(); ++c) {
      put(summary.multiplier[c]);
      put(summary.upper[c]);
    }
    text += "\n";
  }
  text += "\n\n# returned iterates: trial iteration feasible solution\n";
  for (const auto& mark : summary.best)
    text += std::to_string(mark.trial) + " " + std::to_string(mark.iteration) + " " +
            (mark.feasible ? "1 " : "0 ") + (mark.solution ? "1\n" : "0\n");
  return text;
}

// ---- the script
// ----------------------------------------------------------------------------------------------------

namespace {

using namespace measures;

/// A panel: which columns of the data it draws.
struct Panel {
  std::string label;
  std::vector<const TraceLine*> lines;
  std::vector<std::size_t> columns;  ///< [line] of the value in the data file; lower and upper follow
  std::vector<std::size_t> styles;   ///< [line]
  bool bound = false;
};

class Script {
 public:
  Script(const TraceSummary& summary, const FigureStyle& style)
      : summary_(summary), style_(style), name_(style.name.empty() ? "trace" : style.name) {
    check(style_);
    const std::size_t constraints = summary.constraints.size();
    // Loss and Lagrangian belong to no constraint: with several they have a style of their own.
    const std::size_t own = constraints > 1 ? constraints + 1 : 1;
    panels_ = {{"Loss", {&summary.loss}, {3}, {own}},
               {"Multiplier λ", {}, {}, {}},
               {"Upper bound U", {}, {}, {}, true},
               {constraints > 1 ? "Loss + Σ λ U" : "Loss + λ U", {&summary.lagrangian}, {6}, {own}}};
    for (std::size_t c = 0; c < constraints; ++c) {
      panels_[1].lines.push_back(&summary.multiplier[c]);
      panels_[1].columns.push_back(9 + 6 * c);
      panels_[1].styles.push_back(c + 1);
      panels_[2].lines.push_back(&summary.upper[c]);
      panels_[2].columns.push_back(12 + 6 * c);
      panels_[2].styles.push_back(c + 1);
      if (constraints > 1) legend_texts_.push_back(shortened(one_line(summary.constraints[c].name), 48));
    }
    legend_ = legend_for(style_, legend_texts_);
    heading_ = heading_for(style_, title(), remarks());
    lay_out();
  }

  std::string text() const {
    std::string script =
        "# Candidate selection: loss, multipliers, upper bounds and Lagrangian against the iteration.\n# "
        "---- labels ----\n";
    for (std::size_t c = 0; c < legend_texts_.size(); ++c)
      script += variable("constraint_" + number(c + 1), legend_texts_[c]);
    for (std::size_t p = 0; p < panels_.size(); ++p)
      script += variable("panel_" + number(p + 1), panels_[p].label);
    script += variable("x_label", "Iteration") + heading_variables(heading_);
    script += script_terminals(style_, height_, name_) + "# ---- styles ----\n" + styles() +
              script_frame(style_) + "data = '" + name_ + ".dat'\n" + x_axis() + "set multiplot\n" +
              script_heading(style_, heading_, height_);
    for (std::size_t p = 0; p < panels_.size(); ++p) script += panel(p);
    return script +
           script_legend(style_, legend_, legend_texts_.size(), "constraint_", bottom_margin * style_.scale(),
                         height_) +
           "unset multiplot\nset output\n";
  }

 private:
  std::string title() const {
    std::string text = summary_.experiment + ": candidate selection of " + summary_.model + ", " +
                       std::to_string(summary_.rows) + " rows";
    if (summary_.trial) text += ", trial " + std::to_string(*summary_.trial);
    return text;
  }

  std::vector<std::string> remarks() const {
    std::vector<std::string> remarks;
    std::string deltas;
    bool one_rule = true;
    for (const auto& constraint : summary_.constraints)
      one_rule = one_rule && constraint.decision == summary_.constraints.front().decision;
    for (const auto& constraint : summary_.constraints) {
      auto line = constraint.name;
      if (style_.title) line += ":  " + replaced(replaced(constraint.expression, "<=", "≤"), ">=", "≥");
      if (!one_rule)
        line += "  (" + constraint.decision + " decisions, δ = " + shortest(constraint.delta) + ")";
      if (style_.title || summary_.constraints.size() > 1) remarks.push_back(line);
      deltas.append(deltas.empty() ? "δ = " : ", ").append(shortest(constraint.delta));
    }
    if (one_rule && !summary_.constraints.empty())
      remarks.push_back(words_for_rule(summary_.constraints.front().decision) + ",  " + deltas);
    auto more = summary_.trial ? one_trial() : all_trials();
    remarks.insert(remarks.end(), more.begin(), more.end());
    return remarks;
  }

  std::vector<std::string> one_trial() const {
    const auto& mark = summary_.best.front();
    const std::string shade = "U > 0, shaded: predicted to fail the safety test";
    if (mark.iteration < 0) return {"no iterate was returned", shade};
    std::string text = "dotted: the iterate that was returned, " + std::to_string(mark.iteration);
    text += mark.feasible ? ", the best feasible one" : ", of the least violation (none was feasible)";
    text += mark.solution ? "; it passed the safety test" : "; no solution was found";
    return {text, shade};
  }

  std::vector<std::string> all_trials() const {
    const auto feasible = std::ranges::count(summary_.best, true, &TraceBest::feasible);
    std::string text =
        summary_.band == TraceBand::quartiles ? "median and quartiles" : "mean and standard error";
    text += " over " + std::to_string(summary_.best.size()) + " of " + std::to_string(summary_.n_trials) +
            " trials; U > 0, shaded: predicted to fail the safety test";
    if (feasible == 0) return {text, "no trial has a feasible iterate"};
    return {text, "ticks: the best feasible iterates, of " + std::to_string(feasible) +
                      " trials; dotted: their median, " + shortest(summary_.best_feasible())};
  }

  void lay_out() {
    const double s = style_.scale();
    columns_ = style_.narrow() ? 1 : style_.width < 9 ? 2 : 4;
    const std::size_t rows = panels_.size() / columns_;
    double wide = 0;
    for (const auto& panel : panels_) wide = std::max(wide, room_for_tics(style_, y_range(panel)));
    const double left = left_margin * s + wide, space = gap * s + wide, right = right_margin * s;
    const auto count = static_cast<double>(columns_);
    const double width = (style_.width - left - right - (count - 1) * space) / count;
    const double panel_height = std::clamp((columns_ == 4 ? 1.15 : 0.5) * width, 0.9, 4.0);
    double y = bottom_margin * s + legend_.height + axis_label_height * s;
    places_.resize(panels_.size());
    for (std::size_t row = rows; row-- > 0;) {
      y += (row + 1 == rows ? tics_height : title_gap) * s;
      for (std::size_t column = 0; column < columns_; ++column) {
        const double from = left + static_cast<double>(column) * (width + space);
        places_[row * columns_ + column] = {from, from + width, y, y + panel_height};
      }
      y += panel_height + title_gap * s;
    }
    height_ = y + heading_.height;
  }

  std::string styles() const {
    auto lines = style_;
    lines.marker_size = 0;
    const std::size_t constraints = summary_.constraints.size();
    std::string script = script_line_styles(lines, std::max<std::size_t>(1, constraints));
    if (constraints > 1)
      script += "set style line " + number(constraints + 1) + " linecolor rgb '#333333' linewidth " +
                fixed(1.5 * std::clamp(style_.scale(), 0.65, 1.0), 1) + " pointsize 0 dashtype solid\n";
    return script;
  }

  AxisRange iterations() const {
    const double last = std::max(1.0, static_cast<double>(summary_.iterations()));
    return {-0.02 * last, 1.02 * last};
  }

  std::string x_axis() const {
    const auto range = iterations();
    const double width = places_[0].right - places_[0].left;
    // The first and the last label may reach beyond the panel.
    const auto label = number(summary_.iterations()).size() + 1;
    const auto most = std::clamp<std::size_t>(characters_in(width, style_.text_size()) / label + 1, 3, 7);
    return "set xrange [" + shortest(range.low) + ":" + shortest(range.high) + "]\n" +
           script_tics('x', {0, static_cast<double>(summary_.iterations())}, most);
  }

  AxisRange y_range(const Panel& panel) const {
    std::vector<double> values;
    for (const auto* line : panel.lines)
      for (const auto* part : {&line->centre, &line->lower, &line->upper})
        values.insert(values.end(), part->begin(), part->end());
    if (panel.bound) values.push_back(0);
    return range_of(values, false, 0.08);
  }

  std::string panel(std::size_t p) const {
    const auto& panel = panels_[p];
    const auto& place = places_[p];
    const auto range = y_range(panel);
    const bool last_row = p + columns_ >= panels_.size();
    const auto most =
        static_cast<std::size_t>(std::clamp((place.top - place.bottom) / (0.3 * style_.scale()), 3.0, 7.0));
    std::string script =
        "# ---- panel " + number(p + 1) + " ----\n" + script_place(place, style_.width, height_);
    script += last_row ? "set xlabel x_label noenhanced offset 0,0.4\n" + x_axis()
                       : std::string("unset xlabel\nset format x ''\n");
    script += "set yrange [" + shortest(range.low) + ":" + shortest(range.high) + "]\n" +
              script_tics('y', range, most) + "set ylabel panel_" + number(p + 1) +
              " noenhanced offset 0.5,0\n";
    if (panel.bound)
      script +=
          "set object 1 rectangle from graph 0, first 0 to graph 1, graph 1 behind fillcolor rgb "
          "'#D55E00' fillstyle solid 0.10 noborder\nset arrow 2 from graph 0, first 0 to graph 1, first "
          "0 nohead back linecolor rgb '#666666' linewidth 0.8\n";
    return script + mark() + curves(panel, range) + "unset arrow\nunset object\nunset label\n";
  }

  /// A dotted line at the returned iterate, or at the median of all trials' best feasible ones.
  std::string mark() const {
    double at = summary_.best_feasible();
    if (summary_.trial) at = static_cast<double>(summary_.best.front().iteration);
    if (std::isnan(at) || at < 0) return "";
    return "set arrow 1 from first " + shortest(at) + ", graph 0 to first " + shortest(at) +
           ", graph 1 nohead front linecolor rgb 'black' linewidth 1.2 dashtype (2,3)\n";
  }

  std::string curves(const Panel& panel, AxisRange range) const {
    std::string bands, lines;
    for (std::size_t i = panel.lines.size(); i-- > 0;) {
      const auto column = panel.columns[i], line = panel.styles[i];
      const auto from = ", \\\n  data index 0 using 1:";
      if (!summary_.trial)
        bands += from + number(column + 1) + ":" + number(column + 2) + " with filledcurves linecolor rgb '" +
                 (line > summary_.constraints.size() ? "#333333" : colour_of(line - 1)) + "'";
      lines += from + number(column) + " with lines linestyle " + number(line);
    }
    std::string ticks;
    if (!summary_.trial && std::ranges::count(summary_.best, true, &TraceBest::feasible) > 0)
      ticks = ", \\\n  data index 1 using ($3 == 1 ? $2 : NaN):(" + shortest(range.low) + "):(0):(" +
              shortest((range.high - range.low) * 0.05) +
              ") with vectors nohead linecolor rgb 'black' linewidth 0.6";
    return "plot NaN" + bands + lines + ticks + "\n";
  }

  const TraceSummary& summary_;
  FigureStyle style_;
  std::string name_;
  std::vector<Panel> panels_;
  std::vector<std::string> legend_texts_;
  Legend legend_;
  Heading heading_;
  std::size_t columns_ = 1;
  std::vector<Place> places_;
  double height_ = 0;
};

}  // namespace

std::string trace_script(const TraceSummary& summary, const FigureStyle& style) {
  return Script(summary, style).text();
}

void write_trace(const TraceSummary& summary, const FigureStyle& style, const std::filesystem::path& folder,
                 std::span<const Format> formats) {
  const auto script = trace_script(summary, style);
  write_figure(folder, style.name.empty() ? "trace" : style.name, trace_data(summary), script, formats);
}

}  // namespace seldon::analysis
