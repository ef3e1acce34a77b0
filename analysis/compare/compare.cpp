#include "analysis/compare/compare.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <string_view>

#include <nlohmann/json.hpp>

#include "analysis/compare/paired_rates.h"
#include "analysis/text.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view imported_key = "import.layout";

using Json = nlohmann::json;

Json identity_of(const store::Header& header) {
  auto json = Json::parse(header.identity, nullptr, false);
  return json.is_object() ? json : Json::object();
}

/// -1 where the trial does not count.
using Outcomes = std::vector<int>;

// ---- what goes together ----------------------------------------------------------------------------------

std::string quoted(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text.append(text.empty() ? "'" : ", '").append(one_line(name)).append("'");
  return text;
}

std::vector<std::string> model_names(const Side& side) {
  std::vector<std::string> names;
  for (const auto& model : side.results->models) names.push_back(model.header.name);
  return names;
}

std::size_t model_named(const Side& side, const std::string& name) {
  const auto names = model_names(side);
  const auto found = std::ranges::find(names, name);
  if (found == names.end())
    throw InputError("--models: '" + one_line(side.label) + "' has no model '" + one_line(name) +
                     "'; it has " + quoted(names));
  return static_cast<std::size_t>(found - names.begin());
}

using Couples = std::vector<std::pair<std::size_t, std::size_t>>;

Couples chosen_models(const Side& a, const Side& b, const CompareOptions& options) {
  Couples couples;
  for (const auto& [name_a, name_b] : options.models) {
    const std::pair couple(model_named(a, name_a), model_named(b, name_b));
    if (std::ranges::find(couples, couple) != couples.end())
      throw InputError("--models: '" + one_line(name_a) + "=" + one_line(name_b) + "' comes twice");
    couples.push_back(couple);
  }
  return couples;
}

Couples common_models(const Side& a, const Side& b) {
  const auto names_a = model_names(a), names_b = model_names(b);
  Couples couples;
  for (std::size_t i = 0; i < names_a.size(); ++i)
    if (const auto found = std::ranges::find(names_b, names_a[i]); found != names_b.end())
      couples.emplace_back(i, found - names_b.begin());
  if (couples.empty())
    throw InputError("no model is in both stores: '" + one_line(a.label) + "' has " + quoted(names_a) +
                     ", '" + one_line(b.label) + "' has " + quoted(names_b) +
                     "; say with --models A=B which of them go together");
  return couples;
}

/// Written by two programs, one fraction may differ in its last digits.
bool same_fraction(double one, double other) {
  return std::abs(one - other) <= 1e-12 * std::max(one, other);
}

/// Equal fractions, else equal n where neither side has the other's fraction; by A's n.
Couples common_fractions(const Side& a, const Side& b) {
  const auto &one = a.results->header, &other = b.results->header;
  const auto position = [](const std::vector<double>& fractions, double wanted) {
    return static_cast<std::size_t>(
        std::ranges::find_if(fractions, [&](double fraction) { return same_fraction(fraction, wanted); }) -
        fractions.begin());
  };
  Couples couples;
  const auto count = other.data_fracs.size();
  for (std::size_t i = 0; i < one.data_fracs.size(); ++i) {
    auto found = position(other.data_fracs, one.data_fracs[i]);
    if (found == count) {
      found = static_cast<std::size_t>(std::ranges::find(other.rows, one.rows[i]) - other.rows.begin());
      if (found < count && position(one.data_fracs, other.data_fracs[found]) < one.data_fracs.size())
        continue;
    }
    if (found < count) couples.emplace_back(i, found);
  }
  if (couples.empty())
    throw InputError("no data fraction is in both stores, nor is one number of rows: '" + one_line(a.label) +
                     "' goes up to " + std::to_string(std::ranges::max(one.rows)) + " rows, '" +
                     one_line(b.label) + "' up to " + std::to_string(std::ranges::max(other.rows)));
  std::ranges::stable_sort(couples, {}, [&](const auto& couple) { return one.rows[couple.first]; });
  return couples;
}

