#include <cmath>
#include <fstream>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/aggregate.h"
#include "analysis/toolkit/export.h"
#include "analysis/toolkit/import.h"
#include "core/error.h"
#include "example.h"
#include "store/verify.h"

namespace seldon::analysis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double infinity = std::numeric_limits<double>::infinity();

ImportOptions options_for(std::uint64_t rows, std::vector<std::string> constraints = {"parity"}) {
  ImportOptions options;
  options.rows = rows;
  for (const auto& name : constraints) options.constraints.push_back({name, "PR <= 0.5", 0.05});
  options.version = "0.1.0";
  return options;
}

class Import : public testing::Test {
 protected:
  std::filesystem::path put(const std::string& name, const std::string& text) {
    const auto file = in_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }
  Results imported(const ImportOptions& options) {
    import_toolkit(in_, options, store_);
    return read_results(store_, Runs::read);
  }
  std::string complaint(const ImportOptions& options) {
    try {
      import_toolkit(in_, options, store_);
    } catch (const InputError& error) {
      return error.what();
    }
    return {};
  }

  example::Folder folder_;
  std::filesystem::path in_ = folder_.path() / "in";
  std::string store_ = (folder_.path() / "imported.h5").string();
};

TEST_F(Import, GOfEveryConstraint) {
  put("qsa_results.csv",
      "data_frac,trial_i,performance,passed_safety,gvec\n"
      "0.1,0,,False,[-inf -inf]\n"
      "0.1,1,0.5,True,[-0.1         0.08401106]\n"
      "1.0,0,0.75,True,[-0.2   nan]\n");
  const auto results = imported(options_for(105, {"parity", "odds"}));
  const auto& header = results.header;
  EXPECT_EQ(header.n_trials, 2u);
  EXPECT_THAT(header.data_fracs, ElementsAre(0.1, 1.0));
  EXPECT_THAT(header.rows, ElementsAre(10, 105));  // 10.5 rows: halves go to the even number, as in Python
  EXPECT_EQ(header.total_rows, 105u);
  EXPECT_EQ(header.constraints[1].name, "odds");
  EXPECT_EQ(header.constraints[1].expression, "PR <= 0.5");
  EXPECT_EQ(header.constraints[1].delta, 0.05);
  const auto& model = results.models[0];
  EXPECT_EQ(model.header.kind, "seldonian");
  EXPECT_TRUE(model.header.shape.subgroups.empty());
  EXPECT_EQ(model.states[0], CellState::done);
  EXPECT_EQ(model.outcomes[0], Outcome::no_solution_found);
  EXPECT_EQ(model.g_at(0, 0, 0, 0), -infinity);
  EXPECT_EQ(model.outcomes[1], Outcome::solution);
  EXPECT_EQ(model.performance_at(1, 0, 0), 0.5);
  EXPECT_EQ(model.g_at(1, 0, 0, 0), -0.1);
  EXPECT_EQ(model.g_at(1, 1, 0, 0), 0.08401106);
  EXPECT_TRUE(std::isnan(model.g_at(2, 1, 0, 0)));
  EXPECT_EQ(model.rows[2], 105);
  EXPECT_EQ(model.states[3], CellState::pending);  // no row: nothing is known
  EXPECT_TRUE(std::isnan(model.runs[0].seconds_total));
}

/// Where the file tells failures only, they are what is counted, and no g is shown.
TEST_F(Import, FailuresWithoutG) {
  put("cnn_results.csv",
      "data_frac,trial_i,performance,failed\n1.0,0,0.9,True\n1.0,1,0.8,False\n1.0,2,,False\n1.0,3,0.7,"
      "False\n");
  const auto results = imported(options_for(100));
  const auto& model = results.models[0];
  EXPECT_EQ(model.header.kind, "baseline");
  EXPECT_THAT(model.header.shape.rules, ElementsAre("recorded", std::string(failures_only)));
  EXPECT_FALSE(g_is_known(model.header.shape, 1));
  EXPECT_TRUE(std::isnan(model.g_at(0, 0, 0, 0)));  // g is unknown, and whether it failed is kept
  EXPECT_EQ(model.g_at(0, 0, 1, 0), 1);
  EXPECT_EQ(model.g_at(1, 0, 1, 0), 0);
  Selection recorded;
  recorded.rule = "recorded";
  EXPECT_THROW(aggregate(results, recorded), InputError);
  const auto point = aggregate(results).models[0].points[0];
  EXPECT_EQ(point.violation[0].count, 1u);
  EXPECT_EQ(point.violation[0].trials, 4u);
  EXPECT_EQ(point.solution.count, 3u);
  const auto tidy = tidy_csv(results, {});
  EXPECT_THAT(tidy, HasSubstr("cnn,1,100,0,done,True,,0.9,,True,,"));   // g_parity empty, failed_parity True
  EXPECT_THAT(tidy, HasSubstr("cnn,1,100,1,done,True,,0.8,,False,,"));  // the sign of g is not made up
  EXPECT_THAT(tidy, HasSubstr("cnn,1,100,2,done,False,,,-inf,False,,"));
}

