// Bounds at the edge: one base node, the constraint mean(z) <= c with c the true mean. A bound that holds
// with probability 1 - delta lets the safety test pass in at most a share delta of the safety sets.

#include <cmath>
#include <cstdio>
#include <functional>
#include <map>

#include <boost/math/distributions/binomial.hpp>
#include <gtest/gtest.h>

#include "core/random.h"
#include "engine/constraint/bound.h"

namespace seldon::engine {
namespace {

constexpr double delta = 0.05;
constexpr int safety_sets = 20000;
constexpr int sizes[] = {5, 10, 30, 100, 1000};

/// Draws of one safety set, in order.
class Draws {
 public:
  explicit Draws(const Stream& stream) : stream_(stream) {}
  double uniform() { return stream_.uniform(index_++); }
  double normal() { return stream_.normal(index_++); }
  double bernoulli(double p) { return uniform() < p ? 1.0 : 0.0; }

  /// Johnk 1964: for U^(1/a) + V^(1/b) <= 1, U^(1/a) / (U^(1/a) + V^(1/b)) is Beta(a, b).
  double beta(double a, double b) {
    for (;;) {
      const double x = std::pow(uniform(), 1 / a), y = std::pow(uniform(), 1 / b);
      if (x + y <= 1 && x + y > 0) return x / (x + y);
    }
  }

 private:
  const Stream& stream_;
  std::uint64_t index_ = 0;
};

struct Law {
  const char* name;
  double mean;
  bool unit;  ///< values in [0, 1]
  bool zero_one;
  std::function<double(Draws&)> draw;
};

const std::vector<Law>& laws() {
  static const std::vector<Law> all = {
      {"Bernoulli(.05)", 0.05, true, true, [](Draws& d) { return d.bernoulli(0.05); }},
      {"Bernoulli(.1)", 0.1, true, true, [](Draws& d) { return d.bernoulli(0.1); }},
      {"Bernoulli(.5)", 0.5, true, true, [](Draws& d) { return d.bernoulli(0.5); }},
      {"Beta(.2, 1.8)", 0.1, true, false, [](Draws& d) { return d.beta(0.2, 1.8); }},
      {"normal", 0, false, false, [](Draws& d) { return d.normal(); }},
      {"squared normal", 1, false, false,
       [](Draws& d) {
         const double x = d.normal();
         return x * x;
       }},
      {".02, 5 % .98", 0.05 * 0.98 + 0.95 * 0.02, true, false,
       [](Draws& d) { return (d.uniform() < 0.05 ? 0.98 : 0.02) + 0.02 * (d.uniform() - 0.5); }},
  };
  return all;
}

/// Whether a bound is asked for wrongly, to see that the checks below notice.
enum class Sabotage { none, doubled_delta, wrong_sign };

BoundRequest request(const Law& law, int n, Sabotage sabotage) {
  BoundRequest result{.delta = delta, .m = static_cast<double>(n), .rate = law.unit, .safety_test = true};
  if (sabotage == Sabotage::doubled_delta) result.delta = 2 * delta;
  if (sabotage == Sabotage::wrong_sign) result.delta = 1 - delta;  // t_delta = -t_{1-delta}
  return result;
}

/// In how many of the safety sets each bound lets the test pass, [kind].
std::map<BoundKind, int> passes(std::size_t law_index, int n, Sabotage sabotage = Sabotage::none) {
  const Law& law = laws()[law_index];
  std::map<BoundKind, int> count = {{BoundKind::student_t, 0}};
  if (law.unit) count[BoundKind::hoeffding] = 0;
  if (law.zero_one) count[BoundKind::clopper_pearson] = 0;
  std::vector<double> z(static_cast<std::size_t>(n));
  const BoundRequest asked = request(law, n, sabotage);
  for (int set = 0; set < safety_sets; ++set) {
    const Stream stream(Purpose::synthetic_data, 1,
                        {law_index, static_cast<std::uint64_t>(n), static_cast<std::uint64_t>(set)});
    Draws draws(stream);
    for (double& value : z) value = law.draw(draws);
    const NodeStatistics sample = statistics(z);
    for (auto& [kind, passed] : count) passed += bound(kind, sample, asked).value <= law.mean ? 1 : 0;
  }
  return count;
}

double rate(int passed) {
  return passed / static_cast<double>(safety_sets);
}

/// The exact binomial test at 1 %: whether so many passes are compatible with a rate of at most delta.
bool valid_in_finite_samples(int passed) {
  if (passed == 0) return true;
  const boost::math::binomial law(safety_sets, delta);
  return boost::math::cdf(boost::math::complement(law, passed - 1)) >= 0.01;
}

bool student_t_as_promised(const Law& law, int n, int passed) {
  if (std::string(law.name) == "normal") return std::abs(rate(passed) - delta) <= 0.01;
  const bool no_promise = n < 1000 || &law == &laws().back();
  return no_promise || rate(passed) <= 0.07;
}

TEST(BoundsAtTheEdge, PassNoMoreOftenThanPromised) {
  std::printf("| law | n | Student t | Clopper-Pearson | Hoeffding |\n| --- | --- | --- | --- | --- |\n");
  for (std::size_t law = 0; law < laws().size(); ++law)
    for (int n : sizes) {
      SCOPED_TRACE(std::string(laws()[law].name) + ", n = " + std::to_string(n));
      const std::map<BoundKind, int> count = passes(law, n);
      const auto shown = [&](BoundKind kind) {
        char text[16] = "";
        if (count.contains(kind)) std::snprintf(text, sizeof text, "%.4f", rate(count.at(kind)));
        return std::string(text);
      };
      std::printf("| %s | %d | %s | %s | %s |\n", laws()[law].name, n, shown(BoundKind::student_t).c_str(),
                  shown(BoundKind::clopper_pearson).c_str(), shown(BoundKind::hoeffding).c_str());
      for (const auto& [kind, passed] : count)
        EXPECT_TRUE(kind == BoundKind::student_t ? student_t_as_promised(laws()[law], n, passed)
                                                 : valid_in_finite_samples(passed))
            << name_of(kind) << ": " << rate(passed);
    }
}

TEST(BoundsAtTheEdge, SmallSamplesOfStudentTAreAsDocumented) {
  EXPECT_NEAR(rate(passes(1, 30)[BoundKind::student_t]), 0.142, 0.01);
  EXPECT_NEAR(rate(passes(3, 5)[BoundKind::student_t]), 0.273, 0.01);
  EXPECT_NEAR(rate(passes(6, 5)[BoundKind::student_t]), 0.77, 0.01);
}

TEST(BoundsAtTheEdge, SabotageIsCaught) {
  constexpr std::size_t fair_coin = 2, normal = 4;
  for (Sabotage sabotage : {Sabotage::doubled_delta, Sabotage::wrong_sign}) {
    EXPECT_FALSE(valid_in_finite_samples(passes(fair_coin, 1000, sabotage)[BoundKind::clopper_pearson]));
    EXPECT_FALSE(
        student_t_as_promised(laws()[normal], 30, passes(normal, 30, sabotage)[BoundKind::student_t]));
  }
  // Hoeffding has room at a fair coin: there a doubled delta still keeps the promise, a wrong sign does not.
  EXPECT_FALSE(valid_in_finite_samples(passes(fair_coin, 100, Sabotage::wrong_sign)[BoundKind::hoeffding]));
}

}  // namespace
}  // namespace seldon::engine
