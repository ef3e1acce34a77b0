#include <limits>

#include <gtest/gtest.h>

#include "programs/live_line.h"

namespace seldon::programs {
namespace {

TEST(LiveLine, TellsCellsRateTimeAndSolutions) {
  orchestrator::Snapshot snapshot;
  snapshot.cells = 1125;
  snapshot.done = 300;
  snapshot.failed = 2;
  snapshot.recorded_now = 100;
  snapshot.seconds = 4;
  snapshot.seconds_left = 33.4;
  snapshot.models = {{"qsa", 375, 200, 2, 96}, {"logistic", 375, 100, 0, 100}, {"random", 375, 0, 0, 0}};
  EXPECT_EQ(describe(snapshot),
            "300/1125 cells, 2 failed, 25/s, 33 s left; solutions: qsa 48 %, logistic 100 %");
}

TEST(LiveLine, WritesDurationsInTheirUnit) {
  EXPECT_EQ(duration(12.4), "12 s");
  EXPECT_EQ(duration(240), "4 min");
  EXPECT_EQ(duration(11520), "3.2 h");
  EXPECT_EQ(duration(std::numeric_limits<double>::quiet_NaN()), "?");
}

TEST(LiveLine, IsCutAtAWholeCharacter) {
  EXPECT_EQ(cut_to("Größe", 10), "Größe");
  EXPECT_EQ(cut_to("Größe", 5), "Größe");
  EXPECT_EQ(cut_to("Größe", 4), "Größ");
  EXPECT_EQ(cut_to("Größe", 3), "Grö");
  EXPECT_EQ(cut_to("Größe", 0), "");
}

}  // namespace
}  // namespace seldon::programs
