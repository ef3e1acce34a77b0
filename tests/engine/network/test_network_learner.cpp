#include <bit>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/network/architectures.h"
#include "engine/network/network.h"
#include "toy.h"

namespace seldon::engine::network {
namespace {

using testing::Toy;

/// 10 parameters of the convolution per channel, BatchNorm, two linear stages; for 8 x 8 pictures.
std::vector<Stage> small_cnn() {
  return {Convolution{.channels = 4, .kernel = 3, .padding = 1},
          MaxPoolRelu{2},
          BatchNorm{},
          Linear{5},
          Relu{},
          Linear{2}};
}
constexpr std::size_t small_count = 40 + 8 + (4 * 16 * 5 + 5) + 12;

Toy small_pictures() {
  return Toy::pictures(50, {1, 8, 8});
}

std::vector<std::uint64_t> bits(const std::vector<double>& values) {
  std::vector<std::uint64_t> out;
  for (double value : values) out.push_back(std::bit_cast<std::uint64_t>(value));
  return out;
}

std::vector<Rows> some_batches() {
  std::vector<Rows> batches;
  for (std::uint32_t k = 0; k < 8; ++k) {
    batches.emplace_back();
    for (std::uint32_t i = 0; i < 20; ++i) batches.back().push_back((7 * k + 3 * i) % 50);
  }
  return batches;
}

// ---- gradients
// ---------------------------------------------------------------------------------------------------

/// v . predictors of one forward pass with these parameters.
double projection(Learner& learner, const std::vector<double>& solution, const Rows& rows,
                  const std::vector<double>& v) {
  learner.load_solution(0, solution);
  const std::size_t pass = testing::forward(learner, rows);
  const auto predictors = learner.predictors(pass, 0);
  double sum = 0;
  for (std::size_t i = 0; i < v.size(); ++i) sum += v[i] * predictors[i];
  learner.clear();
  return sum;
}

/// The gradient along random directions against central differences. In float32 a single parameter's
/// difference would drown in rounding, so that directions, not parameters, are compared.
void expect_gradient(std::vector<Stage> stages, const Toy& toy) {
  LearnerRequest request = testing::request_for(toy.data, {0});
  request.batchnorm = "toolkit";  // solutions without statistics
  const auto learner = testing::make(std::move(stages), request);
  const Rows rows = testing::first_rows(30);
  const Stream draws(Purpose::synthetic_data, 31);
  std::vector<double> v;
  for (std::size_t i = 0; i < rows.size(); ++i) v.push_back(draws.normal(i));
  const std::vector<double> start = learner->solution(0);
  const std::size_t pass = testing::forward(*learner, rows);
  testing::backward(*learner, pass, {v});
  const std::vector<double> gradient = testing::gradient_of(*learner, 0, start.size());
  for (std::uint64_t direction = 1; direction <= 5; ++direction) {
    std::vector<double> up = start, down = start;
    double wanted = 0;
    const double h = 2e-4;
    for (std::size_t i = 0; i < start.size(); ++i) {
      if (std::isnan(start[i])) continue;  // no statistics
      const double u = draws.normal(1000 * direction + i);
      up[i] += h * u;
      down[i] -= h * u;
      wanted += u * gradient[i];
    }
    const double slope = (projection(*learner, up, rows, v) - projection(*learner, down, rows, v)) / (2 * h);
    EXPECT_NEAR(slope, wanted, 0.01 * (1 + std::abs(wanted))) << "direction " << direction;
  }
}

TEST(NetworkLearner, GradientOfAConvolutionalNetworkEqualsFiniteDifferences) {
  expect_gradient({Convolution{.channels = 4, .kernel = 3}, BatchNorm{}, Linear{5}, Linear{2}},
                  small_pictures());
}

TEST(NetworkLearner, GradientOfAPerceptronEqualsFiniteDifferences) {
  expect_gradient({Linear{6}, BatchNorm{}, Linear{1}}, Toy::table(40, 5));
}

TEST(NetworkLearner, GradientsOfSeveralPassesAddUp) {
  const Toy toy = small_pictures();
  const auto request = testing::request_for(toy.data, {0});
  const Rows a = testing::first_rows(10), b = {20, 21, 22, 30, 40};
  const std::vector<double> da(10, 0.3), db = {1, -1, 2, 0, 1};
  const auto gradient = [&](bool first, bool second) {
    const auto learner = testing::make(small_cnn(), request);
    const std::size_t pa = testing::forward(*learner, a), pb = testing::forward(*learner, b);
    if (first) testing::backward(*learner, pa, {da});
    if (second) testing::backward(*learner, pb, {db});
    return testing::gradient_of(*learner, 0, small_count);
  };
  const auto both = gradient(true, true), one = gradient(true, false), other = gradient(false, true);
  for (std::size_t i = 0; i < small_count; ++i) EXPECT_NEAR(both[i], one[i] + other[i], 1e-5);
  EXPECT_NE(one, both);
  EXPECT_NE(other, both);
}

TEST(NetworkLearner, APassGoesBackOnce) {
  const Toy toy = small_pictures();
  const auto learner = testing::make(small_cnn(), testing::request_for(toy.data, {0}));
  const std::size_t pass = testing::forward(*learner, {1, 2, 3});
  testing::backward(*learner, pass, {{1, 1, 1}});
  EXPECT_THROW(testing::backward(*learner, pass, {{1, 1, 1}}), InternalError);
}

TEST(NetworkLearner, RegularisesWeightsOnly) {
  const Toy toy = Toy::table(10, 3);
  const auto learner =
      testing::make(multilayer_perceptron(Regime::classification), testing::request_for(toy.data, {0, 1}));
  const Network network(multilayer_perceptron(Regime::classification), input_shape(toy.data));
  for (std::size_t t = 0; t < 2; ++t) {
    learner->clear();
    const std::vector<double> theta = learner->solution(t);
    const double value = learner->regularise(0.7)[t];
    double wanted = 0;
    const std::vector<double> gradient = testing::gradient_of(*learner, t, network.parameter_count());
    for (const Parameter& p : network.parameters())
      for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
        if (p.penalised) wanted += 0.7 * theta[i] * theta[i];
        EXPECT_NEAR(gradient[i], p.penalised ? 1.4 * theta[i] : 0, 1e-6) << i;
      }
    EXPECT_NEAR(value, wanted, 1e-9 * wanted);
  }
}

// ---- the trial dimension
// -----------------------------------------------------------------------------------------

TEST(NetworkLearner, PackedTrainingEqualsSingles) {
  const Toy toy = small_pictures();
  const auto packed = testing::make(small_cnn(), testing::request_for(toy.data, {2, 5, 9}));
  testing::train(*packed, toy.data, some_batches(), 1e-2);
  Unhindered progress;
  packed->settle(progress);
  const std::uint32_t numbers[] = {2, 5, 9};
  for (std::size_t t = 0; t < 3; ++t) {
    const auto single = testing::make(small_cnn(), testing::request_for(toy.data, {numbers[t]}));
    const auto start = testing::parameters_of(*single, 0, small_count);
    testing::train(*single, toy.data, some_batches(), 1e-2);
    const auto a = testing::parameters_of(*packed, t, small_count),
               b = testing::parameters_of(*single, 0, small_count);
    double moved = 0;
    for (std::size_t i = 0; i < small_count; ++i) {
      // BatchNorm takes the convolution's four biases out again wherever the rectifier is open: their
      // derivatives are little but rounding, which Adam turns into whole steps. They may differ without a
      // difference in what the network says.
      const bool bias = i >= 36 && i < 40;
      EXPECT_NEAR(a[i], b[i], bias ? 0.1 : 1e-3) << i;
      moved = std::max(moved, std::abs(b[i] - start[i]));
    }
    EXPECT_GT(moved, 0.03);
    single->settle(progress);
    const auto pa = testing::predict(*packed, t, testing::first_rows(50)),
               pb = testing::predict(*single, 0, testing::first_rows(50));
    for (std::size_t i = 0; i < pa.size(); ++i) EXPECT_NEAR(pa[i], pb[i], 1e-3) << i;
  }
}

TEST(NetworkLearner, EachTrialUsesItsOwnRows) {
  const Toy toy = small_pictures();
  LearnerRequest request = testing::request_for(toy.data, {1, 1});
  request.candidate_rows = {{0, 1, 2, 3}, {10, 11, 12, 13}};
  const auto learner = testing::make(small_cnn(), request);
  LearnerRequest alone = testing::request_for(toy.data, {1});
  const auto reference = testing::make(small_cnn(), alone);
  const Rows positions{3, 0};
  const std::size_t pass = testing::forward(*learner, positions);
  const std::size_t first = testing::forward(*reference, {3, 0}),
                    second = testing::forward(*reference, {13, 10});
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(learner->predictors(pass, 0)[i], reference->predictors(first, 0)[i], 1e-5);
    EXPECT_NEAR(learner->predictors(pass, 1)[i], reference->predictors(second, 0)[i], 1e-5);
  }
}

