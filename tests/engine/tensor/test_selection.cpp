// The loop on the device against the host's, trial by trial: the same model, data, batches and options.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/collective.h"
#include "engine/candidate_selection.h"
#include "engine/tensor/selection.h"
#include "tensor_logistic.h"
#include "tests/engine/numbers.h"
#include "tests/engine/toy.h"

namespace seldon::engine::tensor {
namespace {

using toy::constraint;
using toy::Table;
using Behaviour = TensorLogistic::Behaviour;

/// Cannot record, as a device that refuses.
class Refusing final : public Recorder {
 public:
  std::unique_ptr<Recording> record(const std::function<void()>&) override {
    why_not_ = "this one never does";
    return nullptr;
  }
};

/// A pack of trials on draws with replacement from a table.
struct Pack {
  const Table& table;
  std::vector<Rows> rows;
  std::vector<CandidateData> data;
  LearnerRequest request;

  Pack(const Table& of, std::vector<std::uint32_t> numbers, std::size_t n, const char* initial = "random")
      : table(of) {
    for (const std::uint32_t number : numbers) {
      const Stream draws(Purpose::resample, 4, {number});
      Rows drawn(n);
      for (std::size_t i = 0; i < n; ++i)
        drawn[i] = static_cast<std::uint32_t>(draws.below(i, static_cast<std::uint32_t>(of.data.rows)));
      rows.push_back(std::move(drawn));
    }
    for (std::size_t t = 0; t < numbers.size(); ++t)
      data.push_back({rows[t], 1.5 * static_cast<double>(n), numbers[t]});
    request.data = &of.data;
    request.candidate_rows = rows;
    request.trials = std::move(numbers);
    request.seed = 9;
    request.model_name = "toy";
    request.initial = initial;
  }
  static Pack first(const Table& of, std::size_t trials, std::size_t n, const char* initial = "random") {
    std::vector<std::uint32_t> numbers(trials);
    std::iota(numbers.begin(), numbers.end(), 0U);
    return {of, std::move(numbers), n, initial};
  }
};

struct Outcomes {
  std::vector<Selection> selections;
  std::vector<std::vector<double>> solutions;
  int passes = 0;
};

Outcomes select(const Pack& pack, const Problem& problem, const SelectionOptions& options,
                Behaviour behaviour) {
  TensorLogistic learner(pack.request, std::move(behaviour));
  Unhindered progress;
  Outcomes outcomes{select_candidates(learner, problem, pack.data, options, progress), {}, learner.passes()};
  for (std::size_t t = 0; t < learner.trials(); ++t) outcomes.solutions.push_back(learner.solution(t));
  return outcomes;
}

SelectionOptions options(std::uint64_t iterations, std::size_t constraints,
                         std::optional<std::uint64_t> batch) {
  SelectionOptions o;
  o.multipliers.assign(constraints, 0.5);
  o.iterations = iterations;
  o.batches.size = batch;
  o.batches.seed = 9;
  o.batches.model_name = "toy";
  o.keep_trace = true;
  return o;
}

void expect_same(const Outcomes& got, const Outcomes& wanted, double tolerance = 1e-8) {
  ASSERT_EQ(got.selections.size(), wanted.selections.size());
  for (std::size_t t = 0; t < got.selections.size(); ++t) {
    SCOPED_TRACE("trial " + std::to_string(t));
    const Selection &a = got.selections[t], &b = wanted.selections[t];
    EXPECT_EQ(a.best_iteration, b.best_iteration);
    EXPECT_EQ(a.feasible, b.feasible);
    EXPECT_EQ(a.stop, b.stop);
    EXPECT_EQ(a.small_group, b.small_group);
    expect_close(a.trace, b.trace, tolerance);
    expect_close(got.solutions[t], wanted.solutions[t], tolerance);
  }
}

void expect_same_bits(const Outcomes& got, const Outcomes& wanted, std::size_t trial, std::size_t there) {
  EXPECT_EQ(got.selections[trial].best_iteration, wanted.selections[there].best_iteration);
  EXPECT_EQ(got.selections[trial].feasible, wanted.selections[there].feasible);
  EXPECT_EQ(got.selections[trial].stop, wanted.selections[there].stop);
  EXPECT_TRUE(same_bits(got.selections[trial].trace, wanted.selections[there].trace)) << "trial " << trial;
  EXPECT_TRUE(same_bits(got.solutions[trial], wanted.solutions[there])) << "trial " << trial;
}

Outcomes on_host(const Pack& pack, const Problem& problem, const SelectionOptions& o,
                 Behaviour behaviour = {}) {
  behaviour.on_device = false;
  return select(pack, problem, o, behaviour);
}

Problem gap_and_rate(const Table& table) {
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint(toy::disparate_impact));
  problem.constraints.push_back(constraint("abs((FPR | [M]) - (FPR | [F])) <= 0.25"));
  return problem;
}

// ---- the whole selection
// -----------------------------------------------------------------------------------------

class WholeSelection : public ::testing::TestWithParam<std::size_t> {};

TEST_P(WholeSelection, AllRowsInEachIteration) {
  const Table table(500, 3, 1.0);
  const Problem problem = gap_and_rate(table);
  const Pack pack = Pack::first(table, GetParam(), 400);
  const SelectionOptions o = options(150, 2, std::nullopt);
  const Outcomes host = on_host(pack, problem, o);
  expect_same(select(pack, problem, o, {}), host);
  EXPECT_TRUE(std::ranges::any_of(host.selections, &Selection::feasible)) << "or this test shows little";
}

TEST_P(WholeSelection, BatchesWithAShorterLast) {
  const Table table(500, 3, 1.0);
  Problem problem = gap_and_rate(table);
  problem.l2 = 0.003;
  const Pack pack = Pack::first(table, GetParam(), 400);
  const SelectionOptions o = options(60, 2, 90);  // four of 90 and the last of 40 joined: 130; see below
  expect_same(select(pack, problem, o, {}), on_host(pack, problem, o));
  const SelectionOptions shorter = options(60, 2, 110);  // three of 110, the last of 70
  expect_same(select(pack, problem, shorter, {}), on_host(pack, problem, shorter));
}

TEST_P(WholeSelection, ReplaysAndRunsGiveTheSameBits) {
  const Table table(300, 2, 1.0);
  const Problem problem = gap_and_rate(table);
  const Pack pack = Pack::first(table, GetParam(), 200);
  const SelectionOptions o = options(40, 2, 60);
  const Outcomes replayed = select(pack, problem, o, {});
  Behaviour as_is, refusing;
  as_is.execution.graph = false;
  refusing.recorder = [] { return std::make_unique<Refusing>(); };
  for (const Behaviour& behaviour : {Behaviour{}, as_is, refusing}) {
    const Outcomes again = select(pack, problem, o, behaviour);
    for (std::size_t t = 0; t < GetParam(); ++t) expect_same_bits(again, replayed, t, t);
  }
}

INSTANTIATE_TEST_SUITE_P(Trials, WholeSelection, ::testing::Values(1, 3, 16));

TEST(DeviceLoop, ATrialDoesNotDependOnWhoRunsBesideIt) {
  const Table table(500, 3, 1.0);
  const Problem problem = gap_and_rate(table);
  const SelectionOptions o = options(80, 2, 64);
  const Outcomes all = select(Pack::first(table, 16, 300), problem, o, {});
  const Outcomes three = select(Pack(table, {7, 2, 15}, 300), problem, o, {});
  const std::vector<std::size_t> numbers = {7, 2, 15};
  for (std::size_t k = 0; k < 3; ++k) {
    const Outcomes alone = select(Pack(table, {static_cast<std::uint32_t>(numbers[k])}, 300), problem, o, {});
    const Outcomes of_all{{all.selections[numbers[k]]}, {all.solutions[numbers[k]]}};
    expect_same(of_all, alone, 1e-10);
    expect_same({{three.selections[k]}, {three.solutions[k]}}, alone, 1e-10);
  }
}

// ---- rules of the look
// -------------------------------------------------------------------------------------------

TEST(DeviceLoop, ATrialThatTurnsToNanStopsAndLeavesTheOthersAlone) {
  const Table table(400, 2, 0.5);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.9"));  // feasible from the start
  const Pack pack = Pack::first(table, 4, 200, "zeros");
  for (const std::optional<std::uint64_t> batch : {std::optional<std::uint64_t>(), {64}}) {
    const SelectionOptions o = options(30, 1, batch);
    const Outcomes sound = select(pack, problem, o, {});
    Behaviour breaking;
    breaking.broken_trial = 2;
    breaking.sound_iterations = 11;
    const Outcomes broken = select(pack, problem, o, breaking);
    for (std::size_t t : {0U, 1U, 3U}) expect_same_bits(broken, sound, t, t);
    EXPECT_EQ(broken.selections[2].stop, Selection::Stop::not_finite);
    EXPECT_TRUE(broken.selections[2].feasible);
    EXPECT_TRUE(std::isfinite(broken.selections[2].trace[10 * 3]));
    EXPECT_TRUE(std::isnan(broken.selections[2].trace[11 * 3]));
    EXPECT_FALSE(std::isnan(broken.selections[2].trace[11 * 3 + 1]))
        << "the multiplier with which it stopped";
    EXPECT_TRUE(std::isnan(broken.selections[2].trace[12 * 3 + 1]));
    expect_same(broken, on_host(pack, problem, o, breaking));
  }
}

TEST(DeviceLoop, NanFromTheStartLeavesNothing) {
  const Table table(200, 2, 0.5);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.9"));
  const Pack pack = Pack::first(table, 2, 100);
  Behaviour breaking;
  breaking.broken_trial = 0;
  const SelectionOptions o = options(10, 1, std::nullopt);
  const Outcomes got = select(pack, problem, o, breaking);
  EXPECT_EQ(got.selections[0].best_iteration, -1);
  expect_same(got, on_host(pack, problem, o, breaking));
}

TEST(DeviceLoop, EndsEarlyWhenEveryTrialHasStopped) {
  const Table table(200, 2, 0.5);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.9"));
  Behaviour breaking;
  breaking.broken_trial = 0;
  breaking.sound_iterations = 5;
  const Pack pack = Pack::first(table, 1, 100);
  const Outcomes got = select(pack, problem, options(1000, 1, std::nullopt), breaking);
  EXPECT_LT(got.passes, 50);
  expect_same(got, on_host(pack, problem, options(1000, 1, std::nullopt), breaking));
}

TEST(DeviceLoop, NeverFeasibleReturnsTheLeastViolation) {
  const Table table(300, 2, 0.5);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("ACC >= 0.999"));
  const Pack pack = Pack::first(table, 3, 150);
  for (const std::optional<std::uint64_t> batch : {std::optional<std::uint64_t>(), {40}}) {
    const SelectionOptions o = options(50, 1, batch);
    const Outcomes got = select(pack, problem, o, {});
    for (const Selection& selection : got.selections) EXPECT_FALSE(selection.feasible);
    expect_same(got, on_host(pack, problem, o));
  }
}

