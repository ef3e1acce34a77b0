#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "programs/conformance/check.h"
#include "programs/conformance/run.h"

namespace seldon::conformance {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Conformance : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              ("conformance_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }

  /// What the program prints for these cases, and how it ends.
  std::string run_cases(const std::string& cases, ExitCode& code,
                        engine::Variant variant = engine::Variant::toolkit) {
    const std::string path = write("cases.json", "{\"cases\": [" + cases + "]}");
    testing::internal::CaptureStdout();
    code = run(path, {}, variant);
    return testing::internal::GetCapturedStdout();
  }

  fs::path folder_;
};

TEST_F(Conformance, CountsPassedFailedAndSkipped) {
  ExitCode code{};
  const std::string out = run_cases(R"(
    {"id": "interval-1", "category": "interval", "inputs": {"op": "add", "a": [1, 2], "b": ["-inf", 3]},
     "expected": {"lower": "-inf", "upper": 5}, "rtol": 1e-6},
    {"id": "interval-2", "category": "interval", "inputs": {"op": "add", "a": [1, 2], "b": [3, 4]},
     "expected": {"lower": 4, "upper": 6.1}, "rtol": 1e-6},
    {"id": "cvar-1", "category": "cvar", "inputs": {}, "expected": {}, "rtol": 1e-6},
    {"id": "odd-1", "category": "odd", "inputs": {}, "expected": {}, "rtol": null})",
                                    code);
  EXPECT_EQ(code, ExitCode::internal);
  EXPECT_THAT(out, HasSubstr("FAILED interval-2: upper wanted 6.0999999999999996, got 6\n"));
  EXPECT_THAT(out, HasSubstr("FAILED odd-1: the category 'odd' is not known here"));
  EXPECT_THAT(out, HasSubstr("skipped 1 of cvar: "));
  EXPECT_THAT(out, HasSubstr("1 passed, 2 failed, 1 skipped\n"));
}

TEST_F(Conformance, ExpressionThatIsNotRefusedFails) {
  ExitCode code{};
  const std::string out = run_cases(R"(
    {"id": "p-1", "category": "parse_error", "constraint": "FPR^4", "inputs": {}, "expected": {}, "rtol": 1e-6},
    {"id": "p-2", "category": "parse_error", "constraint": "FPR", "inputs": {"delta": 7}, "expected": {}, "rtol": 1e-6},
    {"id": "p-3", "category": "parse_error", "constraint": "FPR", "inputs": {}, "expected": {}, "rtol": 1e-6})",
                                    code);
  EXPECT_THAT(out, HasSubstr("FAILED p-3"));
  EXPECT_THAT(out, HasSubstr("2 passed, 1 failed, 0 skipped\n"));
}

TEST_F(Conformance, MissingDataFailTheCaseAndSayWhatToDo) {
  ExitCode code{};
  const std::string out = run_cases(R"(
    {"id": "s-1", "category": "safety", "constraint": "Mean_Error", "inputs": {"data": "nowhere rows 0..3",
     "theta": [0, 1]}, "expected": {"passed": false}, "rtol": 1e-6})",
                                    code);
  EXPECT_THAT(out, HasSubstr("'nowhere' is not there; give its folder with --data"));
  EXPECT_EQ(code, ExitCode::internal);
}

TEST_F(Conformance, BadFileIsBadInput) {
  EXPECT_THROW(run(write("bad.json", "{"), {}, engine::Variant::toolkit), InputError);
  EXPECT_THROW(run((folder_ / "none.json").string(), {}, engine::Variant::toolkit), InputError);
  EXPECT_THROW(run(write("good.json", "{\"cases\": []}"), {"/no/such/folder"}, engine::Variant::toolkit),
               InputError);
}

TEST_F(Conformance, DataReferencesNameRowsAndSides) {
  std::string rows;
  for (int i = 0; i < 10; ++i) rows += std::to_string(i) + ".5,1\n";
  write("toy_table.csv", rows);
  const DataFolders data({folder_});
  EXPECT_EQ(data.table("toy rows 2..3").rows, 10u);
  EXPECT_EQ(data.table("toy_table.csv (X,Y); all rows").features[2], 2.5);
  EXPECT_EQ(data.resolve("toy rows 2..3").rows, (engine::Rows{2, 3}));
  EXPECT_EQ(data.resolve("toy_table.csv; candidate rows 0..1, safety rows 2..3").safety,
            (engine::Rows{2, 3}));
  EXPECT_EQ(data.resolve("data/toy_table.csv (X,Y); candidate=rows 0..1, safety=rows 2..3").candidate,
            (engine::Rows{0, 1}));
  EXPECT_EQ(data.resolve("Toy table, rho=.6").candidate.size(), 4u);
  EXPECT_EQ(data.resolve("toy_table.csv all rows").rows.size(), 10u);
  EXPECT_THROW(data.resolve("toy rows 2..10"), InputError);
}

TEST_F(Conformance, BadDataAreNamedByLine) {
  const std::string path = write("bad.csv", "1,2\n3,x\n");
  try {
    read_numbers(path);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("bad.csv:2: "));
  }
  write("ragged.csv", "1,2\n3,4\n5\n");
  const DataFolders data({folder_});
  try {
    data.table("ragged.csv");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("ragged.csv:3: "));
  }
}

/// All of the developers' cases, on the toolkit variant: none may fail.
TEST(ConformanceNeedsShared, ToolkitVariantAgreesWithEveryCase) {
  const char* named = std::getenv("SELDON_SHARED");
  const fs::path shared = named ? fs::path(named) : fs::path(SELDON_SOURCE_DIR) / ".." / "shared";
  const fs::path cases = shared / "conformance" / "engine-cases.json";
  if (!fs::exists(cases))
    GTEST_SKIP() << "no " << cases << "; set SELDON_SHARED to the folder with the cases";
  EXPECT_EQ(run(cases.string(), {(shared / "data").string()}, engine::Variant::toolkit), ExitCode::complete);
}

}  // namespace
}  // namespace seldon::conformance