std::string common_measure(const Side& a, const Side& b, const std::string& wanted) {
  const auto& one = a.results->models.front().header.shape.performance;
  const auto& other = b.results->models.front().header.shape.performance;
  const auto has = [](const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
  };
  if (!wanted.empty()) {
    if (!has(one, wanted) || !has(other, wanted))
      throw InputError("--performance: '" + one_line(wanted) + "' is not measured in both stores; '" +
                       one_line(a.label) + "' has " + quoted(one) + ", '" + one_line(b.label) + "' has " +
                       quoted(other));
    return wanted;
  }
  const auto found = std::ranges::find_if(one, [&](const std::string& name) { return has(other, name); });
  return found == one.end() ? "" : *found;
}

std::vector<store::ConstraintHeader> common_constraints(const Side& a, const Side& b) {
  std::vector<store::ConstraintHeader> common;
  for (const auto& constraint : a.results->header.constraints)
    if (std::ranges::find(b.results->header.constraints, constraint.name, &store::ConstraintHeader::name) !=
        b.results->header.constraints.end())
      common.push_back(constraint);
  return common;
}

// ---- one model of one side -------------------------------------------------------------------------------

/// What is asked of a model's trials.
class Trials {
 public:
  Trials(const Side& side, std::size_t model, std::size_t fraction, Selection selection)
      : header_(side.results->header),
        model_(side.results->models[model]),
        selection_(std::move(selection)),
        first_(fraction * header_.n_trials),
        fraction_(fraction) {
    if (has_one_rule(shape())) selection_.rule.reset();
  }

  const std::string& name() const { return model_.header.name; }
  double fraction() const { return header_.data_fracs[fraction_]; }
  std::uint64_t rows() const { return header_.rows[fraction_]; }
  const RecordShape& shape() const { return model_.header.shape; }
  std::size_t truth() const { return truth_index(shape(), selection_); }
  std::size_t rule(const store::ConstraintHeader& constraint) const {
    return rule_index(shape(), own(constraint), selection_);
  }

  /// By trial; NaN without a solution.
  std::vector<double> performance(const std::string& measure) const {
    const auto& names = shape().performance;
    const auto index = static_cast<std::size_t>(std::ranges::find(names, measure) - names.begin());
    std::vector<double> values(header_.n_trials, nan);
    for (std::size_t trial = 0; trial < values.size(); ++trial)
      if (model_.solved(first_ + trial))
        values[trial] = model_.performance_at(first_ + trial, truth(), index);
    return values;
  }
  Outcomes solutions() const {
    return outcomes([&](std::size_t cell) { return model_.solved(cell); });
  }
  Outcomes failures(const store::ConstraintHeader& constraint) const {
    const auto index = constraint_index(shape(), constraint.name);
    if (!index) return Outcomes(header_.n_trials, -1);
    const auto by = rule(constraint), on = truth();
    return outcomes([&](std::size_t cell) {
      return model_.solved(cell) && has_failed(model_.g_at(cell, *index, by, on));
    });
  }

 private:
  template <class Test>
  Outcomes outcomes(Test test) const {
    Outcomes found(header_.n_trials, -1);
    for (std::size_t trial = 0; trial < found.size(); ++trial)
      if (model_.done(first_ + trial)) found[trial] = test(first_ + trial) ? 1 : 0;
    return found;
  }
  /// The constraint as this store declares it.
  const store::ConstraintHeader& own(const store::ConstraintHeader& constraint) const {
    return *std::ranges::find(header_.constraints, constraint.name, &store::ConstraintHeader::name);
  }

  const store::Header& header_;
  const ModelResults& model_;
  Selection selection_;
  std::size_t first_, fraction_;
};

// ---- estimates -------------------------------------------------------------------------------------------

