// Packs of networks on several ranks, which here are threads of one process.

#include <algorithm>
#include <cmath>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network_experiment.h"
#include "tests/engine/network/thread_ranks.h"

namespace seldon::worker {
namespace {

using test::machine_with_gpu;
using test::machine_without_gpu;

/// Hands out a collective that others own.
class Lent final : public Collective {
 public:
  explicit Lent(Collective& owned) : owned_(owned) {}
  int rank() const override { return owned_.rank(); }
  int size() const override { return owned_.size(); }
  bool on_device() const override { return owned_.on_device(); }
  void all_reduce(void* data, std::size_t count, Element element) override {
    owned_.all_reduce(data, count, element);
  }
  void all_gather(const void* in, void* out, std::size_t count, Element element) override {
    owned_.all_gather(in, out, count, element);
  }
  void broadcast(void* data, std::size_t count, Element element, int root) override {
    owned_.broadcast(data, count, element, root);
  }
  void check() override { owned_.check(); }

 private:
  Collective& owned_;
};

class ThreadFactory final : public CollectiveFactory {
 public:
  explicit ThreadFactory(Collective& collective) : collective_(collective) {}
  std::unique_ptr<Collective> join(const RankGroup& group, const Memory& memory, Progress&) override {
    EXPECT_EQ(group.ranks.size(), static_cast<std::size_t>(collective_.size()));
    EXPECT_EQ(memory.gpu, -1);
    return std::make_unique<Lent>(collective_);
  }

 private:
  Collective& collective_;
};

class RankGroups : public ::testing::Test {
 protected:
  Prepared prepared(std::uint32_t k, const std::function<Machine()>& machine = machine_without_gpu) const {
    PrepareOptions options;
    options.settle = true;
    options.machine = machine;
    return prepare(
        experiment_.path(),
        std::vector<std::string>{"experiment.gpus_per_trial=" + std::to_string(k), "model.net.pack_size=2",
                                 "model.plain_net.pack_size=4", "model.net.keep_trace=true"},
        options);
  }

  /// What each member reports of all packs of networks, in the order of the cells.
  static std::vector<std::vector<CellReport>> run(const Prepared& prepared, int k,
                                                  const std::function<Machine()>& machine) {
    std::vector<std::vector<CellReport>> reports(static_cast<std::size_t>(k));
    seldon::testing::ThreadGroup threads(k);
    threads.run([&](Collective& collective) {
      ThreadFactory factory(collective);
      WorkerPlace place;
      place.groups = &factory;
      place.machine = machine;
      const auto runner = make_runner(prepared.header.config, *prepared.data, place);
      auto& mine = reports[static_cast<std::size_t>(collective.rank())];
      RankGroup group;
      for (int rank = 0; rank < k; ++rank) group.ranks.push_back(1 + rank);
      Unhindered progress;
      for (const Pack& pack : prepared.header.packs) {
        if (prepared.facts.workers[pack.model] != static_cast<std::uint32_t>(k) ||
            !prepared.facts.networks[pack.model])
          continue;
        Slots slots;
        for (std::uint32_t slot = 0; slot < pack.width; ++slot) slots.wanted.push_back(slot);
        const auto report = [&](CellReport cell) { mine.push_back(std::move(cell)); };
        if (k == 1)
          runner->run(pack, slots, progress, report);
        else
          runner->run_in_group(pack, slots, group, progress, report);
      }
      std::ranges::sort(mine, {}, &CellReport::key);
    });
    return reports;
  }

  /// Largest difference in performance, bounds and traces; NaN beside NaN is none.
  static double difference(const Prepared& prepared, const std::vector<CellReport>& a,
                           const std::vector<CellReport>& b) {
    double largest = a.size() == b.size() ? 0 : HUGE_VAL;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      EXPECT_EQ(a[i].key, b[i].key);
      EXPECT_EQ(a[i].state, CellState::done) << a[i].run.message;
      EXPECT_EQ(b[i].state, CellState::done) << b[i].run.message;
      const RecordLayout layout(prepared.header.models[a[i].key.model].shape);
      const CellRecord left(layout, a[i].record), right(layout, b[i].record);
      EXPECT_EQ(left.outcome(), right.outcome());
      for (const Field field : {Field::performance, Field::upper, Field::g, Field::trace}) {
        if (!layout.find(field)) continue;
        const auto x = left.doubles(field), y = right.doubles(field);
        for (std::size_t j = 0; j < x.size(); ++j)
          if (x[j] != y[j] && !(std::isnan(x[j]) && std::isnan(y[j])))
            largest = std::max(largest, std::isnan(x[j] - y[j]) ? HUGE_VAL : std::abs(x[j] - y[j]));
      }
    }
    return largest;
  }

  const test::NetworkExperiment experiment_{"groups"};
};

TEST_F(RankGroups, AnyNumberOfRanksGivesTheSameCells) {
  for (const auto& machine : {machine_without_gpu, machine_with_gpu}) {
    const Prepared alone = prepared(1, machine);
    EXPECT_EQ(alone.facts.workers, (std::vector<std::uint32_t>{1, 1, 1, 1}));
    const auto expected = run(alone, 1, machine).front();
    ASSERT_EQ(expected.size(), 2U * 2 * 4);
    for (const int k : {2, 4}) {
      const Prepared shared = prepared(static_cast<std::uint32_t>(k), machine);
      const auto ranks = static_cast<std::uint32_t>(k);
      EXPECT_EQ(shared.facts.workers, (std::vector<std::uint32_t>{ranks, ranks, 1, 1})) << "networks only";
      const auto found = run(shared, k, machine);
      EXPECT_LT(difference(shared, found.front(), expected), 1e-4) << k << " ranks";
      for (const auto& member : found)
        for (std::size_t i = 0; i < member.size(); ++i)
          EXPECT_EQ(member[i].record, found.front()[i].record) << "all members know the same";
    }
  }
}

TEST_F(RankGroups, ARunnerWithoutAFactoryCannot) {
  const Prepared shared = prepared(2);
  const auto runner = make_runner(shared.header.config, *shared.data, {});
  Unhindered progress;
  EXPECT_THROW(runner->run_in_group(shared.header.packs.front(), {{0}, {}}, {1, {1, 2}}, progress,
                                    [](const CellReport&) {}),
               InternalError);
}

}  // namespace
}  // namespace seldon::worker
