#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/sha256.h"
#include "table/read_csv.h"
#include "tests/table/expect_input_error.h"

namespace seldon::table {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ReadOptions table_options() {
  ReadOptions options;
  options.path = "d.csv";
  options.location = {"c.toml", 2};
  options.places = {{"label", {"c.toml", 3}},       {"positive", {"c.toml", 4}},
                    {"numeric", {"c.toml", 5}},     {"categorical", {"c.toml", 6}},
                    {"standardize", {"c.toml", 7}}, {"image", {"c.toml", 8}},
                    {"rows", {"c.toml", 9}}};
  options.label = "y";
  options.numeric = {"age", "pay"};
  options.categorical = {"job"};
  return options;
}

constexpr const char* table_text =
    "job,age,y,pay,unused\n"
    "b,20,0,1.5,\n"
    "a10,30,1,-2,x\n"
    "a,40,1, 3 ,\n";

std::string error_of(const std::string& text, const ReadOptions& options = table_options()) {
  return input_error([&] { read_csv_text(text, options); });
}

TEST(ReadCsv, PutsLevelsInByteOrderThenNumbers) {
  const Frame frame = read_csv_text(table_text, table_options());
  EXPECT_EQ(frame.rows(), 3U);
  EXPECT_THAT(frame.feature_names(), ElementsAre("job=a", "job=a10", "job=b", "age", "pay"));
  EXPECT_THAT(frame.features(), ElementsAre(0, 0, 1, 20, 1.5,  //
                                            0, 1, 0, 30, -2,   //
                                            1, 0, 0, 40, 3));
  EXPECT_THAT(frame.labels(), ElementsAre(0, 1, 1));
  EXPECT_EQ(frame.content_hash(), sha256_hex(std::as_bytes(std::span(std::string_view(table_text)))));
}

TEST(ReadCsv, StandardizesWithThePopulationSd) {
  ReadOptions options = table_options();
  options.standardize = {"age"};
  const Frame frame = read_csv_text(table_text, options);
  const double sd = std::sqrt(200.0 / 3);  // of 20, 30, 40 around 30, ddof 0
  EXPECT_DOUBLE_EQ(frame.features()[3], -10 / sd);
  EXPECT_DOUBLE_EQ(frame.features()[13], 10 / sd);
  EXPECT_DOUBLE_EQ(frame.features()[4], 1.5);
  EXPECT_EQ(frame.preprocessing().numeric[0].mean, 30);
}

TEST(ReadCsv, ReadsGroupsFromColumnsThatAreNoFeatures) {
  ReadOptions options = table_options();
  options.numeric = {"pay"};
  options.groups = {{"age", "young", "age < 30", {"c.toml", 20}},
                    {"age", "old", "age >= 30", {"c.toml", 21}}};
  const Frame frame = read_csv_text(table_text, options);
  EXPECT_THAT(frame.find_group("young")->member, ElementsAre(1, 0, 0));
  EXPECT_THAT(frame.find_group("old")->member, ElementsAre(0, 1, 1));
}

TEST(ReadCsv, ReadsFilesWithoutHeaderAndWithBlanks) {
  ReadOptions options = table_options();
  options.format = {false, ' ', {"job", "age", "y", "pay"}};
  const Frame frame = read_csv_text("b  20 0 1.5\na 30\t1 -2\n", options);
  EXPECT_THAT(frame.features(), ElementsAre(0, 1, 20, 1.5, 1, 0, 30, -2));
}

TEST(ReadCsv, TakesTheFirstRows) {
  ReadOptions options = table_options();
  options.rows = 2;
  const Frame frame = read_csv_text(table_text, options);
  EXPECT_THAT(frame.feature_names(), ElementsAre("job=a10", "job=b", "age", "pay"));  // of the rows kept
  options.rows = 4;
  EXPECT_EQ(error_of(table_text, options),
            "c.toml:9: data.rows is 4 and d.csv has 3 rows; lower it or leave it out");
  options.rows = 0;
  EXPECT_EQ(error_of(table_text, options), "c.toml:9: data.rows is 0; leave it out to read all rows");
}

TEST(ReadCsv, ShufflesBySeedBeforeItCuts) {
  std::string text = "x,y\n";
  for (int i = 0; i < 100; ++i) text += std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  ReadOptions options;
  options.path = "d.csv";
  options.label = "y";
  options.numeric = {"x"};
  const auto order = [&](std::uint64_t seed, std::uint64_t rows) {
    options.shuffle = true;
    options.seed = seed;
    options.rows = rows;
    const Frame frame = read_csv_text(text, options);
    for (std::size_t i = 0; i < rows; ++i)
      EXPECT_EQ(frame.labels()[i], std::fmod(frame.features()[i], 2)) << "a label left its row";
    return std::vector<double>(frame.features().begin(), frame.features().end());
  };
  const std::vector<double> all = order(1, 100);
  std::vector<double> sorted = all, in_file_order(100);
  std::sort(sorted.begin(), sorted.end());
  for (int i = 0; i < 100; ++i) in_file_order[static_cast<std::size_t>(i)] = i;
  EXPECT_EQ(sorted, in_file_order);
  EXPECT_NE(all, in_file_order);
  EXPECT_EQ(order(1, 100), all);
  EXPECT_NE(order(2, 100), all);
  EXPECT_EQ(order(1, 10), std::vector<double>(all.begin(), all.begin() + 10));
}

TEST(ReadCsv, ReadsLabelsByRegime) {
  ReadOptions options = table_options();
  options.positive = "good";
  const std::string text = "job,age,pay,y\na,1,2,good\na,2,2,bad\n";
  EXPECT_THAT(read_csv_text(text, options).labels(), ElementsAre(1, 0));
  options.positive = "1";
  EXPECT_THAT(read_csv_text("job,age,pay,y\na,1,2,2\na,2,2,1.0\n", options).labels(), ElementsAre(0, 1));
  options.positive.reset();
  options.regime = Regime::regression;
  EXPECT_THAT(read_csv_text("job,age,pay,y\na,1,2,-2.5\na,2,2,7\n", options).labels(), ElementsAre(-2.5, 7));
  options.regime = Regime::multiclass_classification;
  EXPECT_THAT(read_csv_text("job,age,pay,y\na,1,2,2\na,2,2,0\n", options).labels(), ElementsAre(2, 0));
}

TEST(ReadCsv, RefusesLabelsThatAreNoLabels) {
  const auto text = [](const char* label) {
    return "job,age,pay,y\na,1,2,1\na,2,2," + std::string(label) + "\n";
  };
  EXPECT_EQ(
      error_of(text("2")),
      "d.csv:3: the label 'y' is '2', and a binary label is 0 or 1; correct it, or give data.positive, the "
      "value of class 1");
  EXPECT_THAT(error_of(text("yes")), HasSubstr("d.csv:3: column 'y' holds 'yes' where a number belongs"));
  EXPECT_THAT(error_of(text("")), HasSubstr("d.csv:3: column 'y' is empty where a number belongs"));
  ReadOptions options = table_options();
  options.positive = "0";
  EXPECT_EQ(error_of("job,age,pay,y\na,1,2,1\na,1,2,0\na,2,2,2\n", options),
            "d.csv:4: the label 'y' is '2', a third value besides '0' and '1', and a binary label has two; "
            "correct it");
  options.positive = "7";
  EXPECT_EQ(error_of(text("1"), options),
            "c.toml:4: no row of d.csv has the label 'y' = '7'; correct data.positive");
  options.positive.reset();
  options.regime = Regime::multiclass_classification;
  EXPECT_THAT(error_of(text("1.5"), options), HasSubstr("a class is a whole number from 0 on"));
  options.regime = Regime::reinforcement_learning;
  EXPECT_THAT(error_of(text("1"), options), HasSubstr("c.toml:2: a CSV of rows holds no episodes"));
}

TEST(ReadCsv, NamesMissingColumns) {
  ReadOptions options = table_options();
  options.label = "yy";
  EXPECT_EQ(error_of(table_text, options), "c.toml:3: d.csv has no column 'yy'; the nearest name is 'y'");
  options = table_options();
  options.numeric = {"aeg"};
  EXPECT_EQ(error_of(table_text, options), "c.toml:5: d.csv has no column 'aeg'; the nearest name is 'age'");
  options = table_options();
  options.categorical = {"jobs"};
  EXPECT_EQ(error_of(table_text, options), "c.toml:6: d.csv has no column 'jobs'; the nearest name is 'job'");
}

TEST(ReadCsv, RefusesFieldsThatAreNoNumbers) {
  const auto text = [](const char* age) {
    return "job,age,y,pay\na,1,0,1\nb," + std::string(age) + ",1,2\n";
  };
  EXPECT_EQ(
      error_of(text("old")),
      "d.csv:3: column 'age' holds 'old' where a number belongs; correct the field, or do not use the column "
      "as a number");
  EXPECT_EQ(error_of(text("")),
            "d.csv:3: column 'age' is empty where a number belongs; fill it in or remove the row");
  EXPECT_EQ(error_of(text("NaN")),
            "d.csv:3: column 'age' holds 'NaN', which is not finite; fill in a number or remove the row");
  EXPECT_THAT(error_of(text("-inf")), HasSubstr("'-inf', which is not finite"));
  EXPECT_THAT(error_of(text("1e999")), HasSubstr("out of the range of double precision"));
  EXPECT_EQ(error_of("job,age,y,pay\na,1,0,1\n,2,1,2\n"),
            "d.csv:3: column 'job' is empty; fill in a value or remove the row");
}

TEST(ReadCsv, RefusesOptionsThatMakeNoTable) {
  ReadOptions options = table_options();
  options.numeric = {"age", "age"};
  EXPECT_EQ(error_of(table_text, options), "c.toml:5: column 'age' is listed twice as a feature; keep one");
  options.numeric = {"y"};
  EXPECT_EQ(error_of(table_text, options),
            "c.toml:5: column 'y' is the label and a feature; remove it from the features");
  options.numeric = {"pay"};
  options.standardize = {"age"};
  EXPECT_EQ(error_of(table_text, options),
            "c.toml:7: 'age' is to be standardised and is not in data.numeric; list it there too");
  options.standardize = {"pay"};
  EXPECT_EQ(error_of("job,y,pay\na,0,3\nb,1,3\n", options),
            "c.toml:7: column 'pay' has the same value in every row and cannot be standardised; remove it");
  EXPECT_EQ(error_of("job,y,pay\na,0,1e308\nb,1,-1e308\nb,1,1e308\n", options),
            "c.toml:7: the values of column 'pay' are too large to standardise; rescale the column");
  options = table_options();
  options.numeric.clear();
  options.categorical.clear();
  EXPECT_THAT(error_of(table_text, options), HasSubstr("c.toml:2: there are no features"));
  options.image = ImageColumn{"pixels", 1, 0, 48};
  EXPECT_THAT(error_of(table_text, options), HasSubstr("c.toml:8: an image has at least one"));
  options.image = ImageColumn{"pixels", 1, 48, 48};
  options.numeric = {"age"};
  EXPECT_THAT(error_of(table_text, options), HasSubstr("c.toml:8: data.image excludes data.numeric"));
}

TEST(ReadCsv, RefusesIdentifiersAsCategories) {
  ReadOptions options = table_options();
  options.numeric.clear();
  std::string text = "job,y\n";
  for (int i = 0; i < 1001; ++i)
    text += std::string("id").append(std::to_string(i)) + "," + std::to_string(i % 2) + "\n";
  EXPECT_THAT(error_of(text, options), HasSubstr("d.csv:1002: column 'job' has more than 1000 levels"));
}

TEST(ReadCsv, AGroupWithoutRowsPointsAtTheConfig) {
  ReadOptions options = table_options();
  options.groups = {{"job", "A", "job in {a, b, a10}", {"c.toml", 20}},
                    {"job", "Z", "job == z", {"c.toml", 21}}};
  EXPECT_EQ(error_of(table_text, options),
            "c.toml:21: group 'Z' (job == z) has no rows in d.csv; correct the condition or remove it");
}

TEST(ReadCsv, AMissingFilePointsAtTheConfig) {
  ReadOptions options = table_options();
  options.path = "no such file.csv";
  EXPECT_THAT(input_error([&] { read_csv(options); }), HasSubstr("c.toml:2: cannot read no such file.csv"));
}

// ---- images
// --------------------------------------------------------------------------------------------------------

ReadOptions image_options(std::uint32_t height, std::uint32_t width) {
  ReadOptions options = table_options();
  options.numeric.clear();
  options.categorical.clear();
  options.image = ImageColumn{"pixels", 1, height, width};
  return options;
}

std::string numbers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i ? " " : "") + std::to_string(i % 256);
  return text;
}

