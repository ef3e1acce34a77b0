#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "store/run_row.h"

namespace seldon::store {
namespace {

TEST(RunRow, KeepsEveryField) {
  const RunInfo run = {.attempt = 3,
                       .rank = 7,
                       .width = 25,
                       .failures = 2,
                       .host = "node-0042.cluster",
                       .device = "NVIDIA H100",
                       .start = 1.7e9 + 0.25,
                       .seconds_selection = 1.5,
                       .seconds_safety = 0.25,
                       .seconds_evaluation = 0.125,
                       .seconds_total = 2,
                       .message = "es ging schief"};
  const RunInfo back = from_row(to_row(run));
  EXPECT_EQ(back.attempt, run.attempt);
  EXPECT_EQ(back.rank, run.rank);
  EXPECT_EQ(back.width, run.width);
  EXPECT_EQ(back.failures, run.failures);
  EXPECT_EQ(back.host, run.host);
  EXPECT_EQ(back.device, run.device);
  EXPECT_EQ(back.start, run.start);
  EXPECT_EQ(back.seconds_selection, run.seconds_selection);
  EXPECT_EQ(back.seconds_safety, run.seconds_safety);
  EXPECT_EQ(back.seconds_evaluation, run.seconds_evaluation);
  EXPECT_EQ(back.seconds_total, run.seconds_total);
  EXPECT_EQ(back.message, run.message);
}

std::string stored_message(const std::string& message) {
  RunInfo run;
  run.message = message;
  return from_row(to_row(run)).message;
}

TEST(RunRow, CutsLongTextsAtAWholeCharacter) {
  EXPECT_EQ(stored_message(std::string(159, 'x')), std::string(159, 'x'));
  EXPECT_EQ(stored_message(std::string(160, 'x')), std::string(159, 'x'));
  // Two, three and four bytes of UTF-8, at every position around the end.
  for (const std::string character : {"ö", "€", "😀"})
    for (std::size_t lead = 150; lead <= 162; ++lead) {
      const std::string kept =
          stored_message(std::string(lead, 'x') + character + "tail" + std::string(200, 'y'));
      const bool fits = lead + character.size() <= 159;
      EXPECT_EQ(kept.find(character) != std::string::npos, fits) << character << " after " << lead;
      if (!fits) {
        EXPECT_EQ(kept, std::string(std::min<std::size_t>(lead, 159), 'x')) << character;
      }
    }
}

TEST(RunRow, CutsHostAndDevice) {
  RunInfo run;
  run.host = std::string(100, 'h');
  run.device = std::string(100, 'd');
  const RunInfo back = from_row(to_row(run));
  EXPECT_EQ(back.host, std::string(63, 'h'));
  EXPECT_EQ(back.device, std::string(31, 'd'));
}

}  // namespace
}  // namespace seldon::store