TEST(NetworkLearner, InactiveTrialsKeepTheirBits) {
  const Toy toy = small_pictures();
  const auto learner = testing::make(small_cnn(), testing::request_for(toy.data, {0, 1, 2}));
  testing::train(*learner, toy.data, some_batches(), 1e-2);
  const auto before = bits(testing::parameters_of(*learner, 1, small_count));
  const auto other = bits(testing::parameters_of(*learner, 2, small_count));
  const std::size_t pass = testing::forward(*learner, {1, 2, 3});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  testing::backward(*learner, pass, {{1, 1, 1}, {nan, nan, nan}, {1, -1, 1}});
  learner->step({}, std::vector<std::uint8_t>{1, 0, 1});
  EXPECT_EQ(bits(testing::parameters_of(*learner, 1, small_count)), before);
  EXPECT_NE(bits(testing::parameters_of(*learner, 2, small_count)), other);
}

/// Three trials, the middle one's parameters all NaN or as they are; what the others become.
std::vector<std::vector<std::uint64_t>> beside_a_trial(const std::vector<Stage>& stages, const Toy& toy,
                                                       bool broken) {
  const auto learner = testing::make(stages, testing::request_for(toy.data, {0, 1, 2}));
  if (broken) {
    std::vector<double> values(learner->solution_size(), std::numeric_limits<double>::quiet_NaN());
    learner->load_solution(1, values);
  }
  std::vector<Rows> batches = some_batches();
  batches.resize(3);
  testing::train(*learner, toy.data, batches, 1e-2);
  EXPECT_EQ(learner->finite(1), !broken);
  EXPECT_TRUE(learner->finite(0));
  Unhindered progress;
  learner->settle(progress);
  return {bits(learner->solution(0)), bits(learner->solution(2))};
}

