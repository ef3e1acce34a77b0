#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "experiment/text.h"

namespace seldon::experiment {
namespace {

TEST(Text, ShortestNumbersReadBack) {
  EXPECT_EQ(shortest(0.1), "0.1");
  EXPECT_EQ(shortest(3), "3");
  EXPECT_EQ(shortest(1e-8), "1e-08");
  EXPECT_EQ(shortest(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(shortest(std::numeric_limits<double>::denorm_min()), "5e-324");
  EXPECT_EQ(shortest(NAN), "nan");
  EXPECT_EQ(shortest(-INFINITY), "-inf");
}

TEST(Text, QuotesForJsonAndToml) {
  EXPECT_EQ(quote("plain"), "\"plain\"");
  EXPECT_EQ(quote("a\"b\\c\nd\x7f"), "\"a\\\"b\\\\c\\u000ad\\u007f\"");
  EXPECT_EQ(quote("\xc3\xa9"), "\"\xc3\xa9\"") << "UTF-8 stays";
}

TEST(Text, Names) {
  EXPECT_TRUE(is_name("qsa-2.v_1"));
  EXPECT_TRUE(is_name(std::string(64, 'a')));
  for (const std::string bad : {"", ".", "..", "a b", "a/b", "\xc3\xa9", "a\n"})
    EXPECT_FALSE(is_name(bad)) << bad;
  EXPECT_FALSE(is_name(std::string(65, 'a')));
}

TEST(Text, NearestWord) {
  const std::vector<std::string> words = {"seed", "n_trials", "data_fracs"};
  EXPECT_EQ(nearest("n_trial", words), "n_trials");
  EXPECT_EQ(nearest("sed", words), "seed");
  EXPECT_EQ(nearest("fracs", words), "seed") << "four changes, one less than data_fracs";
  EXPECT_EQ(nearest("anything", {}), "");
}

}  // namespace
}  // namespace seldon::experiment