Sample sample_of(const std::vector<double>& values) {
  double sum = 0, n = 0;
  for (const double value : values)
    if (!std::isnan(value)) {
      sum += value;
      ++n;
    }
  const double mean = n > 0 ? sum / n : nan;
  double squares = 0;
  for (const double value : values)
    if (!std::isnan(value)) squares += (value - mean) * (value - mean);
  return {mean, n > 1 ? std::sqrt(squares / (n - 1)) : nan, n};
}

Bounded mean_with_interval(const Sample& sample) {
  return {sample.mean, student(sample.mean, sample.sd, sample.n)};
}

struct Share {
  double rate;
  std::uint64_t count, trials;
};

Share share_of(const Outcomes& outcomes) {
  Share share{nan, 0, 0};
  for (const int outcome : outcomes) {
    share.trials += outcome >= 0 ? 1 : 0;
    share.count += outcome > 0 ? 1 : 0;
  }
  if (share.trials > 0) share.rate = static_cast<double>(share.count) / static_cast<double>(share.trials);
  return share;
}

Bounded rate_with_interval(const Share& share) {
  return {share.rate, wilson(share.rate, static_cast<double>(share.trials))};
}

PairedCounts count_pairs(const Outcomes& a, const Outcomes& b) {
  PairedCounts counts;
  for (std::size_t trial = 0; trial < std::min(a.size(), b.size()); ++trial) {
    if (a[trial] < 0 || b[trial] < 0) continue;
    const bool in_a = a[trial] > 0, in_b = b[trial] > 0;
    ++(in_a ? (in_b ? counts.both : counts.only_a) : (in_b ? counts.only_b : counts.neither));
  }
  return counts;
}

ComparedPoint point_of(const std::string& quantity, const Trials& a, const Trials& b) {
  return {quantity, a.name(), b.name(), a.fraction(), b.fraction(), a.rows(), b.rows(), {}, {}, {}, 0, 0, {}};
}

ComparedPoint compare_performance(const std::string& measure, const Trials& a, const Trials& b, bool pair) {
  auto point = point_of("performance, " + measure, a, b);
  auto of_a = a.performance(measure), of_b = b.performance(measure);
  const auto sample_a = sample_of(of_a), sample_b = sample_of(of_b);
  point.a = mean_with_interval(sample_a);
  point.b = mean_with_interval(sample_b);
  point.trials_a = static_cast<std::uint64_t>(sample_a.n);
  point.trials_b = static_cast<std::uint64_t>(sample_b.n);
  if (pair) {
    const auto common = std::min(of_a.size(), of_b.size());
    const auto paired_values = paired(std::span(of_a).first(common), std::span(of_b).first(common));
    point.difference = {paired_values.mean, paired_values.interval};
    point.pairs = paired_values.pairs;
  } else {
    point.difference = {sample_a.mean - sample_b.mean, welch_interval(sample_a, sample_b)};
  }
  return point;
}

ComparedPoint compare_rate(ComparedPoint point, const Outcomes& a, const Outcomes& b, bool pair) {
  const auto share_a = share_of(a), share_b = share_of(b);
  point.a = rate_with_interval(share_a);
  point.b = rate_with_interval(share_b);
  point.trials_a = share_a.trials;
  point.trials_b = share_b.trials;
  if (pair) {
    const auto counts = count_pairs(a, b);
    point.difference = paired_rate_difference(counts);
    point.pairs = counts.trials();
  } else {
    point.difference = {share_a.rate - share_b.rate, difference(point.a, point.b)};
  }
  return point;
}

// ---- one figure of both ----------------------------------------------------------------------------------