TEST(NetworkLearner, NaNStaysInItsTrial) {
  const Toy toy = small_pictures();
  EXPECT_EQ(beside_a_trial(small_cnn(), toy, false), beside_a_trial(small_cnn(), toy, true));
  const Toy faces = Toy::pictures(50, {1, 48, 48});
  EXPECT_EQ(beside_a_trial(face_cnn(), faces, false), beside_a_trial(face_cnn(), faces, true));
}

TEST(NetworkLearner, TheSameRunGivesTheSameBits) {
  const Toy toy = small_pictures();
  const auto run = [&] {
    const auto learner = testing::make(small_cnn(), testing::request_for(toy.data, {4, 6}));
    testing::train(*learner, toy.data, some_batches(), 1e-2);
    Unhindered progress;
    learner->settle(progress);
    return std::pair(bits(learner->solution(1)),
                     bits(testing::predict(*learner, 0, testing::first_rows(50))));
  };
  EXPECT_EQ(run(), run());
}

TEST(NetworkLearner, InitialWeightsBelongToTheTrialOrToAll) {
  const Toy toy = small_pictures();
  LearnerRequest request = testing::request_for(toy.data, {7, 8});
  const auto weights = [&](std::size_t t) { return testing::make(small_cnn(), request)->solution(t); };
  const auto seven = bits(weights(0)), eight = bits(weights(1));
  EXPECT_NE(seven, eight);
  request.trials = {8, 7};
  EXPECT_EQ(bits(weights(0)), eight) << "the trial's number counts, not its place in the pack";
  request.initial = "shared_random";
  EXPECT_EQ(bits(weights(0)), bits(weights(1)));
  EXPECT_NE(bits(weights(0)), eight);
  request.model_name = "another";
  EXPECT_NE(bits(weights(0)), seven);
  request.initial = "zeros";
  EXPECT_THROW(weights(0), InputError);
}

