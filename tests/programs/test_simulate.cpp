// `seldon simulate` as its user sees it: options, tables, exit codes.

#include <functional>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "programs/simulate.h"
#include "tests/store/example.h"

namespace seldon::programs {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
namespace example = store::example;

/// Two models, three fractions, twenty trials in packs of one; the last fraction costs most.
SimulateRequest request() {
  SimulateRequest request;
  request.header = example::header(3, 20);
  request.header.packs.clear();
  for (std::uint32_t fraction = 3; fraction-- > 0;)
    for (std::uint32_t model = 0; model < 2; ++model)
      for (std::uint32_t trial = 0; trial < 20; ++trial) {
        request.header.packs.push_back({0, model, fraction, trial, 1});
        request.pack_costs.push_back(10.0 * (1 << fraction));
      }
  request.together = {false, true};
  request.workers = 4;
  return request;
}

struct Result {
  ExitCode code = ExitCode::internal;
  std::string text;
};

Result run(const SimulateRequest& request) {
  std::ostringstream out;
  const ExitCode code = simulate(request, out);
  return {code, out.str()};
}

TEST(SimulateTest, PrintsTheExperimentBesideTheToolkitsChunks) {
  const Result result = run(request());
  EXPECT_EQ(result.code, ExitCode::complete);
  EXPECT_THAT(result.text, HasSubstr("120 cells (2 models x 3 data fractions x 20 trials) in 120 packs"));
  EXPECT_THAT(result.text, ContainsRegex("makespan +[0-9.]+ min +[0-9.]+ min\n"));
  EXPECT_THAT(result.text, ContainsRegex("cells DONE +120\n"));
  EXPECT_THAT(result.text, ContainsRegex("cells FAILED +0\n"));
  EXPECT_THAT(result.text, Not(HasSubstr("with faults")));
  EXPECT_THAT(result.text, HasSubstr("of one core without faults; seed 1."));
}

TEST(SimulateTest, PrintsFaultsInAColumnOfTheirOwn) {
  SimulateRequest asked = request();
  asked.mtbf = "30m";
  asked.hangs = "1h:5m";
  asked.stragglers = "0.25:3";
  asked.late = "0.25:2m";
  asked.time = "12m";
  asked.grace = "2m";
  asked.preempt = "2h";
  const Result result = run(asked);
  EXPECT_EQ(result.code, ExitCode::complete);
  EXPECT_THAT(result.text, HasSubstr("25.0 % of them take 3 times longer"));
  EXPECT_THAT(result.text, HasSubstr("a worker dies every 30.0 min"));
  EXPECT_THAT(result.text, HasSubstr("a job ends after 12.0 min, 10.0 min in the queue before the next"));
  EXPECT_THAT(result.text, ContainsRegex("no faults +with faults +static chunks\n"));
  EXPECT_THAT(result.text, ContainsRegex("cells DONE +120 +120\n"));
  EXPECT_THAT(result.text, ContainsRegex("jobs +1 +[2-9]\n"));
}

TEST(SimulateTest, SaysWhatIsLeft) {
  SimulateRequest asked = request();
  asked.mtbf = "2m";
  asked.restarts = 0;
  const Result result = run(asked);
  EXPECT_EQ(result.code, ExitCode::incomplete);
  EXPECT_THAT(result.text, HasSubstr("left incomplete: no restart is left"));
}

TEST(SimulateTest, ScalesThePlanToACellsTime) {
  SimulateRequest asked = request();
  asked.cell_time = "10m";
  asked.spread = 0;
  // 120 cells of 10 minutes; the fractions cost 1 : 2 : 4.
  EXPECT_THAT(run(asked).text,
              HasSubstr("20.0 worker-h, in the proportions of the plan; a cell takes 10.0 min (4.3 min "
                        "to 17.1 min), the longest pack 17.1 min"));
}

TEST(SimulateTest, TakesTheSecondsOfAFinishedStore) {
  const example::Folder folder;
  const std::string path = folder.file();
  {
    store::Writer writer = store::Writer::create(path, example::header(3, 4));
    for (const CellKey key : example::all_cells(writer.header())) {
      CellReport report = example::report(writer, key);
      report.run.seconds_total = key.model == 0 ? 30 : 90;
      writer.write(report);
    }
  }
  SimulateRequest asked = request();
  asked.store = path;
  // 60 cells of 30 s and 60 of 90 s.
  EXPECT_THAT(run(asked).text, HasSubstr("2.0 worker-h, as measured in"));

  asked.header.models[1].name = "another";
  EXPECT_THROW(run(asked), InputError);
}

TEST(SimulateTest, RefusesAStoreWithoutFinishedCells) {
  const example::Folder folder;
  store::Writer::create(folder.file(), example::header(3, 4));
  SimulateRequest asked = request();
  asked.store = folder.file();
  EXPECT_THROW(run(asked), InputError);
}

TEST(SimulateTest, RefusesWhatMakesNoSense) {
  const std::vector<std::function<void(SimulateRequest&)>> slips = {
      [](auto& r) { r.workers = 0; },
      [](auto& r) { r.workers_per_node = 0; },
      [](auto& r) { r.mtbf = "12"; },
      [](auto& r) { r.mtbf = "soon"; },
      [](auto& r) {
        r.hangs = "1h:";
        r.hangs += "x";
      },
      [](auto& r) { r.stragglers = "0.02"; },
      [](auto& r) { r.stragglers = "2:3"; },
      [](auto& r) { r.stragglers = "0.02:0.5"; },
      [](auto& r) { r.stragglers = "0.02:3x"; },
      [](auto& r) { r.late = "0.1"; },
      [](auto& r) { r.failures = 1.5; },
      [](auto& r) { r.spread = -1; },
      [](auto& r) { r.time = "5m"; },  // no longer than the grace time
      [](auto& r) { r.cell_time = "0s"; },
  };
  for (std::size_t i = 0; i < slips.size(); ++i) {
    SimulateRequest asked = request();
    slips[i](asked);
    EXPECT_THROW(run(asked), InputError) << i;
  }
}

}  // namespace
}  // namespace seldon::programs
