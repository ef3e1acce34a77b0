#include <gtest/gtest.h>

#include "experiment/description.h"

namespace seldon::experiment {
namespace {

TEST(Description, ResolvesPathsFromItsFolder) {
  Description d;
  d.folder = "/home/someone/configs";
  EXPECT_EQ(d.resolve("x.csv"), "/home/someone/configs/x.csv");
  EXPECT_EQ(d.resolve("/data/x.csv"), "/data/x.csv");
}

TEST(Description, ComparesWhatIsSaidAndNotWhere) {
  Description a, b;
  a.where = {"a.toml", 0};
  a.data.path.where = {"a.toml", 3};
  a.places["data.path"] = {"a.toml", 3};
  EXPECT_EQ(a, b);
  b.models.emplace_back();
  EXPECT_NE(a, b);
}

TEST(Description, PlacesFallBackToTheSectionAndTheFile) {
  Description d;
  d.where = {"a.toml", 0};
  d.places["model.m"] = {"a.toml", 7};
  EXPECT_EQ(d.place("model.m.optimizer.variant").str(), "a.toml:7");
  EXPECT_EQ(d.place("data.path").str(), "a.toml");
}

}  // namespace
}  // namespace seldon::experiment