TEST(DeviceLoop, BatchesThatLackAGroupSitOut) {
  Table table(600, 2, 0.0);
  for (std::size_t i = 0; i < 600; ++i) {  // one woman in ten: batches of four hold hardly ever two
    table.women[i] = i % 10 == 0;
    table.men[i] = !table.women[i];
  }
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("abs((PR | [M]) - (PR | [F])) <= 0.9"));
  const Pack pack = Pack::first(table, 3, 300, "zeros");
  const SelectionOptions o = options(200, 1, 4);
  expect_same(select(pack, problem, o, {}), on_host(pack, problem, o));
}

TEST(DeviceLoop, AnInfiniteBoundRaisesTheMultiplierByItsStep) {
  const Table table(300, 2, 0.5);
  Problem problem = toy::problem(table);
  // Of a constant nothing is certified in the first iteration: the denominator may be zero.
  problem.constraints.push_back(constraint("(PR | [M]) / (PR | [F]) <= 2"));
  const Pack pack = Pack::first(table, 2, 60, "zeros");
  const SelectionOptions o = options(12, 1, std::nullopt);
  const Outcomes host = on_host(pack, problem, o);
  ASSERT_TRUE(std::isinf(host.selections[0].trace[2])) << "or this test shows nothing";
  expect_same(select(pack, problem, o, {}), host);
}

