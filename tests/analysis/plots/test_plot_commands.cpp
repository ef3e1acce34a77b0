// The commands that draw, as a user meets them: options, exit codes, messages, files.

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <sys/wait.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command.h"
#include "example.h"
#include "plots/constraints.h"

namespace seldon::analysis {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using example::Run;

Run report(const std::string& arguments) {
  return example::run(SELDON_REPORT " " + arguments);
}

class PlotCommands : public testing::Test {
 protected:
  void expect_refused(const std::string& arguments, const std::string& words) const {
    const auto run = report(arguments);
    EXPECT_EQ(run.status, 2) << arguments << "\n" << run.output;
    EXPECT_THAT(run.output, HasSubstr(words));
  }
  std::string text(const std::string& name) const { return example::read_file(out_ + "/" + name); }

  example::Folder folder_;
  std::string store_ = example::write_store(example::many(4), folder_.path());
  std::string out_ = (folder_.path() / "out").string();
  std::string plots_ = "plots " + store_ + " --out " + out_ + " --formats svg ";
};

TEST_F(PlotCommands, PlotsTakeTheirOptions) {
  const auto run = report(
      plots_ +
      "--models baseline_2,qsa --label qsa='Fair model' --label baseline_2=B --constraints third,parity "
      "--measure accuracy --interval exact --failure both --no-joint --columns 2 --font 'DejaVu Serif' "
      "--font-size 7 --title-font-size 8 --legend-font-size 6 --legend-columns 2 --x-label m "
      "--performance-label A --solution-label S --failure-label F --performance-scale log --x-scale linear "
      "--performance-limits 1.2,1.9 --title 'My figure' --marker-size 0.5 --name fig3 --show-counts");
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("fig3.svg"));
  const auto script = text("fig3.gp");
  for (const char* words : {"model_1 = \"B\"", "model_2 = \"Fair model\"", "size 7.16in,", "My figure",
                            "set yrange [1.2:1.9]", "Clopper and Pearson", "third:", "failure_label = \"F\"",
                            "performance_label = \"A\"", "DejaVu Serif,7"})
    EXPECT_THAT(script, HasSubstr(words));
  EXPECT_THAT(script, Not(HasSubstr("second")));
  EXPECT_THAT(script, Not(HasSubstr("any constraint violated")));
  EXPECT_LT(script.find("third:"), script.find("parity:"));
}

TEST_F(PlotCommands, SeveralConstraintsHaveARowTogether) {
  EXPECT_EQ(report(plots_).status, 0);
  EXPECT_THAT(text("three_plots.gp"), HasSubstr("any constraint violated:  parity, second, third"));
  EXPECT_EQ(report(plots_ + "--no-joint").status, 0);
  EXPECT_THAT(text("three_plots.gp"), Not(HasSubstr("any constraint violated")));
  expect_refused(plots_ + "--joint --no-joint", "--no-joint");
}

TEST_F(PlotCommands, OptionsMayStandBeforeTheStore) {
  const auto run = report("plots --formats svg --models qsa,baseline_1 --constraints second --label qsa=A " +
                          store_ + " --out " + out_);
  EXPECT_EQ(run.status, 0) << run.output;
}

TEST_F(PlotCommands, PlotsLeaveOut) {
  EXPECT_EQ(report(plots_ + "--no-legend --no-title --no-delta --width 5.5").status, 0);
  const auto script = text("three_plots.gp");
  EXPECT_THAT(script, HasSubstr("size 5.50in,"));
  for (const char* words : {"keyentry", "set arrow 1", "PR - 0.5"})
    EXPECT_THAT(script, Not(HasSubstr(words)));
}

TEST_F(PlotCommands, PlotsRefuseWhatIsNotThere) {
  expect_refused(plots_ + "--models nobody", "it holds 'qsa', 'baseline_1', 'baseline_2', 'baseline_3'");
  expect_refused(plots_ + "--constraints c", "it holds 'parity', 'second', 'third'");
  expect_refused(plots_ + "--measure f1", "it holds 'log_loss', 'accuracy'");
  expect_refused(plots_ + "--label nobody=x", "no model 'nobody' is shown");
  expect_refused(plots_ + "--label x", "model=Text");
  expect_refused(plots_ + "--interval bayes", "--interval");
  expect_refused(plots_ + "--failure never", "--failure");
  expect_refused(plots_ + "--performance-limits 2,1", "lower one first");
  expect_refused(plots_ + "--performance-limits 2", "--performance-limits");
  expect_refused(plots_ + "--columns 3", "--columns");
  expect_refused(plots_ + "--columns 1 --width 4", "--width");
  expect_refused(plots_ + "--name ../x", "--name");
  expect_refused("plots " + out_ + "/none.h5 --out " + out_, "none.h5");
  EXPECT_FALSE(std::filesystem::exists(out_ + "/three_plots.gp"));
}

TEST_F(PlotCommands, PairsPrintATableAndDraw) {
  const auto csv = report("pairs " + store_ + " --models qsa,baseline_1 --format csv");
  EXPECT_EQ(csv.status, 0);
  EXPECT_THAT(csv.output, StartsWith("first,second,data_frac,"));
  const auto run =
      report("pairs " + store_ + " --all --out " + out_ + " --formats svg,png --format latex --columns 1");
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("\\toprule"));
  EXPECT_EQ(text("pairs.tex"), run.output);
  for (const char* name : {"pairs.svg", "pairs.png", "pairs.gp", "pairs.dat"})
    EXPECT_TRUE(std::filesystem::exists(out_ + "/" + name)) << name;
  expect_refused("pairs " + store_, "--models FIRST,SECOND");
  expect_refused("pairs " + store_ + " --models qsa", "two models or more");
  expect_refused("pairs " + store_ + " --models qsa,x", "no model 'x'");
  expect_refused("pairs " + store_ + " --all --format html", "--format");
}

TEST_F(PlotCommands, TraceOfAStoreWithoutOneIsRefused) {
  expect_refused("trace " + store_ + " --out " + out_, "keep_trace = true");
  expect_refused("trace " + store_ + " --out " + out_ + " --model nobody", "it holds 'qsa'");
  expect_refused("trace " + store_ + " --out " + out_ + " --trial -1", "--trial");
}

}  // namespace
}  // namespace seldon::analysis
