// The Lagrangian of all trials as tensors, against the host's of each trial.

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <ATen/ops/from_blob.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include "core/random.h"
#include "engine/lagrangian.h"
#include "engine/tensor/lagrangian.h"

namespace seldon::engine::tensor {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::int64_t size(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

/// A constraint by its text and how it is bounded.
struct Wish {
  const char* expression;
  BoundKind bound = BoundKind::student_t;
  bool hard = false;
  Variant variant = Variant::default_;
  double delta = 0.05;
};

/// A table with groups of 0, 1, 2, 4 and 5 rows in each batch; batches and predictors of some trials.
class World {
 public:
  static constexpr std::size_t rows = 300, classes = 4;

  World(Regime regime, std::size_t trials, std::size_t batch = 120, std::uint64_t seed = 1)
      : trials_(trials),
        batch_(batch),
        columns_(regime == Regime::multiclass_classification ? classes : 1),
        members_(8, std::vector<std::uint8_t>(rows, 0)) {
    const Stream draws(Purpose::synthetic_data, seed);
    for (std::size_t i = 0; i < rows; ++i) {
      const double u = draws.uniform(2 * i);
      labels_.push_back(regime == Regime::regression       ? draws.normal(i)
                        : regime == Regime::classification ? std::floor(2 * u)
                                                           : std::floor(double(classes) * u));
      members_[0][i] = draws.uniform(2 * i + 1) < 0.6;
      members_[1][i] = !members_[0][i];
      const std::size_t small = i == 0 ? 2 : i < 3 ? 3 : i < 7 ? 4 : i < 12 ? 5 : i == rows - 1 ? 6 : 7;
      members_[small][i] = 1;
    }
    const char* names[] = {"M", "F", "one", "two", "four", "five", "none", "many"};
    data_.regime = regime;
    data_.rows = rows;
    data_.width = 1;
    features_.assign(rows, 0.0);
    data_.features = features_;
    data_.labels = labels_;
    for (std::size_t g = 0; g < members_.size(); ++g) data_.groups.push_back({names[g], members_[g]});
    problem_.data = &data_;
    problem_.objective =
        ObjectiveRegistry::instance().find(regime == Regime::regression ? "mean_squared_error" : "log_loss");
    draw_batches(seed);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Problem& problem() { return problem_; }
  Dataset& data() { return data_; }
  std::vector<double>& labels() { return labels_; }
  std::vector<std::vector<std::uint32_t>>& batches() { return batches_; }
  std::size_t batch() const { return batch_; }
  std::size_t columns() const { return columns_; }
  std::vector<double>& predictors(std::size_t trial) { return predictors_[trial]; }
  std::vector<double>& multipliers(std::size_t trial) { return multipliers_[trial]; }
  const std::vector<double>& host_upper(std::size_t trial) const { return host_upper_[trial]; }

  void wish(const Wish& wish) {
    ConstraintOptions options;
    options.regime = data_.regime;
    for (const Group& group : data_.groups) options.groups.push_back(group.name);
    options.delta = wish.delta;
    options.variant = wish.variant;
    ConstraintSpec spec{wish.expression, Constraint::parse(wish.expression, options)};
    spec.hard = wish.hard;
    spec.bound = wish.bound;
    spec.range = {-4, 30};
    problem_.constraints.push_back(std::move(spec));
    for (std::size_t t = 0; t < trials_; ++t)
      multipliers_[t].push_back(t % 3 == 2 ? 0.0 : 0.3 + 0.1 * double(problem_.constraints.size()));
  }

  at::Tensor row_tensor() const {
    std::vector<std::int64_t> values;
    for (const auto& batch : batches_) values.insert(values.end(), batch.begin(), batch.end());
    return at::from_blob(values.data(), {size(trials_), size(batch_)}, at::kLong).clone();
  }
  at::Tensor predictor_tensor() const {
    std::vector<double> values;
    for (const auto& one : predictors_) values.insert(values.end(), one.begin(), one.end());
    return at::from_blob(values.data(), {size(trials_), size(batch_), size(columns_)}, at::kDouble).clone();
  }
  at::Tensor multiplier_tensor() const {
    std::vector<double> values;
    for (const auto& one : multipliers_) values.insert(values.end(), one.begin(), one.end());
    return at::from_blob(values.data(), {size(trials_), size(problem_.constraints.size())}, at::kDouble)
        .clone();
  }

  /// Compares everything that candidate selection takes from a Lagrangian.
  void compare(double safety_rows = 333) {
    ASSERT_EQ(TensorLagrangian::unsupported(problem_), std::nullopt);
    const auto table = table_on(data_, at::Device(at::kCPU));
    TensorLagrangian ours(problem_, *table, safety_rows);
    const TensorLagrangian::Value value = ours.evaluate(row_tensor(), predictor_tensor());
    const at::Tensor gradient = ours.gradient(multiplier_tensor()).contiguous();
    ASSERT_EQ(gradient.sizes(), predictor_tensor().sizes());
    host_upper_.clear();
    for (std::size_t t = 0; t < trials_; ++t) {
      SCOPED_TRACE("trial " + std::to_string(t) + " of " + std::to_string(trials_));
      compare_trial(t, safety_rows, value, gradient.data_ptr<double>() + t * batch_ * columns_);
    }
  }

 private:
  void draw_batches(std::uint64_t seed) {
    batches_.resize(trials_);
    predictors_.resize(trials_);
    multipliers_.resize(trials_);
    for (std::size_t t = 0; t < trials_; ++t) {
      const Stream draws(Purpose::batch_order, seed, {t});
      auto& batch = batches_[t];
      for (std::size_t i = 0; i < batch_; ++i)
        batch.push_back(static_cast<std::uint32_t>(
            i < 12 ? i : 12 + std::size_t(draws.uniform(i) * double(rows - 13))));  // never the last row
      for (std::size_t i = batch_; i-- > 1;)
        std::swap(batch[i], batch[std::size_t(draws.uniform(1000 + i) * double(i + 1))]);
      for (std::size_t i = 0; i < batch_ * columns_; ++i) predictors_[t].push_back(1.5 * draws.normal(i));
    }
  }

  static ::testing::AssertionResult close(double ours, double host, double scale = 1.0) {
    if (std::isnan(ours) && std::isnan(host)) return ::testing::AssertionSuccess();
    if (ours == host || std::fabs(ours - host) <= 1e-12 * std::max(scale, std::fabs(host)))
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << ours << " instead of " << host;
  }
  static double number(const at::Tensor& x, std::size_t t) { return x.select(0, size(t)).item<double>(); }
  static bool flag(const at::Tensor& x, std::size_t t) { return x.select(0, size(t)).item<bool>(); }

  void compare_trial(std::size_t t, double safety_rows, const TensorLagrangian::Value& ours,
                     const double* gradient) {
    Lagrangian lagrangian(problem_, batches_[t], safety_rows);
    std::vector<std::uint32_t> every(batch_);
    std::iota(every.begin(), every.end(), 0U);
    lagrangian.choose(every);
    const std::span<const double> view = predictors_[t];
    const Lagrangian::Value host = lagrangian.evaluate({&view, 1}, columns_);
    host_upper_.push_back(host.upper);
    EXPECT_TRUE(close(number(ours.loss, t), host.loss)) << "loss";
    EXPECT_EQ(flag(ours.small_group, t), host.small_group);
    bool stopped = !std::isfinite(host.loss);
    for (std::size_t c = 0; c < host.upper.size(); ++c) {
      SCOPED_TRACE(problem_.constraints[c].name);
      EXPECT_EQ(flag(ours.usable.select(1, size(c)), t), host.usable[c] != 0);
      EXPECT_TRUE(close(number(ours.upper.select(1, size(c)), t), host.upper[c])) << "upper";
    }
    EXPECT_EQ(flag(ours.feasible(), t), host.feasible());
    EXPECT_EQ(flag(ours.not_a_number(), t), host.not_a_number());
    EXPECT_EQ(flag(ours.infinite(), t), host.infinite());
    for (const bool toolkit : {false, true})
      EXPECT_TRUE(close(number(ours.violation(toolkit), t), host.violation(toolkit)));
    stopped |= host.not_a_number();
    if (stopped) return;  // it takes no further step
    const std::vector<double> d = lagrangian.gradient(multipliers_[t])[0];
    for (std::size_t i = 0; i < d.size(); ++i)
      ASSERT_TRUE(close(gradient[i], d[i], 1.0 / double(batch_))) << "gradient " << i;
  }

  std::size_t trials_, batch_, columns_;
  std::vector<std::vector<std::uint8_t>> members_;
  std::vector<double> labels_, features_;
  Dataset data_;
  Problem problem_;
  std::vector<std::vector<std::uint32_t>> batches_;
  std::vector<std::vector<double>> predictors_, multipliers_, host_upper_;
};

const char* const binary_expressions[] = {
    "min((ACC | [M])/(ACC | [F]),(ACC | [F])/(ACC | [M])) >= 0.8",
    "min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.8",
    "abs((FNR | [M]) - (FNR | [F])) + abs((FPR | [M]) - (FPR | [F])) <= 0.35",
    "(TPR | [M]) * exp(FPR) - 1",
    "log(TNR) + 2 * NR <= 0.3",
    "(PR | [M]) ** 2 - 0.5",
    "max(ACC, (NR | [M,many])) - (FPR | [F]) / (TNR | [M])",
    "PR <= 0.9",
};
const char* const class_expressions[] = {
    "ACC >= 0.1",
    "(PR_[1] | [M]) - (PR_[1] | [F]) <= 0.1",
    "(NR_[0]) * (TPR_[2] | [M]) <= 0.5",
    "abs(FPR_[1] - FNR_[3]) - (TNR_[2] | [F]) <= 0",
    "CM_[0,1] + (CM_[2,2] | [M]) + CM_[3,0] <= 0.9",
    "min((ACC | [M])/(ACC | [F]),(ACC | [F])/(ACC | [M])) >= 0.8",
};
const char* const error_expressions[] = {
    "Mean_Squared_Error <= 2.0",
    "abs((Mean_Error | [M]) - (Mean_Error | [F])) <= 0.1",
    "(Mean_Squared_Error | [M]) / (Mean_Squared_Error | [F]) - 1.2",
    "Mean_Error ** 2 + exp(Mean_Error) - 1",
};

std::vector<const char*> expressions_of(Regime regime) {
  if (regime == Regime::classification) return {std::begin(binary_expressions), std::end(binary_expressions)};
  if (regime == Regime::regression) return {std::begin(error_expressions), std::end(error_expressions)};
  return {std::begin(class_expressions), std::end(class_expressions)};
}

constexpr Regime regimes[] = {Regime::classification, Regime::multiclass_classification, Regime::regression};

TEST(TensorLagrangian, EachConstraintUnderEachBound) {
  for (const Regime regime : regimes)
    for (const char* expression : expressions_of(regime))
      for (const BoundKind bound : {BoundKind::student_t, BoundKind::hoeffding})
        for (const Variant variant : {Variant::default_, Variant::toolkit})
          for (const bool hard : {false, true}) {
            if (hard && regime == Regime::regression) continue;
            SCOPED_TRACE(std::string(expression) + " " + std::string(name_of(bound)) + (hard ? " hard" : ""));
            World world(regime, 3);
            world.wish({expression, bound, hard, variant});
            world.compare();
          }
}

TEST(TensorLagrangian, ManyConstraintsOfAllKinds) {
  for (const Regime regime : regimes)
    for (const std::size_t trials : {std::size_t{1}, std::size_t{3}, std::size_t{16}}) {
      World world(regime, trials, 150, trials);
      std::size_t i = 0;
      for (const char* expression : expressions_of(regime))
        for (const double delta : {0.05, 0.3}) {
          const bool hard = regime != Regime::regression && i % 3 == 1;
          world.wish({expression, i % 2 ? BoundKind::hoeffding : BoundKind::student_t, hard,
                      i % 5 == 4 ? Variant::toolkit : Variant::default_, delta});
          ++i;
        }
      world.compare();
    }
}

TEST(TensorLagrangian, SmallGroups) {
  const std::string groups[] = {"none", "one", "two", "four", "five"};
  for (const Regime regime : regimes)
    for (const BoundKind bound : {BoundKind::student_t, BoundKind::hoeffding})
      for (const bool hard : {false, true}) {
        if (hard && regime == Regime::regression) continue;
        const std::string measure = regime == Regime::classification ? "PR"
                                    : regime == Regime::regression   ? "Mean_Error"
                                                                     : "PR_[1]";
        World all(regime, 3);
        for (const std::string& group : groups) {
          std::string expression = "(" + measure;
          expression += " | [" + group + "]) - (" + measure + " | [M]) <= 0.1";
          SCOPED_TRACE(expression);
          World world(regime, 3);
          world.wish({expression.c_str(), bound, hard});
          world.compare();
          world.compare(/*safety_rows=*/24);  // few predicted rows: one or none for the smallest groups
          all.wish({expression.c_str(), bound, hard});
        }
        all.compare();
      }
}

// The corrected safety test certifies nothing of equal values, the toolkit's does; zeros and ones at the
// ends.
TEST(TensorLagrangian, ConstantValues) {
  for (const double eta : {0.0, 800.0, -800.0})
    for (const Variant variant : {Variant::default_, Variant::toolkit})
      for (const bool hard : {false, true})
        for (const char* expression : binary_expressions) {
          SCOPED_TRACE(std::string(expression) + " at " + std::to_string(eta));
          World world(Regime::classification, 3);
          world.wish({expression, BoundKind::student_t, hard, variant});
          std::fill(world.predictors(0).begin(), world.predictors(0).end(), eta);
          for (std::size_t i = 0; i < world.batch(); ++i)  // of one group only
            if (world.data().groups[0].member[world.batches()[1][i]]) world.predictors(1)[i] = eta;
          world.compare();
        }
  World world(Regime::regression, 2);
  for (std::size_t row = 7; row < 12; ++row) world.labels()[row] = 1.0;
  world.wish({"(Mean_Error | [five]) <= 3"});
  world.wish({"(Mean_Error | [five]) <= 3", BoundKind::student_t, false, Variant::toolkit});
  for (std::size_t i = 0; i < world.batch(); ++i)
    if (world.data().groups[5].member[world.batches()[0][i]]) world.predictors(0)[i] = 3.0;
  world.compare();
  EXPECT_EQ(world.host_upper(0)[0], infinity);
  EXPECT_EQ(world.host_upper(0)[1], -1.0);
}

TEST(TensorLagrangian, InfiniteAndNanPredictors) {
  for (const Regime regime : regimes)
    for (const double value : {infinity, -infinity, nan})
      for (const bool hard : {false, true}) {
        if (hard && regime == Regime::regression) continue;
        World world(regime, 4);
        for (const char* expression : expressions_of(regime))
          world.wish({expression, hard ? BoundKind::hoeffding : BoundKind::student_t, hard});
        world.predictors(1)[5 * world.columns()] = value;
        for (double& eta : world.predictors(2)) eta = value;
        world.compare();
      }
}

// The other group's bounds stand, whatever is in rows that do not belong to it.
TEST(TensorLagrangian, NanStaysOutOfOtherGroups) {
  World world(Regime::classification, 2);
  world.wish({"(PR | [M]) <= 0.9"});
  world.wish({"(PR | [F]) <= 0.9"});
  for (std::size_t i = 0; i < world.batch(); ++i)
    if (world.data().groups[1].member[world.batches()[0][i]]) world.predictors(0)[i] = nan;
  world.compare();
  EXPECT_TRUE(std::isfinite(world.host_upper(0)[0]));
  EXPECT_TRUE(std::isnan(world.host_upper(0)[1]));
}

TEST(TensorLagrangian, NoConstraintAndEveryObjective) {
  for (const Regime regime : regimes) {
    World world(regime, 3);
    world.compare();
  }
  World world(Regime::regression, 3);
  world.problem().objective = ObjectiveRegistry::instance().find("mean_error");
  world.compare();
  world.wish({"Mean_Squared_Error <= 2.0"});
  world.compare();
}

// Where a half decides the predicted safety rows: n / B * rows of 2.5, 4.5 and so on, to even.
TEST(TensorLagrangian, PredictedRowsAreRoundedAsOnTheHost) {
  for (const double safety_rows : {30.0, 50.0, 57.0, 61.0, 123.0}) {
    World world(Regime::classification, 3, 100);
    world.wish({"(PR | [five]) <= 0.9"});
    world.wish({"(PR | [M]) - (TPR | [F]) <= 0.9"});
    world.compare(safety_rows);
  }
}

// Scores, masks and sums of a trial come from its own rows alone.
TEST(TensorLagrangian, TrialsDoNotTouchEachOther) {
  for (const Regime regime : regimes) {
    World calm(regime, 3, 120, 9), wild(regime, 3, 120, 9);
    for (World* world : {&calm, &wild})
      for (const char* expression : expressions_of(regime)) {
        world->wish({expression});
        if (regime != Regime::regression) world->wish({expression, BoundKind::student_t, true});
      }
    for (double& eta : wild.predictors(1)) eta = nan;
    for (double& eta : wild.predictors(2)) eta *= 1e5;
    const auto bits = [](World& world) {
      const auto table = table_on(world.data(), at::Device(at::kCPU));
      TensorLagrangian lagrangian(world.problem(), *table, 333);
      const auto value = lagrangian.evaluate(world.row_tensor(), world.predictor_tensor());
      const at::Tensor gradient = lagrangian.gradient(world.multiplier_tensor());
      std::vector<double> all;
      for (const at::Tensor& x : {value.loss, value.upper, gradient}) {
        const at::Tensor first = x.select(0, 0).contiguous();
        all.insert(all.end(), first.data_ptr<double>(), first.data_ptr<double>() + first.numel());
      }
      return all;
    };
    const std::vector<double> a = bits(calm), b = bits(wild);
    ASSERT_EQ(a.size(), b.size());
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(double)), 0);
  }
}

std::set<std::string>& seen_operators() {
  static std::set<std::string> names;
  return names;
}

// Nothing waits for the device: no operator that asks for a value, or whose result's shape depends on values.
TEST(TensorLagrangian, AsksTheDeviceForNothing) {
  for (const Regime regime : regimes) {
    World world(regime, 3);
    for (const char* expression : expressions_of(regime)) {
      world.wish({expression, BoundKind::hoeffding});
      if (regime != Regime::regression) world.wish({expression, BoundKind::student_t, true});
    }
    const auto table = table_on(world.data(), at::Device(at::kCPU));
    TensorLagrangian lagrangian(world.problem(), *table, 333);
    const at::Tensor rows = world.row_tensor(), predictors = world.predictor_tensor(),
                     multipliers = world.multiplier_tensor();
    seen_operators().clear();
    const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback(
        [](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
          seen_operators().insert(function.name());
          return nullptr;
        }));
    const auto value = lagrangian.evaluate(rows, predictors);
    lagrangian.gradient(multipliers);
    value.feasible();
    value.not_a_number();
    value.infinite();
    value.violation(false);
    at::removeCallback(handle);
    EXPECT_TRUE(seen_operators().contains("aten::index_select"));
    for (const char* name :
         {"aten::item", "aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero",
          "aten::masked_select", "aten::index", "aten::equal", "aten::unique", "aten::lift_fresh",
          "aten::scalar_tensor", "aten::index_add_", "aten::scatter_add_", "aten::index_put_"})
      EXPECT_FALSE(seen_operators().contains(name)) << name;
  }
}

