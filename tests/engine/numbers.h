#pragma once
// How tests compare the numbers of two ways to compute the same thing.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace seldon::engine {

/// Numbers of two ways to compute the same thing: NaN where the other is, infinite alike, else close.
inline void expect_close(const std::vector<double>& got, const std::vector<double>& wanted,
                         double tolerance) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isfinite(wanted[i])) {
      ASSERT_NEAR(got[i], wanted[i], tolerance * std::max(1.0, std::abs(wanted[i]))) << "number " << i;
    } else {
      ASSERT_TRUE(got[i] == wanted[i] || (std::isnan(got[i]) && std::isnan(wanted[i])))
          << "number " << i << " is " << got[i] << " where " << wanted[i] << " is wanted";
    }
  }
}

/// NaN counts as equal to itself.
inline bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

}  // namespace seldon::engine