TEST_F(Import, BothFormsInOneStore) {
  put("a_results.csv", "data_frac,trial_i,performance,failed\n1.0,0,0.9,True\n");
  put("b_results.csv", "data_frac,trial_i,performance,gvec\n1.0,0,0.9,[-0.5]\n");
  const auto summary = aggregate(imported(options_for(100)));
  EXPECT_EQ(summary.models[0].points[0].violation[0].count, 1u);
  EXPECT_EQ(summary.models[1].points[0].violation[0].count, 0u);
}

TEST_F(Import, SeldonianModelsComeFirstAndCanBeNamed) {
  put("baseline_results.csv", "data_frac,trial_i,performance,gvec\n1.0,0,0.9,[-0.5]\n1.0,1,,[-inf]\n");
  put("qsa_results.csv", "data_frac,trial_i,performance,passed_safety,gvec\n1.0,0,0.9,True,[-0.5]\n");
  auto options = options_for(100);
  EXPECT_EQ(imported(options).models[0].header.name, "qsa");
  std::filesystem::remove(store_);
  options.seldonian = std::vector<std::string>{"baseline"};
  const auto results = imported(options);
  EXPECT_EQ(results.models[0].header.name, "baseline");
  EXPECT_EQ(results.models[0].header.kind, "seldonian");
  EXPECT_EQ(results.models[0].outcomes[1], Outcome::no_solution_found);
  EXPECT_EQ(results.models[1].header.kind, "baseline");
  std::filesystem::remove(store_);
  options.seldonian = std::vector<std::string>{"other"};
  EXPECT_THAT(complaint(options), HasSubstr("there is no model 'other'; there are 'baseline', 'qsa'"));
}

/// A baseline that was fitted and judged, but whose performance is no number, may still have failed.
TEST_F(Import, BaselineWithoutPerformanceIsASolutionIfItsGIsThere) {
  put("lr_results.csv", "data_frac,trial_i,performance,gvec\n1.0,0,,[0.25]\n1.0,1,,[-inf]\n");
  const auto model = imported(options_for(100)).models[0];
  EXPECT_EQ(model.outcomes[0], Outcome::solution);
  EXPECT_EQ(model.g_at(0, 0, 0, 0), 0.25);
  EXPECT_EQ(model.outcomes[1], Outcome::no_solution_found);
}

TEST_F(Import, ImportExportImportGivesAnEqualStoreAndEqualFiles) {
  const std::string qsa =
                        "data_frac,trial_i,performance,passed_safety,gvec\n"
                        "0.1,0,,False,[-inf -inf]\n"
                        "0.1,2,1e-05,True,[-0.1  0. ]\n"
                        "1.0,0,0.75,True,[-0.2  nan]\n",
                    cnn = "data_frac,trial_i,performance,failed\n0.1,0,0.9,True\n1.0,1,,False\n";
  const auto out = folder_.path() / "out";
  const auto second = (folder_.path() / "second.h5").string();
  const auto file = put("qsa_results.csv", qsa);
  auto options = options_for(100, {"parity", "odds"});
  EXPECT_EQ(export_toolkit(imported(options), {}, out), 3u);
  EXPECT_EQ(example::read_file(out / "qsa_results/qsa_results.csv"), qsa);
  import_toolkit(out, options, second);
  EXPECT_EQ(store::digest(store_), store::digest(second));

  for (const auto& used : {std::filesystem::path(store_), std::filesystem::path(second), file})
    std::filesystem::remove(used);
  std::filesystem::remove_all(out);
  put("cnn_results.csv", cnn);
  options = options_for(100);
  export_toolkit(imported(options), {}, out);
  EXPECT_EQ(example::read_file(out / "cnn_results/cnn_results.csv"), cnn);
  import_toolkit(out, options, second);
  EXPECT_EQ(store::digest(store_), store::digest(second));
}

