#include <cmath>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/plots/timeline.h"
#include "core/error.h"
#include "example.h"

namespace seldon::analysis {
namespace {

using testing::HasSubstr;
using testing::Not;

store::PackRow pack(double start, double end, int rank, const std::string& model = "qsa",
                    LeaseEnd how = LeaseEnd::finished) {
  store::PackRow row;
  row.start = 1700000000 + start;
  row.end = 1700000000 + end;
  row.rank = rank;
  row.host = rank < 10 ? "node9" : "node10";
  row.model = model;
  row.fraction = 0.5;
  row.width = row.wanted = row.done = 25;
  row.how = how;
  return row;
}

store::RunMark mark(double time, bool begins, std::uint32_t workers = 2) {
  return {1700000000 + time, begins, "node9", "", 0, workers};
}

/// Two workers; a first run of 10 s that is 75 % busy, a second one of 10 s that is 50 % busy, a night later.
store::PackRows two_runs() {
  store::PackRows rows;
  rows.runs = {mark(0, true), mark(10, false), mark(40000, true), mark(40010, false)};
  rows.packs = {pack(0, 10, 1), pack(5, 10, 10, "<b>&"), pack(40000, 40010, 1)};
  return rows;
}

const std::vector<std::string> models = {"qsa", "<b>&"};

std::size_t occurrences(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(Timeline, SessionsAndUtilisation) {
  const auto rows = two_runs();
  const auto sessions = sessions_of(rows);
  ASSERT_EQ(sessions.size(), 2u);
  EXPECT_EQ(sessions[0].packs.size(), 2u);
  EXPECT_EQ(sessions[1].packs.size(), 1u);
  EXPECT_DOUBLE_EQ(utilisation(sessions), 25.0 / 40);
}

TEST(Timeline, KilledRunsEndWithTheirLastPack) {
  auto rows = two_runs();
  std::erase_if(rows.runs, [](const auto& run) { return !run.begins; });
  rows.packs.pop_back();
  rows.packs.push_back(pack(40001, 40006, 10));
  const auto sessions = sessions_of(rows);
  ASSERT_EQ(sessions.size(), 2u);
  EXPECT_EQ(sessions[1].end - sessions[1].begin, 6);
  EXPECT_DOUBLE_EQ(utilisation(sessions), 20.0 / (2 * 10 + 2 * 6));
}

TEST(Timeline, PacksWithoutMarksMakeOneSession) {
  auto rows = two_runs();
  rows.runs.clear();
  const auto sessions = sessions_of(rows);
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_EQ(sessions[0].begin, 1700000000);
  EXPECT_EQ(sessions[0].workers, 2);
}

TEST(Timeline, RunsWithoutPacksAreNoSessions) {
  auto rows = two_runs();
  rows.runs.insert(rows.runs.begin() + 2, {mark(20000, true), mark(20001, false)});
  EXPECT_EQ(sessions_of(rows).size(), 2u);
}

TEST(Timeline, DrawsABarForEachLeaseAndMarksRestarts) {
  const auto svg = timeline_svg("loans", models, two_runs());
  EXPECT_THAT(svg, testing::StartsWith("<svg "));
  EXPECT_THAT(svg, HasSubstr("loans: who worked when, workers busy 62.5 % of the time"));
  EXPECT_THAT(svg, HasSubstr("2 workers on 2 hosts, 3 leases in 20 s of 2 runs, from 2023-11-14 22:13 UTC"));
  EXPECT_THAT(svg, HasSubstr("restart after 11.1 h"));
  EXPECT_EQ(occurrences(svg, "class=\"pack\"><title>"), 3u);
  EXPECT_LT(svg.find(">node9<"), svg.find(">node10<"));  // by rank, not by name
  EXPECT_THAT(svg, HasSubstr("&lt;b&gt;&amp;, data fraction 0.5, trials 0-24, attempt 1"));
  EXPECT_THAT(svg, Not(HasSubstr("<b>")));
}

TEST(Timeline, TellsHowLeasesEnded) {
  auto rows = two_runs();
  EXPECT_THAT(timeline_svg("loans", models, rows), Not(HasSubstr("class=\"ended\"")));
  rows.packs[0].how = LeaseEnd::lost;
  rows.packs[1].how = LeaseEnd::preempted;
  rows.packs[2].failed = 1;
  const auto svg = timeline_svg("loans", models, rows);
  EXPECT_EQ(occurrences(svg, "class=\"ended\" fill=\"url(#lost)\""), 2u);  // the bar and the legend
  EXPECT_EQ(occurrences(svg, "class=\"preempted\""), 2u);
  EXPECT_THAT(svg, HasSubstr(">cells failed<"));
  EXPECT_THAT(svg, Not(HasSubstr("worker silent")));
}

TEST(Timeline, TenThousandWorkersFitOnOnePage) {
  store::PackRows rows;
  rows.runs = {mark(0, true, 10000)};
  for (int i = 0; i < 100000; ++i) {
    auto row = pack(i / 10000 * 10, i / 10000 * 10 + 10, i % 10000 + 1, i % 3 ? "qsa" : "<b>&",
                    i % 1000 ? LeaseEnd::finished : LeaseEnd::lost);
    row.host = "node" + std::to_string((row.rank - 1) / 64);
    rows.packs.push_back(row);
  }
  const auto svg = timeline_svg("big", models, rows);
  EXPECT_LT(svg.size(), 1u << 20);
  EXPECT_THAT(svg, HasSubstr("workers busy 100.0 % of the time"));
  EXPECT_THAT(svg, HasSubstr("10000 workers on 157 hosts, 100000 leases"));
  EXPECT_THAT(svg, HasSubstr("a worker was lost"));
}

TEST(Timeline, OddInputIsDrawnToo) {
  store::PackRows rows;
  rows.packs = {pack(0, 0, 1), pack(0, 0, 2, "a model that the store no longer has")};
  EXPECT_THAT(timeline_svg("", {}, rows), HasSubstr("</svg>"));
  rows.runs = {mark(100, true), mark(50, false)};  // a clock that was set back
  EXPECT_THAT(timeline_svg("", models, rows), HasSubstr("</svg>"));
  for (int i = 0; i < 500; ++i) {  // more restarts than there is room for
    rows.runs.push_back(mark(1000 * i, true));
    rows.packs.push_back(pack(1000 * i, 1000 * i + 1, 1));
  }
  const auto svg = timeline_svg("", models, rows);
  EXPECT_THAT(svg, HasSubstr("</svg>"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("width=\"-")));
}

TEST(Timeline, NothingToDrawIsSaid) {
  EXPECT_THROW(timeline_svg("", models, {}), InputError);
}

TEST(Timeline, ReadsWhatLiesBesideTheStore) {
  const example::Folder folder;
  const auto store = example::write_store(example::small(), folder.path());
  const auto file = folder.path() / "timeline.svg";
  EXPECT_THROW(write_timeline(store, file), InputError);
  std::string lines = "torn\n";
  store::append_line(lines, mark(0, true));
  store::append_line(lines, pack(0, 10, 1));
  std::ofstream(store::pack_rows_path(store)) << lines;
  EXPECT_EQ(write_timeline(store, file), 1u);
  EXPECT_THAT(example::read_file(file),
              HasSubstr("example: who worked when, workers busy 50.0 % of the time"));
}

}  // namespace
}  // namespace seldon::analysis
