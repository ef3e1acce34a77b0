// Calls the functions of analysis/statistics for software in other languages to compare with: reads one call
// a line, {"call": "wilson", "args": [0.5, 10, 0.95]}, and writes one line for each, the result or {"error":
// text}. JSON has no NaN and no infinity: they are the strings "nan", "inf" and "-inf", both ways.

#include <cmath>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "analysis/statistics/auroc.h"
#include "analysis/statistics/comparison.h"
#include "analysis/statistics/interval.h"
#include "core/error.h"

namespace {

using namespace seldon::analysis;
using Json = nlohmann::json;

double number(const Json& value) {
  if (!value.is_string()) return value.get<double>();
  if (value == "nan") return std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  return value == "-inf" ? -infinity : infinity;
}

std::vector<double> numbers(const Json& values) {
  std::vector<double> out;
  for (const auto& value : values) out.push_back(number(value));
  return out;
}

Json json_of(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}
Json json_of(const Interval& interval) {
  return Json::array({json_of(interval.lower), json_of(interval.upper)});
}
Json json_of(const TestResult& test) {
  return Json::array({json_of(test.statistic), json_of(test.degrees_of_freedom), json_of(test.p)});
}

Interval interval_of(const Json& ends) {
  return {number(ends.at(0)), number(ends.at(1))};
}
/// [value, [lower, upper]]
Bounded bounded(const Json& estimate) {
  return {number(estimate.at(0)), interval_of(estimate.at(1))};
}
/// [mean, sd, n]
Sample sample(const Json& of) {
  return {number(of.at(0)), number(of.at(1)), number(of.at(2))};
}
std::uint64_t whole(const Json& value) {
  return value.get<std::uint64_t>();
}

Json call_auroc(const Json& a) {
  const auto area = auroc(numbers(a.at(0)), numbers(a.at(1)));
  const double confidence = number(a.at(2));
  return {{"value", json_of(area.value)},
          {"variance", json_of(area.variance)},
          {"binning_error", json_of(area.binning_error)},
          {"interval", json_of(auroc_interval(area, confidence))},
          {"score_interval",
           json_of(auroc_score_interval(area.value, area.positives, area.negatives, confidence))}};
}

Json call_ratio_of_sums(const Json& a) {
  const auto s = numbers(a.at(0));
  const auto ratio = ratio_of_sums({s.at(0), s.at(1), s.at(2), s.at(3), s.at(4), s.at(5)});
  return {{"value", json_of(ratio.value)},
          {"variance", json_of(ratio.variance)},
          {"effective", json_of(ratio.effective)},
          {"interval", json_of(ratio_of_sums_interval(ratio, number(a.at(1))))}};
}

Json call_paired(const Json& a) {
  const auto result = paired(numbers(a.at(0)), numbers(a.at(1)), number(a.at(2)));
  return {{"pairs", result.pairs},
          {"mean", json_of(result.mean)},
          {"sd", json_of(result.sd)},
          {"interval", json_of(result.interval)},
          {"test", json_of(result.test)}};
}

Json call_holm(const Json& a) {
  Json out = Json::array();
  for (const double p : holm(numbers(a.at(0)))) out.push_back(json_of(p));
  return out;
}

const std::map<std::string, std::function<Json(const Json&)>> calls = {
    {"wilson",
     [](const Json& a) { return json_of(wilson(number(a.at(0)), number(a.at(1)), number(a.at(2)))); }},
    {"clopper_pearson",
     [](const Json& a) { return json_of(clopper_pearson(whole(a.at(0)), whole(a.at(1)), number(a.at(2)))); }},
    {"standard_error_band",
     [](const Json& a) { return json_of(standard_error_band(whole(a.at(0)), whole(a.at(1)))); }},
    {"student",
     [](const Json& a) {
       return json_of(student(number(a.at(0)), number(a.at(1)), number(a.at(2)), number(a.at(3))));
     }},
    {"student_in_unit",
     [](const Json& a) {
       return json_of(student_in_unit(number(a.at(0)), number(a.at(1)), number(a.at(2)), number(a.at(3))));
     }},
    {"f1_interval",
     [](const Json& a) { return json_of(f1_interval(number(a.at(0)), number(a.at(1)), number(a.at(2)))); }},
    {"ratio_of_sums", call_ratio_of_sums},
    {"over_trials",
     [](const Json& a) {
       return json_of(over_trials(number(a.at(0)), interval_of(a.at(1)), number(a.at(2)), whole(a.at(3)),
                                  number(a.at(4)), interval_of(a.at(5))));
     }},
    {"normal_quantile", [](const Json& a) { return json_of(normal_quantile(number(a.at(0)))); }},
    {"student_quantile",
     [](const Json& a) { return json_of(student_quantile(number(a.at(0)), number(a.at(1)))); }},
    {"difference", [](const Json& a) { return json_of(difference(bounded(a.at(0)), bounded(a.at(1)))); }},
    {"ratio", [](const Json& a) { return json_of(ratio(bounded(a.at(0)), bounded(a.at(1)))); }},
    {"difference_to_whole",
     [](const Json& a) { return json_of(difference_to_whole(number(a.at(0)), number(a.at(1)))); }},
    {"ratio_to_whole",
     [](const Json& a) { return json_of(ratio_to_whole(number(a.at(0)), number(a.at(1)))); }},
    {"simultaneous", [](const Json& a) { return json_of(simultaneous(number(a.at(0)), whole(a.at(1)))); }},
    {"score_test",
     [](const Json& a) {
       return json_of(score_test(number(a.at(0)), number(a.at(1)), number(a.at(2)), number(a.at(3))));
     }},
    {"welch_test", [](const Json& a) { return json_of(welch_test(sample(a.at(0)), sample(a.at(1)))); }},
    {"welch_interval",
     [](const Json& a) {
       return json_of(welch_interval(sample(a.at(0)), sample(a.at(1)), number(a.at(2))));
     }},
    {"paired", call_paired},
    {"holm", call_holm},
    {"auroc", call_auroc},
};

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    Json result;
    try {
      const auto call = Json::parse(line);
      result = calls.at(call.at("call"))(call.at("args"));
    } catch (const seldon::InputError& error) {
      result = {{"error", error.what()}};
    } catch (const std::exception& error) {
      std::cerr << "statistics_probe: " << error.what() << " in " << line << '\n';
      return 4;
    }
    std::cout << result.dump() << '\n';
  }
  return 0;
}
