// What a config leaves open is settled once, and found again in the store.

#include <cmath>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "network_experiment.h"
#include "worker/settle.h"

namespace seldon::worker {
namespace {

using test::machine_with_gpu;
using test::machine_without_gpu;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Settle : public testing::Test {
 protected:
  static PrepareOptions on(const std::function<Machine()>& machine) {
    PrepareOptions options;
    options.settle = true;
    options.machine = machine;
    return options;
  }
  Prepared prepared(const PrepareOptions& options, const std::vector<std::string>& set = {}) const {
    return prepare(experiment_.path(), set, options);
  }
  std::string refusal(const PrepareOptions& options, const std::vector<std::string>& set) const {
    try {
      prepared(options, set);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  const test::NetworkExperiment experiment_{"settle"};
};

/// A machine that no one must ask.
Machine untouched() {
  ADD_FAILURE() << "looked for GPUs";
  return {};
}

TEST_F(Settle, WithoutAGpuEverythingIsAsItWasBeforeThereWereAny) {
  const Prepared settled = prepared(on(machine_without_gpu));
  EXPECT_EQ(settled.description.device, "cpu");
  EXPECT_EQ(settled.description.models[0].pack_size, 0U);
  EXPECT_EQ(settled.description.models[0].convolutions, "grouped");
  EXPECT_EQ(settled.plan.pack_sizes, (std::vector<std::uint32_t>{1, 1, 25, 25}));
  const auto identity = nlohmann::json::parse(settled.header.identity);
  for (const auto& [key, value] : identity.items()) {
    EXPECT_THAT(key, Not(HasSubstr("device")));
    EXPECT_THAT(key, Not(HasSubstr("convolutions")));
    EXPECT_THAT(key, Not(HasSubstr("precision")));
    EXPECT_THAT(key, Not(HasSubstr("gpus")));
  }
  EXPECT_EQ(settled.header.numerics, numerics());
  EXPECT_THAT(settled.header.config, Not(HasSubstr("#")));
}

TEST_F(Settle, NobodyLooksForGpusForLinearModelsOrOnRequest) {
  PrepareOptions options = on(untouched);
  EXPECT_EQ(prepared(options, {"experiment.device=cpu"}).description.device, "cpu");
  const std::vector<std::string> linear = {"model.net.architecture=logistic",
                                           "model.plain_net.architecture=logistic"};
  EXPECT_EQ(prepared(options, linear).description.device, "cpu");
  options.settle = false;  // seldon check
  EXPECT_EQ(prepared(options).description.device, "auto");
  EXPECT_EQ(prepared(options, {"experiment.device=cuda"}).description.device, "cuda");
}

TEST_F(Settle, OnAGpuPackSizesAreMeasuredAndKept) {
  const Prepared settled = prepared(on(machine_with_gpu));
  const experiment::Description& description = settled.description;
  EXPECT_EQ(description.device, "cuda");
  for (const std::size_t network : {0, 1}) {
    const std::uint32_t size = description.models[network].pack_size;
    EXPECT_TRUE(size == 1 || size == 2 || size == 4) << size;
    EXPECT_EQ(settled.plan.pack_sizes[network], size);
    EXPECT_EQ(description.models[network].convolutions, "grouped") << "tables have none";
  }
  EXPECT_EQ(description.models[2].pack_size, 0U) << "linear models stay as they are";
  const auto identity = nlohmann::json::parse(settled.header.identity);
  EXPECT_EQ(identity["experiment.device"], "cuda");
  EXPECT_EQ(identity["model.net.pack_size"], description.models[0].pack_size);
  const auto numbers = nlohmann::json::parse(settled.header.numerics);
  EXPECT_EQ(numbers["accelerator"], "Example GPU");
  EXPECT_EQ(numbers["accelerator_libraries"], "example 1.0");
  EXPECT_THAT(settled.header.config,
              HasSubstr("\n# measured: model 'net' on Example GPU, 28 rows at a time, grouped: 1 at "));
  EXPECT_EQ(experiment::parse_config(settled.header.config, "sent"), description);
}

TEST_F(Settle, ALaterRunTakesItFromTheStore) {
  const Prepared first = prepared(on(machine_with_gpu));
  // As if it had been measured on another day.
  const std::vector<std::string> written = {"model.net.pack_size=3", "model.plain_net.pack_size=2"};
  const Prepared stored = prepared(on(machine_with_gpu), written);
  PrepareOptions later = on(machine_with_gpu);
  later.store = {first.header.config, stored.header.identity};
  Measurements measured;
  later.known = &measured;
  const Prepared again = prepared(later);
  EXPECT_EQ(again.header.identity, stored.header.identity);
  EXPECT_EQ(again.plan.packs, stored.plan.packs);
  EXPECT_THAT(measured, IsEmpty());
  EXPECT_THAT(again.header.config, HasSubstr("# measured: model 'net'")) << "the reasons stay";
}

TEST_F(Settle, AnotherValueThatIsWrittenLaterDiffers) {
  const Prepared stored =
      prepared(on(machine_with_gpu), {"model.net.pack_size=3", "model.plain_net.pack_size=2"});
  PrepareOptions later = on(machine_with_gpu);
  later.store = {stored.header.config, stored.header.identity};
  const Prepared other = prepared(later, {"model.net.pack_size=4"});
  EXPECT_EQ(experiment::identity_difference(stored.header.identity, other.header.identity),
            std::vector<std::string>{"model.net.pack_size: 3 in the store, 4 in the config"});
  const Prepared on_cpu = prepared(later, {"experiment.device=cpu"});
  EXPECT_EQ(experiment::identity_difference(stored.header.identity, on_cpu.header.identity),
            std::vector<std::string>{"experiment.device: \"cuda\" in the store, \"cpu\" in the config"});
}

TEST_F(Settle, AStoreOfACpuStaysOneWhereThereIsAGpu) {
  const Prepared stored = prepared(on(machine_without_gpu));
  PrepareOptions later = on(untouched);
  later.store = {stored.header.config, stored.header.identity};
  EXPECT_EQ(prepared(later).header.identity, stored.header.identity);
}

TEST_F(Settle, AStoreOfAGpuWantsOne) {
  const Prepared stored =
      prepared(on(machine_with_gpu), {"model.net.pack_size=3", "model.plain_net.pack_size=2"});
  PrepareOptions later = on(machine_without_gpu);
  later.store = {stored.header.config, stored.header.identity};
  EXPECT_THAT(refusal(later, {}), HasSubstr("has no GPU that LibTorch can use (an example has none)"));
}

TEST_F(Settle, SaysWhatIsWrong) {
  EXPECT_THAT(
      refusal(on(machine_without_gpu), {"experiment.device=cuda"}),
      HasSubstr("command line (--set experiment.device): device is \"cuda\", but the machine of rank 0"));
  EXPECT_THAT(refusal(on(machine_without_gpu), {"model.net.precision=tf32"}),
              HasSubstr("model 'net': precision \"tf32\" is for GPUs, and the machine of rank 0"));
  EXPECT_THAT(refusal(on(machine_with_gpu), {"model.line.precision=tf32"}),
              HasSubstr("model 'line': precision is for networks only"));
  EXPECT_THAT(refusal(on(machine_with_gpu), {"model.line.convolutions=unfolded"}),
              HasSubstr("model 'line': convolutions is for networks only"));
}

TEST_F(Settle, ExperimentsOfASweepMeasureOnce) {
  Measurements known;
  PrepareOptions options = on(machine_with_gpu);
  options.known = &known;
  const std::string alike = "split.frac_in_safety=0.5";  // batches of 20 rows for both networks
  prepared(options, {alike});
  EXPECT_EQ(known.size(), 1U);
  const auto before = known;
  prepared(options, {alike, "experiment.seed=9"});
  EXPECT_EQ(known, before);
}

TEST_F(Settle, LargestBatchIsThatWhichTheLastOneJoins) {
  experiment::ModelSection model;
  model.kind = "seldonian";
  model.iterations = 1;
  const auto largest = [&](std::uint64_t rows) {
    model.kind = "baseline";
    return largest_batch(model, {experiment::schedule(model, rows, 0.5)});
  };
  EXPECT_EQ(largest(100), 100U);
  model.batch_size = 30;
  EXPECT_EQ(largest(100), 40U);
  EXPECT_EQ(largest(120), 30U);
  EXPECT_EQ(largest(110), 30U) << "20 rows make a batch";
  EXPECT_EQ(largest(7), 7U);
  model.variant = "toolkit";
  EXPECT_EQ(largest(100), 30U);
}

std::vector<CellReport> run_all(const Prepared& prepared, const Machine& machine) {
  WorkerPlace place;
  place.machine = [&] { return machine; };
  const auto runner = make_runner(prepared.header.config, *prepared.data, place);
  std::vector<CellReport> reports;
  Unhindered progress;
  for (const Pack& pack : prepared.header.packs) {
    Slots slots;
    for (std::uint32_t slot = 0; slot < pack.width; ++slot) slots.wanted.push_back(slot);
    runner->run(pack, slots, progress, [&](CellReport report) { reports.push_back(std::move(report)); });
  }
  std::ranges::sort(reports, {}, &CellReport::key);
  return reports;
}

TEST_F(Settle, NetworksRunOnTheGpuAndGiveTheSameCells) {
  const std::vector<std::string> fixed = {"model.net.pack_size=4", "model.plain_net.pack_size=4"};
  const Prepared host = prepared(on(machine_without_gpu), fixed), gpu = prepared(on(machine_with_gpu), fixed);
  const auto expected = run_all(host, machine_without_gpu()), found = run_all(gpu, machine_with_gpu());
  ASSERT_EQ(found.size(), 4U * 2 * 4);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].key, expected[i].key);
    ASSERT_EQ(found[i].state, CellState::done) << found[i].run.message;
    const bool network = found[i].key.model < 2;
    EXPECT_EQ(found[i].run.device, network ? "cpu Example GPU" : expected[i].run.device);
    if (!network) {
      EXPECT_EQ(found[i].record, expected[i].record) << "linear models stay on the CPU";
      continue;
    }
    const RecordLayout layout(gpu.header.models[found[i].key.model].shape);
    const CellRecord a(layout, found[i].record), b(layout, expected[i].record);
    EXPECT_EQ(a.outcome(), b.outcome());
    const auto performance = a.doubles(Field::performance), as_expected = b.doubles(Field::performance);
    for (std::size_t p = 0; p < performance.size(); ++p)
      EXPECT_NEAR(performance[p], as_expected[p], 1e-4) << "model " << found[i].key.model;
  }
}

TEST_F(Settle, ASingleRunUsesTheGpuAndItsSolutionNeedsNone) {
  const std::string folder = testing::TempDir() + "/once" + std::to_string(getpid());
  std::ostringstream once, on_gpu, on_cpu;
  run_once(experiment_.path(), {}, folder, once, machine_with_gpu);
  EXPECT_THAT(once.str(), testing::StartsWith("networks run on cpu Example GPU\n"));
  const std::string rows = experiment_.path() + ".csv", solution = folder + "/plain_net.solution.json";
  predict(solution, rows, on_gpu, machine_with_gpu);
  predict(solution, rows, on_cpu, machine_without_gpu);
  EXPECT_EQ(on_gpu.str(), on_cpu.str()) << "both are the CPU here";
  EXPECT_THAT(on_gpu.str(), testing::StartsWith("probability,class\n0."));
  std::ostringstream line;
  predict(folder + "/line.solution.json", rows, line, untouched);
  EXPECT_THAT(line.str(), testing::StartsWith("probability,class\n"));
}

TEST_F(Settle, AWorkerWithoutAGpuSaysSo) {
  const Prepared gpu =
      prepared(on(machine_with_gpu), {"model.net.pack_size=4", "model.plain_net.pack_size=4"});
  WorkerPlace place;
  place.machine = machine_without_gpu;
  EXPECT_THROW(make_runner(gpu.header.config, *gpu.data, place), IncompleteError);
}

}  // namespace
}  // namespace seldon::worker