/// One side's part of the figure.
Summary summary_of(const Side& side, const std::vector<std::size_t>& models, const std::string& measure,
                   const std::vector<store::ConstraintHeader>& constraints, Selection selection,
                   const char* name) {
  Choice choice;
  choice.measure = measure;
  const auto names = model_names(side);
  for (const auto model : models)
    if (std::ranges::find(choice.models, names[model]) == choice.models.end())
      choice.models.push_back(names[model]);
  for (const auto& constraint : constraints) choice.constraints.push_back(constraint.name);
  if (has_one_rule(side.results->models.front().header.shape)) selection.rule.reset();
  auto summary = aggregate(*side.results, selection, choice);
  if (constraints.empty()) summary.constraints.clear();  // an empty choice would be all of them
  for (auto& model : summary.models) {
    model.name.append(" (").append(name).append(")");
    if (constraints.empty())
      for (auto& point : model.points) {
        point.violation.clear();
        point.conditional.clear();
      }
  }
  return summary;
}

std::string of_both(const std::string& a, const std::string& b) {
  return a == b ? a : a + " (A) and " + b + " (B)";
}

std::string told(const store::ConstraintHeader& constraint) {
  return one_line(constraint.expression) + " with delta " + shortest(constraint.delta);
}

/// Constraints that share a name need not share what they ask for: then no one delta bounds both.
void join_constraint(ConstraintSummary& a, const ConstraintSummary& b) {
  a.rule = of_both(a.rule, b.rule);
  if (told(a.header) == told(b.header)) return;
  a.header.expression = told(a.header) + " (A), " + told(b.header) + " (B)";
  if (a.header.delta != b.header.delta) a.header.delta = nan;
}

// ---- words -----------------------------------------------------------------------------------------------

std::string share_recorded(const char* name, const Side& side) {
  std::size_t done = 0, cells = 0;
  for (const auto& model : side.results->models) {
    cells += model.states.size();
    done += static_cast<std::size_t>(std::ranges::count(model.states, CellState::done));
  }
  if (done == cells) return "";
  return std::string("PARTIAL: of ") + name + " " + std::to_string(done) + " of " + std::to_string(cells) +
         " cells are recorded.";
}

std::string described(const char* name, const Side& side) {
  const auto& header = side.results->header;
  return std::string(name) + ": " + one_line(side.label) + ", experiment '" + one_line(header.name) + "', " +
         std::to_string(header.n_trials) + " trials, " + std::to_string(header.total_rows) + " rows.";
}

/// How each side judges, and where the two differ in it.
void add_judgement(std::vector<std::string>& notes, const Trials& a, const Trials& b,
                   const std::vector<store::ConstraintHeader>& constraints) {
  const auto &truth_a = a.shape().truths[a.truth()], &truth_b = b.shape().truths[b.truth()];
  notes.push_back(
      "Ground truth: " +
      (truth_a == truth_b ? one_line(truth_a) : one_line(truth_a) + " in A, " + one_line(truth_b) + " in B") +
      ".");
  for (const auto& constraint : constraints) {
    const auto &rule_a = a.shape().rules[a.rule(constraint)], &rule_b = b.shape().rules[b.rule(constraint)];
    notes.push_back("Rule of " + one_line(constraint.name) + ": " +
                    (rule_a == rule_b ? one_line(rule_a)
                                      : one_line(rule_a) + " in A, " + one_line(rule_b) +
                                            " in B; a model may violate a constraint by one of them only") +
                    ".");
  }
}

/// Constraints that share a name and nothing else.
void add_unlike_constraints(std::vector<std::string>& notes, const Side& b,
                            const std::vector<store::ConstraintHeader>& of_a) {
  for (const auto& one : of_a) {
    const auto& other =
        *std::ranges::find(b.results->header.constraints, one.name, &store::ConstraintHeader::name);
    if (told(one) != told(other))
      notes.push_back("The constraint " + one_line(one.name) + " is not the same in both: in A it is " +
                      told(one) + ", in B " + told(other) + ".");
  }
}