// ---- evaluation
// --------------------------------------------------------------------------------------------------

TEST(NetworkLearner, ASettledPredictionDoesNotDependOnTheOtherRows) {
  const Toy toy = small_pictures();
  const auto learner = testing::make(small_cnn(), testing::request_for(toy.data, {0}));
  EXPECT_TRUE(learner->settles());
  EXPECT_FALSE(learner->batch_dependent());
  Unhindered progress;
  learner->settle(progress);
  const auto together = testing::predict(*learner, 0, testing::first_rows(50));
  for (std::uint32_t row = 0; row < 50; row += 7)
    EXPECT_NEAR(testing::predict(*learner, 0, {row})[0], together[row], 1e-6);
}

TEST(NetworkLearner, AToolkitPredictionDoes) {
  const Toy toy = small_pictures();
  LearnerRequest request = testing::request_for(toy.data, {0});
  request.batchnorm = "toolkit";
  const auto learner = testing::make(small_cnn(), request);
  const auto together = testing::predict(*learner, 0, testing::first_rows(50));
  EXPECT_GT(std::abs(testing::predict(*learner, 0, {0, 1})[0] - together[0]), 1e-3);
}

TEST(NetworkLearner, StatisticsUseTheTrialsCandidateRowsWithRepeats) {
  const Toy toy = small_pictures();
  LearnerRequest request = testing::request_for(toy.data, {0, 0});
  request.candidate_rows = {{1, 2, 2, 2}, {1, 1, 1, 2}};
  const auto learner =
      testing::make({Convolution{.channels = 1, .kernel = 8}, BatchNorm{}, Linear{2}}, request);
  Unhindered progress;
  learner->settle(progress);
  const auto a = learner->solution(0), b = learner->solution(1);
  // One channel, one place: x1 and x2 for the two rows. Means (x1 + 3 x2) / 4 and (3 x1 + x2) / 4, equal
  // variances.
  const double mean_a = a[a.size() - 2], mean_b = b[b.size() - 2];
  const double difference = 2 * (mean_b - mean_a);  // x1 - x2
  EXPECT_NEAR(a.back(), difference * difference * 3 / 16, 1e-6);
  EXPECT_NEAR(b.back(), a.back(), 1e-6);
  EXPECT_GT(std::abs(difference), 1e-3);
}

TEST(NetworkLearner, OneRowOfOnePlaceHasNoVariance) {
  const Toy toy = small_pictures();
  LearnerRequest request = testing::request_for(toy.data, {0});
  request.candidate_rows = {{3}};
  const auto learner =
      testing::make({Convolution{.channels = 2, .kernel = 8}, BatchNorm{}, Linear{2}}, request);
  const std::size_t pass = testing::forward(*learner, {0});
  EXPECT_TRUE(std::isfinite(learner->predictors(pass, 0)[0]));
  testing::backward(*learner, pass, {{1}});
  testing::step(*learner, {});
  EXPECT_TRUE(learner->finite(0));
  Unhindered progress;
  learner->settle(progress);
  EXPECT_EQ(learner->solution(0).back(), 0);
  EXPECT_TRUE(std::isfinite(testing::predict(*learner, 0, {9})[0]));
}

