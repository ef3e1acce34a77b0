#include "engine/constraint/bound.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>

#include "core/error.h"

namespace seldon::engine {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double least_rows_of_student_t = 5;

/// Boost.Math with results instead of exceptions where a function has no value.
using Quiet =
    boost::math::policies::policy<boost::math::policies::domain_error<boost::math::policies::ignore_error>,
                                  boost::math::policies::overflow_error<boost::math::policies::ignore_error>,
                                  boost::math::policies::pole_error<boost::math::policies::ignore_error>>;

double outward(Side side) {
  return side == Side::lower ? -1.0 : 1.0;
}

BoundValue unbounded(Side side) {
  return {outward(side) * infinity};
}

BoundValue student_t(const NodeStatistics& sample, const BoundRequest& request) {
  const bool constant = sample.min == sample.max;
  if (sample.n < least_rows_of_student_t || request.m <= 1 || (request.safety_test && constant))
    return unbounded(request.side);
  const double quantile = student_t_quantile(1 - request.delta, request.m - 1);
  const double by_sd = outward(request.side) * request.inflation * quantile / std::sqrt(request.m);
  return {sample.mean + by_sd * sample.sd, 1.0, by_sd};
}

BoundValue clopper_pearson(const NodeStatistics& sample, const BoundRequest& request) {
  if (sample.n < 1 || request.m <= 0) return unbounded(request.side);
  const double k = sample.mean * request.m;
  const double rest = request.m - k;
  double limit = 0;
  if (request.side == Side::lower)
    limit = k <= 0 ? 0.0 : boost::math::ibeta_inv(k, rest + 1, request.delta, Quiet());
  else
    limit = rest <= 0 ? 1.0 : boost::math::ibeta_inv(k + 1, rest, 1 - request.delta, Quiet());
  if (request.inflation == 1) return {limit};  // exact to the last bit in the safety test
  // Without inflation a candidate at the predicted edge would pass the safety test every other time only.
  return {std::clamp(sample.mean + request.inflation * (limit - sample.mean), 0.0, 1.0)};
}

BoundValue hoeffding(const NodeStatistics& sample, const BoundRequest& request) {
  const bool outside = sample.min < request.range[0] || sample.max > request.range[1];
  if (sample.n < 1 || request.m <= 0 || outside) return unbounded(request.side);
  const double width = request.range[1] - request.range[0];
  const double half = request.inflation * width * std::sqrt(std::log(1 / request.delta) / (2 * request.m));
  return {sample.mean + outward(request.side) * half, 1.0, 0.0};
}

/// A finite bound of a rate lies in [0, 1]; an infinite one says that nothing is certified, and stays.
BoundValue intersect_with_unit(BoundValue bound) {
  if (bound.value < 0 && std::isfinite(bound.value)) return {0.0};
  if (bound.value > 1 && std::isfinite(bound.value)) return {1.0};
  return bound;
}

}  // namespace

BoundKind bound_kind(std::string_view name) {
  for (BoundKind kind : {BoundKind::student_t, BoundKind::clopper_pearson, BoundKind::hoeffding})
    if (name == name_of(kind)) return kind;
  throw InputError("'" + std::string(name) +
                   "' is not a bound; known are student_t, clopper_pearson and hoeffding");
}

std::string_view name_of(BoundKind kind) {
  switch (kind) {
    case BoundKind::student_t:
      return "student_t";
    case BoundKind::clopper_pearson:
      return "clopper_pearson";
    case BoundKind::hoeffding:
      return "hoeffding";
  }
  return "?";
}

BoundValue bound(BoundKind kind, const NodeStatistics& sample, const BoundRequest& request) {
  if (sample.n >= 1 && std::isnan(sample.mean)) return {not_a_number};
  BoundValue result;
  switch (kind) {
    case BoundKind::student_t:
      result = student_t(sample, request);
      break;
    case BoundKind::clopper_pearson:
      result = clopper_pearson(sample, request);
      break;
    case BoundKind::hoeffding:
      result = hoeffding(sample, request);
      break;
  }
  return request.rate ? intersect_with_unit(result) : result;
}

double student_t_quantile(double p, double nu) {
  struct Entry {
    double p = not_a_number, nu = 0, quantile = 0;
  };
  constexpr std::size_t entries = 256;
  thread_local std::array<Entry, entries> cache;
  const std::uint64_t hash = (std::bit_cast<std::uint64_t>(p) * 0x9E3779B97F4A7C15u) ^
                             (std::bit_cast<std::uint64_t>(nu) * 0xC2B2AE3D27D4EB4Fu);
  Entry& entry = cache[hash >> 56];
  if (entry.p == p && entry.nu == nu) return entry.quantile;
  if (!(nu > 0) || !(p >= 0 && p <= 1)) return not_a_number;
  const boost::math::students_t_distribution<double, Quiet> distribution(nu);
  entry = {p, nu, p == 0 ? -infinity : p == 1 ? infinity : boost::math::quantile(distribution, p)};
  return entry.quantile;
}

}  // namespace seldon::engine