TEST_F(Import, StoreIsSoundAndTellsItsOrigin) {
  put("exp__qsa_results.csv", "data_frac,trial_i,performance,passed_safety,gvec\n1.0,0,0.9,True,[-0.5]\n");
  auto options = options_for(100);
  options.performance = "log_loss";
  const auto results = imported(options);
  EXPECT_EQ(results.header.name, "exp");
  EXPECT_THAT(results.header.config, HasSubstr("# exp__qsa_results.csv "));
  EXPECT_THAT(results.header.identity, HasSubstr("\"import.layout\":\"toolkit\""));
  EXPECT_THAT(results.models[0].header.shape.performance, ElementsAre("log_loss"));
  EXPECT_EQ(store::verify(store_).exit_code(), ExitCode::complete);
  // Nothing is left beside it.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 2);
}

TEST_F(Import, BadInputMakesNoStore) {
  put("qsa_results.csv", "data_frac,trial_i,performance,passed_safety,gvec\n0.01,0,0.9,True,[-0.5]\n");
  EXPECT_THAT(complaint(options_for(0)), HasSubstr("--rows is 0"));
  EXPECT_THAT(complaint(options_for(std::uint64_t{1} << 63)), HasSubstr("no table has as many rows"));
  EXPECT_THAT(complaint(options_for(10)), HasSubstr("0.01 of 10 rows is less than one row"));
  EXPECT_THAT(complaint(options_for(100, {})), HasSubstr("no --constraint"));
  EXPECT_THAT(complaint(options_for(100, {"a", "a"})), HasSubstr("names 'a' twice"));
  EXPECT_THAT(complaint(options_for(100, {"a", "b"})), HasSubstr("gvec has 1 constraint"));
  EXPECT_THAT(complaint(options_for(100, {"a/b"})), HasSubstr("'a/b' cannot be the name of a constraint"));
  auto options = options_for(100);
  options.constraints[0].delta = 1;
  EXPECT_THAT(complaint(options), HasSubstr("--delta is 1"));
  options = options_for(100);
  options.performance.clear();
  EXPECT_THAT(complaint(options), HasSubstr("--performance is empty"));
  EXPECT_FALSE(std::filesystem::exists(store_));
  std::ofstream(store_) << "mine";
  EXPECT_THAT(complaint(options_for(100)), HasSubstr("exists already"));
  EXPECT_EQ(example::read_file(store_), "mine");
}

TEST_F(Import, FolderOfTheStoreMustBeThere) {
  put("qsa_results.csv", "data_frac,trial_i,performance,passed_safety,gvec\n1.0,0,0.9,True,[-0.5]\n");
  store_ = (folder_.path() / "nowhere" / "imported.h5").string();
  EXPECT_THAT(complaint(options_for(100)), HasSubstr("for the store '" + store_ + "'; make it first"));
}

TEST_F(Import, SlipInATrialsNumberMakesNoHugeStore) {
  put("qsa_results.csv",
      "data_frac,trial_i,performance,passed_safety,gvec\n1.0,4000000000,0.9,True,[-0.5]\n");
  EXPECT_THAT(complaint(options_for(100)), HasSubstr("look for a slip in trial_i"));
}

struct Published {
  const char* folder;
  const char* prefix;
  std::uint64_t rows;
  std::size_t models, pending;
};

/// The published loan and face results come back byte for byte, and make the same store again.
TEST(ImportNeedsShared, PublishedResultsComeBackByteForByte) {
  const auto shared = example::shared_folder();
  if (shared.empty()) GTEST_SKIP() << "no conformance data; set SELDON_SHARED to their folder";
  for (const Published& published :
       {Published{"conformance/data/reference_results", "loans_video__", 1000, 7, 0},
        Published{"data/published", "facial_gender__", 23700, 3, 10}}) {
    const example::Folder folder;
    const auto first = (folder.path() / "first.h5").string(), second = (folder.path() / "second.h5").string();
    const auto counted = import_toolkit(shared / published.folder, options_for(published.rows), first);
    EXPECT_EQ(counted.models, published.models);
    EXPECT_EQ(counted.cells - counted.recorded, published.pending);
    const auto results = read_results(first);
    export_toolkit(results, {}, folder.path() / "out");
    for (const auto& model : results.header.models) {
      const auto file = model.name + "_results.csv";
      EXPECT_EQ(example::read_file(folder.path() / "out" / (model.name + "_results") / file),
                example::read_file(shared / published.folder / (published.prefix + file)))
          << file;
    }
    import_toolkit(folder.path() / "out", options_for(published.rows), second);
    EXPECT_EQ(store::digest(first), store::digest(second));
  }
}

}  // namespace
}  // namespace seldon::analysis