TEST(NetworkLearner, MustBeSettledAfterEveryChange) {
  const Toy toy = small_pictures();
  const auto learner = testing::make(small_cnn(), testing::request_for(toy.data, {0}));
  EXPECT_THROW(testing::predict(*learner, 0, {1}), InternalError);
  Unhindered progress;
  learner->settle(progress);
  EXPECT_NO_THROW(testing::predict(*learner, 0, {1}));
  testing::train(*learner, toy.data, {testing::first_rows(10)}, 1e-2);
  EXPECT_THROW(testing::predict(*learner, 0, {1}), InternalError);
}

class StopAtOnce final : public Progress {
 public:
  Order tick() override { return Order::stop; }
};

TEST(NetworkLearner, SettlingCanBeStopped) {
  const Toy toy = small_pictures();
  const auto learner = testing::make(small_cnn(), testing::request_for(toy.data, {0}));
  StopAtOnce progress;
  EXPECT_THROW(learner->settle(progress), Stopped);
}

TEST(NetworkLearner, SlotsBringParametersBack) {
  const Toy toy = small_pictures();
  const auto learner = testing::make(small_cnn(), testing::request_for(toy.data, {0, 1}));
  const auto start = bits(testing::parameters_of(*learner, 1, small_count));
  learner->save(1, 3);
  testing::train(*learner, toy.data, some_batches(), 1e-2);
  const auto trained = bits(testing::parameters_of(*learner, 1, small_count));
  const auto other = bits(testing::parameters_of(*learner, 0, small_count));
  EXPECT_NE(trained, start);
  learner->save(1, 0);
  learner->load(1, 3);
  EXPECT_EQ(bits(testing::parameters_of(*learner, 1, small_count)), start);
  EXPECT_EQ(bits(testing::parameters_of(*learner, 0, small_count)), other);
  learner->load(1, 0);
  EXPECT_EQ(bits(testing::parameters_of(*learner, 1, small_count)), trained);
}

TEST(NetworkLearner, ASolutionPredictsTheSameInAnotherLearner) {
  const Toy toy = small_pictures();
  const auto learner = testing::make(small_cnn(), testing::request_for(toy.data, {0}));
  testing::train(*learner, toy.data, some_batches(), 1e-2);
  Unhindered progress;
  learner->settle(progress);
  const std::vector<double> solution = learner->solution(0);
  EXPECT_EQ(solution.size(), learner->solution_size());
  EXPECT_EQ(solution.size(), small_count + 8);

  LearnerRequest request = testing::request_for(toy.data, {1});
  request.candidate_rows = {{}};
  const auto other = testing::make(small_cnn(), request);
  other->load_solution(0, solution);
  EXPECT_EQ(bits(testing::predict(*other, 0, testing::first_rows(50))),
            bits(testing::predict(*learner, 0, testing::first_rows(50))));
  EXPECT_EQ(bits(other->solution(0)), bits(solution));
  EXPECT_THROW(other->load_solution(0, std::vector<double>(7)), InputError);
}

TEST(NetworkLearner, APerceptronRegresses) {
  const Toy toy = Toy::table(20, 4);
  const auto learner =
      testing::make(multilayer_perceptron(Regime::regression), testing::request_for(toy.data, {0}));
  EXPECT_FALSE(learner->settles());
  EXPECT_EQ(learner->columns(), 1U);
  const std::size_t pass = testing::forward(*learner, {4, 5});
  const auto out = testing::predict(*learner, 0, {4, 5});
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(learner->predictors(pass, 0)[i], out[i], 1e-6);
}

TEST(NetworkLearner, ThreeOutputsAreThreePredictors) {
  const Toy toy = Toy::table(20, 4);
  const auto learner = testing::make({Linear{3}}, testing::request_for(toy.data, {0, 1}));
  EXPECT_EQ(learner->columns(), 3U);
  const std::size_t pass = testing::forward(*learner, {4, 5});
  EXPECT_EQ(learner->predictors(pass, 1).size(), 6U);
  const auto out = testing::predict(*learner, 1, {4, 5});
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(learner->predictors(pass, 1)[i], out[i], 1e-6);
}

}  // namespace
}  // namespace seldon::engine::network
