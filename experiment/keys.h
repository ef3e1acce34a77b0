#pragma once
// Every key of a config, once: its name, where it lives in the Description, what it must be, and whether it
// is part of an experiment's identity. The reader, the canonical text, the identity and the list of known
// keys are visitors. Internal to this room.
//
// A Visitor has
//   section(name, visit)             one table, [name]
//   sections(name, list, visit)      a list of tables, [[name]], each with a `name`
//   nested(name, object, visit)      a table inside a section
//   nested(name, optional, visit)
//   key(name, value, role, rule)
//   fractions(name, list, role)      a list, or { logspace = [start, stop, count] }

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "experiment/config.h"
#include "experiment/description.h"

namespace seldon::experiment {

/// What a value must be besides its type; each part speaks of the types it fits.
struct Rule {
  bool required = false;
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  bool low_open = false, high_open = false;
  bool is_name = false;                        ///< letters, digits, '_', '-' and '.'
  bool not_empty = false;                      ///< of a text, a list, or each text in a list
  bool distinct = false;                       ///< no entry of a list twice
  std::vector<std::string_view> choices = {};  ///< empty: anything
  /// As the identity writes it: what the key says where an identity lacks it, in stores that were made before
  /// the key existed. A value that says the same is left out, so that those stores go on.
  std::string_view unsaid = {};
};

namespace rule {
inline Rule any() {
  return {};
}
inline Rule text() {
  return {.not_empty = true};
}
inline Rule required_text() {
  return {.required = true, .not_empty = true};
}
inline Rule name() {
  return {.required = true, .is_name = true};
}
inline Rule names() {
  return {.not_empty = true, .distinct = true};
}
inline Rule one_of(std::vector<std::string_view> choices) {
  return {.choices = std::move(choices)};
}
inline Rule between(double low, double high) {
  return {.low = low, .high = high};
}
inline Rule inside(double low, double high) {
  return {.low = low, .high = high, .low_open = true, .high_open = true};
}
inline Rule positive() {
  return {.low = 0, .low_open = true};
}
inline Rule not_negative() {
  return {.low = 0};
}
inline Rule half_open_unit() {
  return {.low = 0, .high = 1, .high_open = true};
}
inline Rule required(Rule rule) {
  rule.required = true;
  return rule;
}
inline Rule not_empty(Rule rule) {
  rule.not_empty = true;
  return rule;
}
inline Rule unsaid(std::string_view value, Rule rule) {
  rule.unsaid = value;
  return rule;
}
}  // namespace rule

/// Counts beyond these are slips of the pen, and would only exhaust the memory.
inline constexpr double most_trials = 1e6, most_iterations = 1e9, most_rows = 4294967295.0, most_side = 4096;
inline constexpr std::size_t most_fractions = 1000, most_sections = 1000;
inline constexpr std::uint64_t most_cells = 100'000'000;

template <class Visitor, class D>
void visit_description(Visitor& v, D& d) {
  using enum Role;
  v.section("experiment", [&] {
    v.key("name", d.name, identity, rule::name());
    v.key("seed", d.seed, identity, rule::required(rule::any()));
    v.key("n_trials", d.n_trials, identity, rule::required(rule::between(1, most_trials)));
    v.fractions("data_fracs", d.data_fracs, identity);
    v.key("threads_per_worker", d.threads_per_worker, execution, rule::between(1, 1024));
    v.key("regime", d.regime, identity, rule::one_of({"classification", "regression"}));
    v.key("device", d.device, identity, rule::unsaid("\"cpu\"", rule::one_of({"auto", "cpu", "cuda"})));
    v.key("gpus_per_trial", d.gpus_per_trial, identity, rule::unsaid("1", rule::between(1, 1024)));
  });
  v.section("data", [&] {
    auto& s = d.data;
    v.key("kind", s.kind, identity, rule::one_of({"csv", "synthetic_faces"}));
    v.key("path", s.path, execution, rule::text());
    v.key("header", s.header, identity, rule::any());
    v.key("delimiter", s.delimiter, identity, rule::any());
    v.key("names", s.names, identity, rule::names());
    v.key("label", s.label, identity, rule::text());
    v.key("positive", s.positive, identity, rule::text());
    v.key("numeric", s.numeric, identity, rule::names());
    v.key("categorical", s.categorical, identity, rule::names());
    v.key("standardize", s.standardize, identity, rule::names());
    v.nested("image", s.image, [&](auto& image) {
      v.key("column", image.column, identity, rule::required_text());
      v.key("channels", image.channels, identity, rule::between(1, 16));
      v.key("height", image.height, identity, rule::required(rule::between(1, most_side)));
      v.key("width", image.width, identity, rule::required(rule::between(1, most_side)));
    });
    v.key("rows", s.rows, identity, rule::between(1, most_rows));
    v.key("shuffle", s.shuffle, identity, rule::any());
    v.key("difficulty_0", s.synthetic_difficulty_0, identity, rule::between(0, 100));
    v.key("difficulty_1", s.synthetic_difficulty_1, identity, rule::between(0, 100));
  });
  v.sections("group", d.groups, [&](auto& s) {
    v.key("attribute", s.attribute, identity, rule::name());
    v.key("name", s.name, identity, rule::name());
    v.key("where", s.where, identity, rule::required_text());
    v.key("overlapping", s.overlapping, identity, rule::any());
  });
  v.section("split", [&] { v.key("frac_in_safety", d.frac_in_safety, identity, rule::inside(0, 1)); });
  v.section("resample", [&] {
    auto& s = d.resample;
    v.key("method", s.method, identity, rule::one_of({"bootstrap"}));
    v.key("indices", s.indices, execution, rule::text());
    v.key("ground_truth", s.ground_truth, identity, rule::one_of({"original", "held_out"}));
  });
  v.sections("constraint", d.constraints, [&](auto& s) {
    v.key("name", s.name, identity, rule::name());
    v.key("expression", s.expression, identity, rule::required_text());
    v.key("delta", s.delta, identity, rule::required(rule::inside(0, 1)));
    v.key("decision", s.decision, identity, rule::one_of({"soft", "hard"}));
    v.key("bound", s.bound, identity, rule::text());
    v.key("range", s.range, identity, rule::any());
    v.key("delta_weights", s.delta_weights, identity, rule::any());
    v.key("inflation", s.inflation, identity, rule::not_empty(rule::not_negative()));
  });
  v.sections("model", d.models, [&](auto& s) {
    v.key("name", s.name, identity, rule::name());
    v.key("kind", s.kind, identity, rule::one_of({"seldonian", "baseline"}));
    v.key("architecture", s.architecture, identity, rule::name());
    v.key("architecture_options", s.architecture_options, identity, rule::any());
    v.key("objective", s.objective, identity, rule::text());
    v.key("l2", s.l2, identity, rule::not_negative());
    v.nested("optimizer", s.optimizer, [&](auto& o) {
      v.key("variant", o.variant, identity, rule::one_of({"adam", "toolkit"}));
      v.key("step_size", o.step_size, identity, rule::positive());
      v.key("step_size_multipliers", o.step_size_multipliers, identity, rule::positive());
      v.key("beta_velocity", o.beta_velocity, identity, rule::half_open_unit());
      v.key("beta_rmsprop", o.beta_rmsprop, identity, rule::half_open_unit());
      v.key("multipliers", o.multipliers, identity, rule::not_empty(rule::not_negative()));
    });
    v.key("variant", s.variant, identity, rule::one_of({"default", "toolkit"}));
    v.key("initial_solution", s.initial_solution, identity,
          rule::one_of({"fit", "zeros", "random", "shared_random"}));
    v.key("batchnorm", s.batchnorm, identity, rule::one_of({"reestimated", "toolkit"}));
    v.key("pack_size", s.pack_size, identity, rule::between(0, 4096));
    v.key("precision", s.precision, identity,
          rule::unsaid("\"float32\"", rule::one_of({"float32", "tf32", "bfloat16"})));
    v.key("convolutions", s.convolutions, identity,
          rule::unsaid("\"grouped\"", rule::one_of({"auto", "grouped", "unfolded"})));
    v.key("batch_size", s.batch_size, identity, rule::between(1, most_rows));
    v.key("epochs", s.epochs, identity, rule::between(1, most_iterations));
    v.key("iterations", s.iterations, identity, rule::between(1, most_iterations));
    v.key("epochs_for_iterations", s.epochs_for_iterations, identity, rule::between(1, most_iterations));
    v.key("min_epochs", s.min_epochs, identity, rule::between(1, most_iterations));
    v.key("keep_trace", s.keep_trace, identity, rule::any());
    v.key("keep_parameters", s.keep_parameters, identity, rule::any());
    v.key("command", s.command, identity, Rule{.not_empty = true});
    v.key("time_limit", s.time_limit, execution, Rule{.low = 0, .high = 1e7, .low_open = true});
  });
  v.section("evaluation", [&] {
    auto& s = d.evaluation;
    v.key("performance", s.performance, identity, rule::names());
    v.key("batch_size", s.batch_size, identity, rule::between(1, most_rows));
    v.key("subgroups", s.subgroups, identity, rule::names());
    v.key("histograms", s.histograms, identity, rule::any());
  });
  v.section("run", [&] {
    auto& s = d.run;
    const Rule seconds{.low = 0, .high = 1e7, .low_open = true};
    v.key("start_seconds", s.start_seconds, execution, seconds);
    v.key("lease_seconds", s.lease_seconds, execution, seconds);
    v.key("cell_timeout", s.cell_timeout, execution, seconds);
    v.key("grace_seconds", s.grace_seconds, execution, rule::between(0, 1e7));
    v.key("max_tries", s.max_tries, execution, rule::between(1, 1000));
    v.key("max_deaths", s.max_deaths, execution, rule::between(1, 1000));
    v.key("max_fails", s.max_fails, execution, rule::between(0, 9.2e18));
  });
  v.section("store", [&] { v.key("max_bytes", d.store_max_bytes, execution, rule::between(1, 9.2e18)); });
}

}  // namespace seldon::experiment
