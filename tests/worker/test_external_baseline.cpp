#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "engine/baseline/baseline.h"
#include "tests/engine/toy.h"
#include "worker/translate.h"

namespace seldon::worker {
namespace {

using namespace engine;

class External : public ::testing::Test {
 protected:
  External() : table_(20, 2, 0.5), rows_(table_.every_row()) {
    register_all();
    folder_ = ::testing::TempDir() + "/external program";  // a blank, which no shell must see
    std::filesystem::create_directories(folder_);
    request_.data = &table_.data;
    request_.rows = rows_;
    request_.model_name = "mine";
    request_.feature_names = {"first, feature", "second"};
    request_.time_limit = 20;
  }

  std::unique_ptr<Predictor> run(const std::string& script, double time_limit = 20) {
    const std::string path = folder_ + "/program.sh";
    std::ofstream(path) << script;
    request_.command = {"/bin/sh", path};
    request_.time_limit = time_limit;
    return BaselineRegistry::instance().find("external")->fit(request_);
  }

  std::string error_of(const std::string& script, double time_limit = 20) {
    try {
      run(script, time_limit);
    } catch (const std::exception& error) {
      return error.what();
    }
    return "";
  }

  toy::Table table_;
  Rows rows_;
  std::string folder_;
  BaselineRequest request_;
};

TEST_F(External, GetsRowsAndGivesProbabilities) {
  const auto model =
      run("head -n 1 \"$1\" | grep -q '^\"first, feature\",second,label,group:M,group:F$' || exit 3\n"
          "[ $(wc -l < \"$1\") = 21 ] || exit 4\n"
          "head -n 1 \"$2\" | grep -q label && exit 5\n"
          "tail -n +2 \"$2\" | awk -F, '{print ($3 == 1 ? 0.75 : 0.25)}' > \"$3\"\n");
  std::vector<double> p(20);
  model->scores(rows_, p);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(p[i], table_.men[i] ? 0.75 : 0.25);
}

TEST_F(External, SaysWhatWentWrong) {
  EXPECT_NE(error_of("echo out of luck >&2; exit 7").find("status 7; it said: out of luck"),
            std::string::npos);
  EXPECT_NE(error_of("kill -9 $$").find("signal 9"), std::string::npos);
  EXPECT_NE(error_of("exit 0").find("wrote no file"), std::string::npos);
  EXPECT_NE(error_of("echo 0.5 > \"$3\"").find("wrote 1 probabilities for 20 rows"), std::string::npos);
  EXPECT_NE(error_of("yes 1.5 | head -n 20 > \"$3\"").find("'1.5', not a probability"), std::string::npos);
  EXPECT_NE(error_of("sleep 60", 0.3).find("time_limit"), std::string::npos);
  request_.command = {"/no/such/program"};
  EXPECT_THROW(BaselineRegistry::instance().find("external")->fit(request_), std::runtime_error);
}

}  // namespace
}  // namespace seldon::worker