/// The loop itself, with what it kept.
std::vector<IterationResult> results_of(const Pack& pack, const Problem& problem, const SelectionOptions& o,
                                        std::size_t keep) {
  TensorLogistic learner(pack.request, {});
  std::vector<IterationResult> results;
  Unhindered progress;
  EXPECT_TRUE(learner.iterate({&problem, pack.data, &o, keep}, results, progress));
  return results;
}

TEST(DeviceLoop, KeepsTheBestFeasibleIteratesOfItsTraceOfEqualsTheEarlier) {
  const Table table(300, 2, 0.5);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.62"));
  const Pack pack = Pack::first(table, 3, 200);
  std::size_t full = 0, iterates = 0;
  // Step 0: the iterate never moves, so that each epoch's losses come again.
  for (const double step : {0.0, 0.05}) {
    SelectionOptions o = options(64, 1, 40);
    o.adam.step = step;
    o.batches.toolkit = true;  // the same batches in every epoch
    const auto results = results_of(pack, problem, o, 5);
    for (const IterationResult& result : results) {
      const std::vector<double>& trace = result.selection.trace;
      std::vector<std::int64_t> feasible;
      for (std::int64_t i = 0; i < 64; ++i)
        if (trace[static_cast<std::size_t>(3 * i + 2)] <= 0) feasible.push_back(i);
      iterates += feasible.size();
      full += feasible.size() > 5;
      const auto loss = [&](std::int64_t i) { return trace[static_cast<std::size_t>(3 * i)]; };
      std::ranges::stable_sort(feasible, {}, loss);
      ASSERT_EQ(result.kept.size(), std::min<std::size_t>(feasible.size(), 5));
      std::set<std::size_t> slots;
      for (std::size_t k = 0; k < result.kept.size(); ++k) {
        EXPECT_EQ(result.kept[k].iteration, feasible[k]) << "step " << step << ", place " << k;
        EXPECT_EQ(result.kept[k].loss, loss(feasible[k]));
        EXPECT_LT(result.kept[k].slot, 5U);
        slots.insert(result.kept[k].slot);
      }
      EXPECT_EQ(slots.size(), result.kept.size());
      if (step == 0 && feasible.size() > 13) {
        EXPECT_EQ(result.kept[0].loss, result.kept[1].loss) << "or there were no ties";
      }
    }
  }
  EXPECT_GT(full, 2U) << "few trials had more than they could keep";
  EXPECT_LT(iterates, 6 * 64U) << "every iterate was feasible";
}