TEST(ReadCsv, KeepsPixelsAsBytes) {
  const Frame frame =
      read_csv_text("y,pixels\r\n0,0 1 2 253  254 255 \r\n1,\"5 4 3 2 1 0\"\r\n", image_options(2, 3));
  EXPECT_THAT(frame.pixels(), ElementsAre(0, 1, 2, 253, 254, 255, 5, 4, 3, 2, 1, 0));
  EXPECT_EQ(frame.width(), 0U);
  EXPECT_EQ(frame.image()->height, 2U);
}

TEST(ReadCsv, CountsPixels) {
  const std::string good = "0," + numbers(2304) + "\n";
  std::string text = "y,pixels\n";
  for (int i = 0; i < 15; ++i) text += good;
  EXPECT_EQ(
      error_of(text + "1," + numbers(2303) + "\n", image_options(48, 48)),
      "d.csv:17: column 'pixels' has 2303 numbers (an image of 1 x 48 x 48 has 2304); correct the row or "
      "data.image");
  EXPECT_THAT(error_of(text + "1," + numbers(5000) + "\n", image_options(48, 48)),
              HasSubstr("has 5000 numbers"));
  EXPECT_THAT(error_of(text + "1,\n", image_options(48, 48)), HasSubstr("has 0 numbers"));
}

