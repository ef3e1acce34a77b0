#pragma once
// What the categories have in common: a case's inputs, and the comparison of wanted with got.

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/constraint/constraint.h"
#include "programs/conformance/data.h"

namespace seldon::conformance {

using Json = nlohmann::json;

/// A number of the file: infinities and NaN are strings there.
double number(const Json& value);
std::vector<double> numbers(const Json& list);
std::string text_of(double value);

/// Collects the differences of one case.
class Check {
 public:
  /// rtol: the case's relative tolerance; `least` is added as an absolute one.
  explicit Check(double rtol, double least = 1e-12) : rtol_(rtol), least_(least) {}

  void near(const std::string& what, double wanted, double got);
  void near(const std::string& what, const Json& wanted, double got) { near(what, number(wanted), got); }
  /// With a tolerance that is absolute and not the case's.
  void within(const std::string& what, double wanted, double got, double tolerance);
  void all_near(const std::string& what, const Json& wanted, const std::vector<double>& got);
  template <class T>
  void equal(const std::string& what, const T& wanted, const T& got) {
    if (wanted != got) differ(what, Json(wanted).dump(), Json(got).dump());
  }
  void differ(const std::string& what, const std::string& wanted, const std::string& got);

  const std::vector<std::string>& differences() const { return differences_; }

 private:
  double rtol_, least_;
  std::vector<std::string> differences_;
};

struct Setting {
  const DataFolders& data;
  engine::Variant variant;
};

/// The options of a case that are about its constraint: groups, regime, delta, its split, inflation.
engine::ConstraintOptions constraint_options(const Json& inputs, engine::Variant variant);
Regime regime_of(const Json& inputs);

/// One function for each category of the file.
void check_interval(const Json& c, const Setting& setting, Check& check);
void check_tree(const Json& c, const Setting& setting, Check& check);
void check_parse_error(const Json& c, const Setting& setting, Check& check);
void check_stats(const Json& c, const Setting& setting, Check& check);
void check_ttest_bound(const Json& c, const Setting& setting, Check& check);
void check_fairness_bound(const Json& c, const Setting& setting, Check& check);
void check_constraint_value(const Json& c, const Setting& setting, Check& check);
void check_safety(const Json& c, const Setting& setting, Check& check);
void check_primary(const Json& c, const Setting& setting, Check& check);
void check_measure(const Json& c, const Setting& setting, Check& check);
void check_model(const Json& c, const Setting& setting, Check& check);
void check_split(const Json& c, const Setting& setting, Check& check);
void check_batching(const Json& c, const Setting& setting, Check& check);
void check_experiments(const Json& c, const Setting& setting, Check& check);
void check_kkt_trace(const Json& c, const Setting& setting, Check& check);
void check_kkt_solution(const Json& c, const Setting& setting, Check& check);
void check_end_to_end(const Json& c, const Setting& setting, Check& check);

}  // namespace seldon::conformance