TEST(DeviceLoop, TiesOfAllIteratesGoTheSameWayAsOnTheHost) {
  const Table table(200, 2, 0.5);
  const Pack pack = Pack::first(table, 2, 100);
  for (const char* expression : {"PR <= 0.95", "PR <= 0.01"}) {  // always feasible, never
    Problem problem = toy::problem(table);
    problem.constraints.push_back(constraint(expression));
    for (const bool toolkit : {false, true}) {
      SelectionOptions o = options(20, 1, std::nullopt);
      o.adam.step = 0;
      o.adam.toolkit = toolkit;
      const Outcomes got = select(pack, problem, o, {});
      EXPECT_EQ(got.selections[0].feasible, std::string(expression) == "PR <= 0.95");
      EXPECT_EQ(got.selections[0].best_iteration, got.selections[0].feasible || toolkit ? 0 : 19);
      expect_same(got, on_host(pack, problem, o));
    }
  }
}

TEST(DeviceLoop, TheToolkitsAdamAndItsChoiceOfTheIterate) {
  const Table table(300, 3, 1.0);
  const Problem problem = gap_and_rate(table);
  const Pack pack = Pack::first(table, 3, 230);
  SelectionOptions o = options(60, 2, 50);  // toolkit batches: four of 50, the last of 30 counts for nothing
  o.adam.toolkit = true;
  o.adam.epsilon = 1e-6;
  o.batches.toolkit = true;
  const Outcomes host = on_host(pack, problem, o);
  expect_same(select(pack, problem, o, {}), host);
  SelectionOptions whole = options(60, 2, std::nullopt);
  whole.adam = o.adam;
  expect_same(select(pack, problem, whole, {}), on_host(pack, problem, whole));
}

TEST(DeviceLoop, TheToolkitEndsATrialAtAnInfiniteBoundWithoutASolution) {
  const Table table(300, 2, 0.5);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("(PR | [M]) / (PR | [F]) <= 4"));
  const Pack pack = Pack::first(table, 4, 120);
  SelectionOptions o = options(40, 1, 12);  // in some batch there is hardly a woman
  o.adam.toolkit = true;
  o.batches.toolkit = true;
  const Outcomes host = on_host(pack, problem, o);
  const auto stopped = [](const Selection& s) { return s.stop == Selection::Stop::infinite_bound; };
  ASSERT_TRUE(std::ranges::any_of(host.selections, stopped)) << "or this test shows nothing";
  expect_same(select(pack, problem, o, {}), host);
}