TEST(ReadCsv, RefusesWhatIsNoPixel) {
  const auto text = [](const char* pixel) { return "y,pixels\n0,1 2 3 " + std::string(pixel) + "\n"; };
  EXPECT_EQ(error_of(text("256"), image_options(2, 2)),
            "d.csv:2: column 'pixels': number 4 is '256'; a pixel is a whole number from 0 to 255");
  for (const char* pixel : {"-1", "1.5", "x", "99999999999999999999", "3x", "nan"})
    EXPECT_THAT(error_of(text(pixel), image_options(2, 2)),
                HasSubstr("number 4 is '" + std::string(pixel) + "'"));
}

// ---- new rows
// ------------------------------------------------------------------------------------------------------

TEST(ReadNewRows, AppliesWhatTheTableTaught) {
  ReadOptions options = table_options();
  options.standardize = {"age"};
  const Frame table = read_csv_text(table_text, options);
  const auto stored = Preprocessing::decode(table.preprocessing().encode());

  const Frame again = read_new_rows_text(table_text, "n.csv", stored);
  EXPECT_TRUE(std::equal(table.features().begin(), table.features().end(), again.features().begin(),
                         again.features().end()));
  EXPECT_THAT(again.labels(), ElementsAre(0, 1, 1));

  const Frame unlabelled = read_new_rows_text("pay,age,job\n1,50,b\n", "n.csv", stored);
  EXPECT_FALSE(unlabelled.has_labels());
  EXPECT_THAT(unlabelled.features(), ElementsAre(0, 0, 1, 20 / std::sqrt(200.0 / 3), 1));
}