void add_left_out(std::vector<std::string>& notes, const std::string& measure,
                  const std::vector<store::ConstraintHeader>& constraints, const Side& a, const Side& b) {
  if (measure.empty())
    notes.push_back("Performance is left out: A measures " +
                    quoted(a.results->models.front().header.shape.performance) + ", B measures " +
                    quoted(b.results->models.front().header.shape.performance) + ".");
  const auto names = [](const Side& side) {
    std::vector<std::string> found;
    for (const auto& constraint : side.results->header.constraints) found.push_back(constraint.name);
    return found.empty() ? std::string("none") : quoted(found);
  };
  if (constraints.empty())
    notes.push_back("Failure rates are left out: no constraint of A (" + names(a) +
                    ") has the name of one of B (" + names(b) + ").");
}

void add_method(std::vector<std::string>& notes, const Pairing& pairing) {
  notes.push_back(
      pairing.paired
          ? "Paired: " + pairing.why +
                ". A - B is over the trials that both have (performance: with a solution in both), A "
                "and B are each over its own. Intervals of 95 %: Student's (performance) and "
                "Newcombe's for paired rates."
          : "Not paired: " + pairing.why +
                ". Intervals of 95 %: Welch's (performance) and Newcombe's for independent rates.");
  notes.push_back(
      "Each interval holds by itself, not all of them together. They speak of new trials of the same two "
      "experiments, drawn from the same tables, not of new tables.");
}

std::string shown(const Json& identity, const std::string& key) {
  return identity.contains(key) ? identity[key].dump(-1, ' ', false, Json::error_handler_t::replace) : "";
}

std::vector<IdentityDifference> identity_differences(const store::Header& a, const store::Header& b) {
  const auto one = identity_of(a), other = identity_of(b);
  // Of imported results most is unknown, which makes no difference.
  const bool only_common = one.contains(imported_key) || other.contains(imported_key);
  std::map<std::string, IdentityDifference> found;
  for (const auto* identity : {&one, &other})
    for (const auto& [key, value] : identity->items()) {
      if (only_common && !(one.contains(key) && other.contains(key))) continue;
      if (one.contains(key) && other.contains(key) && one[key] == other[key]) continue;
      found[key] = {key, shown(one, key), shown(other, key)};
    }
  std::vector<IdentityDifference> differences;
  for (auto& [key, difference] : found) differences.push_back(std::move(difference));
  return differences;
}

// ---- tables ----------------------------------------------------------------------------------------------

TableCell estimate_cell(const Bounded& estimate, const std::string& why_nan) {
  if (std::isnan(estimate.interval.lower)) return TableCell::of_number(estimate.value, why_nan);
  return TableCell::of_interval(estimate.value, estimate.interval.lower, estimate.interval.upper, why_nan);
}

/// A column and what stands in it for a point.
struct PointColumn {
  TableColumn column;
  TableCell (*cell)(const ComparedPoint&);
};