TEST(DeviceLoop, TrainingWithoutConstraintsKeepsTheLastIterate) {
  const Table table(300, 2, 0.5);
  Problem problem = toy::problem(table);
  problem.l2 = 0.01;
  const Pack pack = Pack::first(table, 3, 200);
  const SelectionOptions o = options(70, 0, 64);
  Unhindered progress;
  TensorLogistic there(pack.request, {}), here(pack.request, {.on_device = false});
  const auto got = train_unconstrained(there, problem, pack.data, o, progress);
  const auto wanted = train_unconstrained(here, problem, pack.data, o, progress);
  for (std::size_t t = 0; t < 3; ++t) {
    expect_close(there.solution(t), here.solution(t), 1e-9);
    expect_close(got[t].trace, wanted[t].trace, 1e-9);
    EXPECT_EQ(got[t].best_iteration, -1);
  }
}

// ---- orders and refusals
// -----------------------------------------------------------------------------------------

TEST(DeviceLoop, StopsWhenToldTo) {
  class After final : public Progress {
   public:
    explicit After(int ticks) : left_(ticks) {}
    Order tick() override { return left_-- > 0 ? Order::go : Order::stop; }

   private:
    int left_;
  };
  const Table table(100, 2, 0.0);
  const Problem problem = gap_and_rate(table);
  const Pack pack = Pack::first(table, 2, 60);
  for (const int ticks : {0, 1, 7}) {
    TensorLogistic learner(pack.request, {});
    After progress(ticks);
    EXPECT_THROW(select_candidates(learner, problem, pack.data, options(50, 2, 20), progress), Stopped);
    EXPECT_EQ(learner.passes(), ticks);
  }
}

/// The group of a rank that computes alone: it is asked `allowed` times, then it says stop.
class Asked final : public Collective {
 public:
  explicit Asked(int allowed) : allowed_(allowed) {}
  int rank() const override { return 0; }
  int size() const override { return 2; }
  bool on_device() const override { return false; }
  void all_reduce(void*, std::size_t, Element) override {}
  void all_gather(const void*, void*, std::size_t, Element) override {}
  void broadcast(void*, std::size_t, Element, int) override {}
  void check() override {
    if (++times_ > allowed_) throw Stopped{};
  }

 private:
  int allowed_, times_ = 0;
};

TEST(DeviceLoop, ACollectiveIsAskedInEachIterationAndStopsTheLoop) {
  const Table table(100, 2, 0.0);
  const Problem problem = gap_and_rate(table);
  const Pack pack = Pack::first(table, 2, 60);
  Asked collective(9);
  Behaviour behaviour;
  behaviour.execution.collective = &collective;
  TensorLogistic learner(pack.request, behaviour);
  Unhindered progress;
  EXPECT_THROW(select_candidates(learner, problem, pack.data, options(50, 2, 20), progress), Stopped);
  EXPECT_EQ(learner.passes(), 9);
}

// The ranks of a group hear at different times that all trials have stopped; who left then would leave the
// others waiting in their next sum.
TEST(DeviceLoop, RanksThatShareATrialGoOnToTheLastIteration) {
  const Table table(200, 2, 0.5);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.9"));
  const Pack pack = Pack::first(table, 1, 100);
  Asked collective(1000);
  Behaviour breaking;
  breaking.broken_trial = 0;
  breaking.sound_iterations = 5;
  breaking.execution.collective = &collective;
  TensorLogistic learner(pack.request, breaking);
  Unhindered progress;
  select_candidates(learner, problem, pack.data, options(100, 1, std::nullopt), progress);
  EXPECT_EQ(learner.passes(), 100);
}

TEST(DeviceLoop, WhatItCannotDoIsDoneOnTheHost) {
  const Table table(100, 2, 0.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.9"));
  const SelectionOptions o = options(10, 1, std::nullopt);
  std::vector<IterationResult> results;
  Unhindered progress;

  const Pack pack = Pack::first(table, 2, 60);
  TensorLogistic dependent(pack.request, {.dependent = true});
  EXPECT_FALSE(dependent.iterate({&problem, pack.data, &o, 1}, results, progress));

  Pack unequal = Pack::first(table, 2, 60);
  unequal.data[1].safety_rows += 1;
  TensorLogistic learner(unequal.request, {});
  EXPECT_FALSE(learner.iterate({&problem, unequal.data, &o, 1}, results, progress));
  EXPECT_EQ(learner.passes(), 0);
  expect_same(select(unequal, problem, o, {}), on_host(unequal, problem, o), 0);
  EXPECT_TRUE(results.empty());
}

}  // namespace
}  // namespace seldon::engine::tensor