TEST(ReadNewRows, RefusesWhatTheTableDidNotHave) {
  const Preprocessing stored = read_csv_text(table_text, table_options()).preprocessing();
  EXPECT_EQ(input_error([&] { read_new_rows_text("job,age,pay\na,1,2\nc,1,2\n", "n.csv", stored); }),
            "n.csv:3: column 'job' holds 'c', a level that the table of the training did not have (a, a10, "
            "b); remove "
            "the row, or train on a table that has it");
  EXPECT_EQ(input_error([&] { read_new_rows_text("job,pay\na,1\n", "n.csv", stored); }),
            "n.csv: n.csv has no column 'age'; the nearest name is 'job'");
}

// ---- the table that ships
// ------------------------------------------------------------------------------------------

ReadOptions german_credit() {
  ReadOptions options;
  options.path = SELDON_SOURCE_DIR "/data/german_credit.csv";
  options.label = "credit_rating";
  options.positive = "2";
  options.categorical = {"account_status",   "credit_history",
                         "purpose",          "savings_accounts",
                         "employment_since", "other_debtors",
                         "property",         "other_installment_plans",
                         "housing",          "job",
                         "telephone",        "foreign_worker"};
  options.numeric = {"months",  "credit_amount",        "installment_rate", "present_residence_since",
                     "age_yrs", "num_existing_credits", "num_people_liable"};
  options.standardize = options.numeric;
  options.groups = {{"gender", "M", "personal_status in {A91, A93, A94}", {}},
                    {"gender", "F", "personal_status in {A92, A95}", {}}};
  return options;
}