std::vector<PointColumn> point_columns(const std::vector<ComparedPoint>& points) {
  const auto any = [&](auto test) { return std::ranges::any_of(points, test); };
  std::vector<PointColumn> columns = {
      {{"quantity", "Quantity", "", 0}, [](const ComparedPoint& p) { return TableCell::of(p.quantity); }},
      {{"model", "Model", "In A.", 0}, [](const ComparedPoint& p) { return TableCell::of(p.model_a); }}};
  if (any([](const ComparedPoint& p) { return p.model_a != p.model_b; }))
    columns.push_back(
        {{"model_b", "Model of B", "", 0}, [](const ComparedPoint& p) { return TableCell::of(p.model_b); }});
  columns.push_back({{"data_frac", "Fraction", "Data fraction in A.", 4},
                     [](const ComparedPoint& p) { return TableCell::of_number(p.fraction_a); }});
  columns.push_back({{"n", "n", "Rows that a trial saw in A.", 0},
                     [](const ComparedPoint& p) { return TableCell::of_count(p.rows_a); }});
  if (any([](const ComparedPoint& p) {
        return !same_fraction(p.fraction_a, p.fraction_b) || p.rows_a != p.rows_b;
      })) {
    columns.push_back({{"data_frac_b", "Fraction of B", "", 4},
                       [](const ComparedPoint& p) { return TableCell::of_number(p.fraction_b); }});
    columns.push_back({{"n_b", "n of B", "Rows that a trial saw in B.", 0},
                       [](const ComparedPoint& p) { return TableCell::of_count(p.rows_b); }});
  }
  columns.push_back({{"a", "A", "Mean or rate in A, with its interval of 95 %.", 4},
                     [](const ComparedPoint& p) { return estimate_cell(p.a, "no trial of A has a value"); }});
  columns.push_back({{"b", "B", "The same in B.", 4},
                     [](const ComparedPoint& p) { return estimate_cell(p.b, "no trial of B has a value"); }});
  columns.push_back({{"difference", "A - B", "With its interval of 95 %.", 4}, [](const ComparedPoint& p) {
                       return estimate_cell(
                           p.difference, p.pairs ? "no trial has a value in both" : "one side has no value");
                     }});
  columns.push_back({{"trials_a", "Trials of A", "Behind the value.", 0},
                     [](const ComparedPoint& p) { return TableCell::of_count(p.trials_a); }});
  columns.push_back({{"trials_b", "Trials of B", "Behind the value.", 0},
                     [](const ComparedPoint& p) { return TableCell::of_count(p.trials_b); }});
  if (any([](const ComparedPoint& p) { return p.pairs.has_value(); }))
    columns.push_back({{"pairs", "Pairs", "Trials behind the difference.", 0}, [](const ComparedPoint& p) {
                         return p.pairs ? TableCell::of_count(*p.pairs) : TableCell();
                       }});
  return columns;
}

Table identity_table(const Comparison& comparison) {
  constexpr std::size_t value_characters = 60;
  Table table;
  table.name = "identity";
  table.title = "What differs in the identity of the two experiments";
  table.columns = {{"key", "Key", "As in the config.", 0}, {"a", "A", "", 0}, {"b", "B", "", 0}};
  for (const auto& difference : comparison.identity)
    table.rows.push_back({TableCell::of(difference.key),
                          TableCell::of(shortened(one_line(difference.a), value_characters)),
                          TableCell::of(shortened(one_line(difference.b), value_characters))});
  if (table.rows.empty()) table.notes.emplace_back("Nothing that both tell of.");
  return table;
}

}  // namespace

Pairing pairing_of(const store::Header& a, const store::Header& b) {
  const auto one = identity_of(a), other = identity_of(b);
  const std::array needed = {"experiment.seed", "data.kind", "resample.method"};
  for (const auto* key : needed) {
    if (one.contains(key) && other.contains(key)) continue;
    return {false, std::string("nothing says which rows the trials of ") + (one.contains(key) ? "B" : "A") +
                       " drew (--paired, if you know that they are A's and B's alike)"};
  }
  // Of a file only these keys decide which row has which number; of drawn data, all do.
  const auto matters = [&](const std::string& key) {
    if (key == "experiment.seed" || key.starts_with("resample.")) return true;
    if (one["data.kind"] != "csv") return key.starts_with("data.");
    return key == "data.kind" || key == "data.hash" || key == "data.rows" || key == "data.shuffle";
  };
  for (const auto* identity : {&one, &other})
    for (const auto& [key, value] : identity->items())
      if (matters(key) && one.value(key, Json()) != other.value(key, Json()))  // absent is as good as null
        return {false, "trials of the two drew different rows, since " + key + " differs"};
  if (a.total_rows != b.total_rows)
    return {false, "trials of the two drew different rows, since their tables differ in length"};
  return {true, "a trial drew the same rows in both, since seed, data and resampling are the same"};
}

