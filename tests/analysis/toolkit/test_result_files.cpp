#include <cmath>
#include <fstream>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/toolkit/result_files.h"
#include "core/error.h"
#include "example.h"

namespace seldon::analysis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// What the reader says of a text; empty where it takes it.
std::string complaint(const std::string& text, std::size_t constraints = 1) {
  try {
    parse_toolkit_table(text, "r.csv", constraints);
  } catch (const InputError& error) {
    return error.what();
  }
  return {};
}

void put(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

std::string complaint_about(const std::filesystem::path& folder, const std::string& experiment = {}) {
  try {
    read_toolkit_results(folder, experiment, 1);
  } catch (const InputError& error) {
    return error.what();
  }
  return {};
}

const std::string baseline = "data_frac,trial_i,performance,gvec\n0.5,0,0.25,[-0.1]\n";
const std::string seldonian = "data_frac,trial_i,performance,passed_safety,gvec\n0.5,0,0.25,True,[-0.1]\n";

TEST(ResultFiles, GvecOfASeldonianModel) {
  const auto model = parse_toolkit_table(
      "data_frac,trial_i,performance,passed_safety,gvec\n"
      "0.001,0,,False,[-inf]\n"
      "1.0,24,0.5648655854689406,True,[-0.08401106]\n"
      "1.0,3,1e-05,True,[nan]\n",
      "r.csv", 1);
  EXPECT_TRUE(model.has_passed_safety);
  EXPECT_TRUE(model.has_gvec);
  ASSERT_EQ(model.rows.size(), 3u);
  EXPECT_EQ(model.rows[0].fraction, 0.001);
  EXPECT_TRUE(std::isnan(model.rows[0].performance));
  EXPECT_FALSE(model.rows[0].passed);
  EXPECT_FALSE(model.rows[0].failed);
  EXPECT_THAT(model.rows[0].g, ElementsAre(-infinity));
  EXPECT_EQ(model.rows[1].trial, 24u);
  EXPECT_EQ(model.rows[1].performance, 0.5648655854689406);
  EXPECT_THAT(model.rows[1].g, ElementsAre(-0.08401106));
  EXPECT_FALSE(model.rows[1].failed);
  EXPECT_TRUE(model.rows[2].failed);  // as in the toolkit, a g that is NaN has failed
}

TEST(ResultFiles, FailedInPlaceOfGvec) {
  const auto model = parse_toolkit_table(
      "data_frac,trial_i,performance,failed\n0.1,0,0.9,True\n0.1,1,0.8,False\n", "r.csv", 1);
  EXPECT_FALSE(model.has_passed_safety);
  EXPECT_FALSE(model.has_gvec);
  EXPECT_TRUE(model.rows[0].failed);
  EXPECT_FALSE(model.rows[1].failed);
  EXPECT_TRUE(model.rows[0].g.empty());
}

/// NumPy breaks lines after 75 characters, and pandas quotes what holds a line's end.
TEST(ResultFiles, GvecOfSeveralConstraintsOverSeveralLines) {
  const auto model = parse_toolkit_table(
      "data_frac,trial_i,performance,gvec\r\n"
      "0.5,0,0.25,\"[-0.1         0.25        1.e-05\n        inf]\"\r\n"
      "0.5,1,0.25,[-inf -inf -inf  nan]\r\n",
      "r.csv", 4);
  ASSERT_EQ(model.rows.size(), 2u);
  EXPECT_THAT(model.rows[0].g, ElementsAre(-0.1, 0.25, 1e-5, infinity));
  EXPECT_TRUE(model.rows[0].failed);
  // The second row begins on line 4 of the file.
  EXPECT_THAT(
      complaint("data_frac,trial_i,performance,gvec\n0.5,0,0.25,\"[-0.1\n 0.25]\"\n0.5,x,0.25,[1 2]\n", 2),
      StartsWith("r.csv:4: trial_i is 'x'"));
}

TEST(ResultFiles, ByteOrderMarkAndEmptyLinesAreNoRows) {
  EXPECT_EQ(parse_toolkit_table("\xEF\xBB\xBF" + baseline + "\n\n", "r.csv", 1).rows.size(), 1u);
}

TEST(ResultFiles, WhatIsWrongIsSaidWithItsLine) {
  const std::string head = "data_frac,trial_i,performance,gvec\n", row = "0.5,0,0.25,[-0.1]\n";
  EXPECT_THAT(complaint(""), StartsWith("r.csv: is empty"));
  EXPECT_THAT(complaint(head), StartsWith("r.csv: holds no trial"));
  EXPECT_THAT(complaint(head + row + row),
              StartsWith("r.csv:3: trial 0 at data fraction 0.5 was there already: "
                         "r.csv:2"));
  EXPECT_THAT(complaint(head + "0.5,0,0.25\n"), StartsWith("r.csv:2: there are 3 fields under 4 columns"));
  EXPECT_THAT(complaint(head + row + "0.5,1,0.25,[-0.1],7\n"),
              StartsWith("r.csv:3: there are 5 fields under 4 columns"));
  EXPECT_THAT(complaint(head + "half,0,0.25,[-0.1]\n"), StartsWith("r.csv:2: data_frac is 'half'"));
  EXPECT_THAT(complaint(head + "1.5,0,0.25,[-0.1]\n"), StartsWith("r.csv:2: data_frac is '1.5'"));
  EXPECT_THAT(complaint(head + "nan,0,0.25,[-0.1]\n"), StartsWith("r.csv:2: data_frac is 'nan'"));
  EXPECT_THAT(complaint(head + "0.5,-1,0.25,[-0.1]\n"), StartsWith("r.csv:2: trial_i is '-1'"));
  EXPECT_THAT(complaint(head + "0.5,0,good,[-0.1]\n"), StartsWith("r.csv:2: performance is 'good'"));
  EXPECT_THAT(complaint(head + "0.5,0,0.25,-0.1\n"), StartsWith("r.csv:2: gvec is '-0.1'"));
  EXPECT_THAT(complaint(head + "0.5,0,0.25,[-0.1 x]\n", 2), StartsWith("r.csv:2: gvec is '[-0.1 x]'"));
  EXPECT_THAT(complaint(head + "0.5,0,0.25,[-0.1 0.2]\n"),
              StartsWith("r.csv:2: gvec has 2 constraints and --constraint names 1"));
  EXPECT_THAT(complaint(head + row, 2),
              StartsWith("r.csv:2: gvec has 1 constraint and --constraint names 2"));
  EXPECT_THAT(complaint(head + "0.5,0,0.25,\"[-0.1]\n"), StartsWith("r.csv:2: a quote is opened"));
  EXPECT_THAT(complaint(head + "0.5,0,0.25,\"[-0.1]\"x\n"),
              StartsWith("r.csv:2: text follows a closing quote"));
}

TEST(ResultFiles, ColumnsMustBeThoseOfTheToolkit) {
  EXPECT_THAT(complaint("data_frac,trial_i,performance,g\n"), StartsWith("r.csv:1: 'g' is no column"));
  EXPECT_THAT(complaint(",data_frac,trial_i,performance,gvec\n"), StartsWith("r.csv:1: '' is no column"));
  EXPECT_THAT(complaint("data_frac,trial_i,gvec\n"), StartsWith("r.csv:1: there is no column 'performance'"));
  EXPECT_THAT(complaint("data_frac,trial_i,trial_i,performance,gvec\n"),
              StartsWith("r.csv:1: the column 'trial_i' comes twice"));
  EXPECT_THAT(complaint("data_frac,trial_i,performance\n"),
              HasSubstr("neither a column 'failed' nor 'gvec'"));
  EXPECT_THAT(complaint("data_frac,trial_i,performance,failed,gvec\n"), HasSubstr("both columns"));
  EXPECT_THAT(complaint("data_frac,trial_i,performance,failed\n0.5,0,0.25,False\n", 2),
              HasSubstr("speaks of one constraint, and --constraint names 2"));
  EXPECT_THAT(complaint("data_frac,trial_i,performance,failed\n0.5,0,0.25,maybe\n"),
              StartsWith("r.csv:2: failed is 'maybe'"));
}

TEST(ResultFiles, RowsMayNotContradictThemselves) {
  const std::string head = "data_frac,trial_i,performance,passed_safety,gvec\n";
  EXPECT_THAT(complaint(head + "0.5,0,0.25,False,[-inf]\n"), HasSubstr("there is a performance"));
  EXPECT_THAT(complaint(head + "0.5,0,,False,[-0.1]\n"), HasSubstr("gvec is not -inf"));
  EXPECT_THAT(complaint(head + "0.5,0,,False,[inf]\n"), HasSubstr("gvec is not -inf"));
  EXPECT_THAT(complaint("data_frac,trial_i,performance,passed_safety,failed\n0.5,0,,False,True\n"),
              HasSubstr("passed_safety is False and failed is True"));
}

class ResultFolders : public testing::Test {
 protected:
  example::Folder folder_;
  std::filesystem::path path_ = folder_.path();
};

TEST_F(ResultFolders, TheToolkitsOwn) {
  put(path_ / "qsa_results/qsa_results.csv", seldonian);
  put(path_ / "qsa_results/trial_data/data_frac_0.5000_trial_0.csv", "is not looked at");
  put(path_ / "lr_results/lr_results.csv", baseline);
  put(path_ / "resampled_datasets/trial_0.pkl", "is not looked at");
  const auto results = read_toolkit_results(path_, "", 1);
  EXPECT_EQ(results.experiment, "");
  ASSERT_EQ(results.models.size(), 2u);
  EXPECT_EQ(results.models[0].name, "lr");
  EXPECT_EQ(results.models[1].name, "qsa");
  EXPECT_EQ(results.models[1].files[0].name, "qsa_results/qsa_results.csv");
}

/// The sum is that of sha256sum(1).
TEST_F(ResultFolders, FilesAreNamedWithTheirSums) {
  put(path_ / "lr_results.csv", baseline);
  const auto file = read_toolkit_results(path_, "", 1).models[0].files[0];
  EXPECT_EQ(file.name, "lr_results.csv");
  EXPECT_EQ(file.sha256, "2be14a9bcc8c1640347126a109290ea33732cceba146aa32b93d2c69ace6b862");
}

TEST_F(ResultFolders, TrialsThatWereNeverJoined) {
  put(path_ / "qsa_results/trial_data/data_frac_0.5000_trial_0.csv", seldonian);
  put(path_ / "qsa_results/trial_data/data_frac_0.5000_trial_1.csv",
      "data_frac,trial_i,performance,passed_safety,gvec\n0.5,1,,False,[-inf]\n");
  const auto results = read_toolkit_results(path_, "", 1);
  ASSERT_EQ(results.models.size(), 1u);
  EXPECT_EQ(results.models[0].rows.size(), 2u);
  put(path_ / "qsa_results/trial_data/data_frac_0.5000_trial_2.csv", seldonian);
  EXPECT_THAT(complaint_about(path_),
              HasSubstr("trial_2.csv:2: trial 0 at data fraction 0.5 was there already"));
  put(path_ / "qsa_results/trial_data/data_frac_0.5000_trial_2.csv", baseline);
  EXPECT_THAT(complaint_about(path_), HasSubstr("has other columns than the files before it"));
}

TEST_F(ResultFolders, OneOfSeveralExperimentsMustBeChosen) {
  put(path_ / "loans__qsa_results.csv", seldonian);
  put(path_ / "loans__lr__l2_results.csv", baseline);
  EXPECT_EQ(read_toolkit_results(path_, "", 1).experiment, "loans");  // the only one
  put(path_ / "faces__qsa_results.csv", seldonian);
  put(path_ / "faces_digitized.csv", "is not looked at");
  EXPECT_THAT(complaint_about(path_), HasSubstr("holds several experiments; choose with --experiment one of "
                                                "'faces', 'loans'"));
  EXPECT_THAT(complaint_about(path_, "gpa"), HasSubstr("holds no experiment 'gpa'"));
  const auto results = read_toolkit_results(path_, "loans", 1);
  ASSERT_EQ(results.models.size(), 2u);
  EXPECT_EQ(results.models[0].name, "lr__l2");
}

TEST_F(ResultFolders, FilesWithoutAPrefixHaveNoExperimentToChoose) {
  put(path_ / "qsa_results.csv", seldonian);
  EXPECT_THAT(complaint_about(path_, "gpa"), HasSubstr("leave out --experiment"));
}

TEST_F(ResultFolders, NothingToFind) {
  EXPECT_THAT(complaint_about(path_), HasSubstr("holds no results of the toolkit"));
  EXPECT_THAT(complaint_about(path_ / "nowhere"), HasSubstr("cannot be read as a folder"));
  put(path_ / "a_file", "");
  EXPECT_THAT(complaint_about(path_ / "a_file"), HasSubstr("cannot be read as a folder"));
  put(path_ / "qsa_results/qsa_results.csv", seldonian);
  put(path_ / "qsa_results.csv", seldonian);
  EXPECT_THAT(complaint_about(path_), HasSubstr("'qsa' as a file and as a folder"));
}

}  // namespace
}  // namespace seldon::analysis
