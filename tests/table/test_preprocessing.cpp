#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/preprocessing.h"
#include "tests/table/expect_input_error.h"

namespace seldon::table {
namespace {

using ::testing::StartsWith;

Preprocessing example() {
  Preprocessing p;
  p.format = {false, ' ', {"housing", "age", "a name\nof two lines", "c:\\new"}};
  p.label = "rating";
  p.positive = "2";
  p.categorical = {{"housing", {"A151", "A152 with blanks ", "\\n"}}};
  p.numeric = {{"age", true, 35.546, 0.1 + 0.2}, {"c:\\new", false, 0, 1}};
  return p;
}

TEST(Preprocessing, NamesItsFeatures) {
  EXPECT_EQ(example().feature_names(), (std::vector<std::string>{"housing=A151", "housing=A152 with blanks ",
                                                                 "housing=\\n", "age", "c:\\new"}));
}

TEST(Preprocessing, SurvivesText) {
  EXPECT_EQ(Preprocessing::decode(example().encode()), example());
  Preprocessing image;
  image.label = "gender";
  image.regime = Regime::multiclass_classification;
  image.image = ImageColumn{"pixels", 3, 48, 32};
  EXPECT_EQ(Preprocessing::decode(image.encode()), image);
  EXPECT_EQ(Preprocessing::decode(Preprocessing{}.encode()), Preprocessing{});
}

TEST(Preprocessing, RefusesOtherText) {
  const auto decode = [](const char* text) {
    return input_error([&] { Preprocessing::decode(text, "s.txt"); });
  };
  EXPECT_THAT(decode(""), StartsWith("s.txt: the first line is not 'seldon preprocessing 1'"));
  EXPECT_THAT(decode("hello\n"), StartsWith("s.txt:1: the first line is not"));
  EXPECT_THAT(decode("seldon preprocessing 1\ncolour red\n"),
              StartsWith("s.txt:2: there is no entry 'colour'"));
  EXPECT_THAT(decode("seldon preprocessing 1\nregime dreams\n"),
              StartsWith("s.txt:2: there is no regime 'dreams'"));
  EXPECT_THAT(decode("seldon preprocessing 1\nlevel A\n"),
              StartsWith("s.txt:2: a level stands before its column"));
  EXPECT_THAT(decode("seldon preprocessing 1\nstandardized 1 0 age\n"),
              StartsWith("s.txt:2: a standard deviation is positive"));
  EXPECT_THAT(decode("seldon preprocessing 1\nstandardized 1 x age\n"), StartsWith("s.txt:2: column"));
  EXPECT_THAT(decode("seldon preprocessing 1\nimage 1 48.5 48 pixels\n"),
              StartsWith("s.txt:2: a whole number"));
  EXPECT_THAT(decode("seldon preprocessing 1\ndelimiter ab\n"),
              StartsWith("s.txt:2: a delimiter is one character"));
}

}  // namespace
}  // namespace seldon::table