TEST(TensorLagrangian, SaysWhatItCannotDo) {
  const auto reason = [](Regime regime, const Wish& wish) {
    World world(regime, 1);
    world.wish(wish);
    return TensorLagrangian::unsupported(world.problem()).value_or("");
  };
  EXPECT_NE(
      reason(Regime::classification, {"PR <= 0.9", BoundKind::clopper_pearson, true}).find("clopper_pearson"),
      std::string::npos);
  EXPECT_NE(reason(Regime::classification, {"PR <= 0.9", BoundKind::student_t, false, Variant::default_, 0.7})
                .find("delta over a half"),
            std::string::npos);
  EXPECT_NE(reason(Regime::regression, {"Mean_Error <= 1", BoundKind::student_t, true}).find("decisions"),
            std::string::npos);
  EXPECT_EQ(reason(Regime::classification, {"PR <= 0.9"}), "");

  Objective own{"own_loss", {Regime::classification}, nullptr};
  World world(Regime::classification, 1);
  world.problem().objective = &own;
  EXPECT_NE(TensorLagrangian::unsupported(world.problem()).value_or("").find("own_loss"), std::string::npos);
  world.problem().objective = ObjectiveRegistry::instance().find("log_loss");
  world.labels()[3] = 2;
  EXPECT_NE(TensorLagrangian::unsupported(world.problem()).value_or("").find("labels"), std::string::npos);

  MeasureRegistry::instance().add(
      {"test_share", Regime::classification, IndexKind::none, true, nullptr,
       [](auto scores, auto, auto, auto, auto z, auto) { std::ranges::copy(scores, z.begin()); }});
  EXPECT_NE(reason(Regime::classification, {"test_share <= 0.9"}).find("test_share"), std::string::npos);
}

TEST(TensorLagrangian, AClassThatDoesNotExistIsNamed) {
  World world(Regime::multiclass_classification, 1);
  world.wish({"PR_[4] <= 0.9"});
  const auto table = table_on(world.data(), at::Device(at::kCPU));
  TensorLagrangian lagrangian(world.problem(), *table, 333);
  EXPECT_THROW(lagrangian.evaluate(world.row_tensor(), world.predictor_tensor()), InputError);
}

}  // namespace
}  // namespace seldon::engine::tensor