TEST(GermanCredit, HasThePublishedCounts) {
  const Frame frame = read_csv(german_credit());
  EXPECT_EQ(frame.rows(), 1000U);
  EXPECT_EQ(frame.width(), 57U);
  EXPECT_EQ(std::count(frame.labels().begin(), frame.labels().end(), 1.0), 300);
  const auto men = frame.find_group("M")->member;
  EXPECT_EQ(std::count(men.begin(), men.end(), 1), 690);
}

// The encoding that the published loan experiment used: 52 columns of 0 and 1 with F and M among them, seven
// standardised numbers, the label.
TEST(GermanCredit, NeedsSharedEqualsThePublishedEncoding) {
  const char* variable = std::getenv("SELDON_SHARED");
  const std::filesystem::path shared = variable ? variable : SELDON_SOURCE_DIR "/../shared";
  const auto path = shared / "data/german/german_loan_numeric_forseldonian.csv";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs " << path << " (set SELDON_SHARED)";
  ReadOptions options;
  options.path = path.string();
  options.format.header = false;
  options.label = "c59";
  for (int c = 0; c < 60; ++c) {
    options.format.names.push_back(std::string("c").append(std::to_string(c)));
    if (c < 59) options.numeric.push_back(options.format.names.back());
  }
  const Frame published = read_csv(options), frame = read_csv(german_credit());
  ASSERT_EQ(published.rows(), frame.rows());
  constexpr std::size_t female = 29, male = 30;
  double largest = 0;
  for (std::size_t row = 0; row < frame.rows(); ++row) {
    std::vector<double> wanted(published.features().begin() + static_cast<std::ptrdiff_t>(row * 59),
                               published.features().begin() + static_cast<std::ptrdiff_t>(row * 59 + 59));
    ASSERT_EQ(frame.find_group("F")->member[row], wanted[female]) << "row " << row;
    ASSERT_EQ(frame.find_group("M")->member[row], wanted[male]) << "row " << row;
    wanted.erase(wanted.begin() + female, wanted.begin() + male + 1);
    for (std::size_t c = 0; c < 57; ++c)
      largest = std::max(largest, std::abs(wanted[c] - frame.features()[row * 57 + c]));
    ASSERT_EQ(frame.labels()[row], published.labels()[row]) << "row " << row;
  }
  EXPECT_LE(largest, 1e-12);
}

TEST(GermanCredit, NeedsSharedEqualsTheOriginalTable) {
  const char* variable = std::getenv("SELDON_SHARED");
  const std::filesystem::path shared = variable ? variable : SELDON_SOURCE_DIR "/../shared";
  const auto path = shared / "data/german/german.data";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs " << path << " (set SELDON_SHARED)";
  std::ifstream original(path), ours(SELDON_SOURCE_DIR "/data/german_credit.csv");
  std::string line, ours_line;
  std::getline(ours, ours_line);  // the header
  int rows = 0;
  while (std::getline(ours, ours_line)) {
    ASSERT_TRUE(std::getline(original, line));
    std::replace(line.begin(), line.end(), ' ', ',');
    ASSERT_EQ(ours_line, line) << "row " << rows;
    ++rows;
  }
  EXPECT_EQ(rows, 1000);
}

}  // namespace
}  // namespace seldon::table