Comparison compare(const Side& a, const Side& b, const CompareOptions& options) {
  const auto& header_a = a.results->header;
  const auto& header_b = b.results->header;
  const auto models = options.models.empty() ? common_models(a, b) : chosen_models(a, b, options);
  const auto fractions = common_fractions(a, b);
  const auto measure = common_measure(a, b, options.performance);
  const auto constraints = common_constraints(a, b);
  const auto pairing = options.same_rows
                           ? Pairing{true, "a trial drew the same rows in both, as you vouch for"}
                           : pairing_of(header_a, header_b);

  Comparison comparison;
  comparison.title = one_line(header_a.name) + " (A) and " + one_line(header_b.name) + " (B), side by side";
  /// Calls visit(A's trials, B's trials, whether they are paired) for each point of a curve.
  const auto for_points = [&](auto visit) {
    for (const auto& [model_a, model_b] : models)
      for (const auto& [fraction_a, fraction_b] : fractions) {
        const Trials trials_a(a, model_a, fraction_a, options.selection),
            trials_b(b, model_b, fraction_b, options.selection);
        // Trials of different sizes share the first rows only.
        visit(trials_a, trials_b, pairing.paired && trials_a.rows() == trials_b.rows());
      }
  };
  if (!measure.empty())
    for_points([&](const Trials& one, const Trials& other, bool pair) {
      comparison.points.push_back(compare_performance(measure, one, other, pair));
    });
  for_points([&](const Trials& one, const Trials& other, bool pair) {
    comparison.points.push_back(
        compare_rate(point_of("solution rate", one, other), one.solutions(), other.solutions(), pair));
  });
  for (const auto& constraint : constraints)
    for_points([&](const Trials& one, const Trials& other, bool pair) {
      comparison.points.push_back(compare_rate(point_of("failure rate, " + constraint.name, one, other),
                                               one.failures(constraint), other.failures(constraint), pair));
    });
  comparison.identity = identity_differences(header_a, header_b);

  auto& notes = comparison.notes;
  notes = {described("A", a), described("B", b)};
  add_judgement(notes, {a, models.front().first, fractions.front().first, options.selection},
                {b, models.front().second, fractions.front().second, options.selection}, constraints);
  add_unlike_constraints(notes, b, constraints);
  add_left_out(notes, measure, constraints, a, b);
  add_method(notes, pairing);
  for (const auto& note : {share_recorded("A", a), share_recorded("B", b)})
    if (!note.empty()) notes.push_back(note);
  return comparison;
}

Summary side_by_side(const Side& a, const Side& b, const CompareOptions& options) {
  const auto models = options.models.empty() ? common_models(a, b) : chosen_models(a, b, options);
  const auto measure = common_measure(a, b, options.performance);
  if (measure.empty())
    throw InputError(
        "the two experiments measure no performance of one name, so one figure cannot show both; "
        "compare their tables, or import with --performance");
  const auto constraints = common_constraints(a, b);
  std::vector<std::size_t> models_a, models_b;
  for (const auto& [model_a, model_b] : models) {
    models_a.push_back(model_a);
    models_b.push_back(model_b);
  }
  auto both = summary_of(a, models_a, measure, constraints, options.selection, "A");
  auto other = summary_of(b, models_b, measure, constraints, options.selection, "B");
  both.experiment += " (A) and " + other.experiment + " (B)";
  both.n_trials = std::max(both.n_trials, other.n_trials);
  both.truth = of_both(both.truth, other.truth);
  for (std::size_t c = 0; c < both.constraints.size(); ++c)
    join_constraint(both.constraints[c], other.constraints[c]);
  std::ranges::move(other.models, std::back_inserter(both.models));
  return both;
}

std::vector<Table> comparison_tables(const Comparison& comparison) {
  Table table;
  table.name = "comparison";
  table.title = comparison.title;
  table.notes = comparison.notes;
  const auto columns = point_columns(comparison.points);
  for (const auto& [column, cell] : columns) table.columns.push_back(column);
  for (const auto& point : comparison.points) {
    std::vector<TableCell> row;
    for (const auto& [column, cell] : columns) row.push_back(cell(point));
    table.rows.push_back(std::move(row));
  }
  return {std::move(table), identity_table(comparison)};
}

}  // namespace seldon::analysis
