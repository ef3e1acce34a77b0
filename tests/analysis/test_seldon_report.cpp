// The program as a user meets it: exit codes, messages, files.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command.h"
#include "example.h"
#include "store/live_status.h"
#include "store/pack_rows.h"

namespace seldon::analysis {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using example::Run;
using example::run;

Run report(const std::string& arguments) {
  return run(SELDON_REPORT " " + arguments);
}

class SeldonReport : public testing::Test {
 protected:
  example::Folder folder_;
  std::string store_ = example::write_store(example::small(), folder_.path());
  std::string out_ = (folder_.path() / "out").string();
};

TEST_F(SeldonReport, LinksNeitherLibTorchNorMpi) {
  const auto libraries = run("ldd " SELDON_REPORT);
  EXPECT_EQ(libraries.status, 0);
  EXPECT_THAT(libraries.output, HasSubstr("libhdf5"));
  EXPECT_THAT(libraries.output, Not(HasSubstr("torch")));
  EXPECT_THAT(libraries.output, Not(HasSubstr("libmpi")));
}

TEST_F(SeldonReport, StartsNoProgramThatLinksLibTorchOrMpi) {
  const auto gnuplot = run("ldd \"$(readlink -f \"$(command -v gnuplot)\")\"");
  EXPECT_EQ(gnuplot.status, 0) << gnuplot.output;
  EXPECT_THAT(gnuplot.output, HasSubstr("libc.so"));
  EXPECT_THAT(gnuplot.output, Not(HasSubstr("torch")));
  EXPECT_THAT(gnuplot.output, Not(HasSubstr("libmpi")));
}

#ifndef __SANITIZE_ADDRESS__
TEST_F(SeldonReport, StartsWithinFiftyMilliseconds) {
  using Clock = std::chrono::steady_clock;
  for (const std::string argument : {"--version", "--help"}) {
    auto best = Clock::duration::max();
    for (int round = 0; round < 20; ++round) {  // the machine may have other work
      const auto start = Clock::now();
      EXPECT_EQ(report(argument).status, 0);
      best = std::min(best, Clock::now() - start);
    }
    EXPECT_LT(std::chrono::duration<double>(best).count(), 0.05) << argument;
  }
}
#endif

TEST_F(SeldonReport, Plots) {
  const auto result =
      report("plots " + store_ + " --out " + out_ + " --formats svg,png --rule hard --truth held_out");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_TRUE(std::filesystem::exists(out_ + "/three_plots.svg"));
  EXPECT_TRUE(std::filesystem::exists(out_ + "/three_plots.png"));
  EXPECT_FALSE(std::filesystem::exists(out_ + "/three_plots.pdf"));
  EXPECT_THAT(example::read_file(out_ + "/three_plots.gp"), HasSubstr("held-out"));
}

TEST_F(SeldonReport, ExportsBothLayouts) {
  EXPECT_EQ(report("export " + store_ + " --out " + out_ + " --layout toolkit").status, 0);
  EXPECT_TRUE(std::filesystem::exists(out_ + "/qsa_results/qsa_results.csv"));
  EXPECT_EQ(report("export " + store_ + " --out " + out_ + " --layout tidy").status, 0);
  EXPECT_THAT(example::read_file(out_ + "/cells.csv"), StartsWith("model,data_frac,n,trial,state"));
}

TEST_F(SeldonReport, StatusAndDigest) {
  const auto status = report("status " + store_);
  EXPECT_EQ(status.status, 0);
  EXPECT_THAT(status.output, HasSubstr("80 ended (100.0 %), complete"));
  const auto digest = report("digest " + store_);
  EXPECT_EQ(digest.status, 0);
  EXPECT_EQ(digest.output, store::digest(store_) + "\n");
}

TEST_F(SeldonReport, DamagedRecordIsLeftOutWithAWarningAndHasNoDigest) {
  auto results = example::small();
  example::solve(results, 1, 2, 4, 0.123456789, -0.1);
  std::filesystem::remove(store_);
  store_ = example::write_store(results, folder_.path());
  example::damage(store_, 0.123456789);
  const std::string warning =
      "seldon-report: warning: 1 record does not fit its checksum and is left out (model "
      "'baseline_1', data fraction 0.5, trial 4)";
  const auto status = report("status " + store_);
  EXPECT_EQ(status.status, 0);
  EXPECT_THAT(status.output, HasSubstr(warning));
  EXPECT_THAT(status.output, HasSubstr("1 cells to do"));
  const auto plots = report("plots " + store_ + " --out " + out_ + " --formats svg");
  EXPECT_EQ(plots.status, 0);
  EXPECT_THAT(plots.output, HasSubstr(warning));
  EXPECT_THAT(example::read_file(out_ + "/three_plots.gp"), HasSubstr("PARTIAL: 79 of 80 cells"));
  EXPECT_THAT(report("export " + store_ + " --out " + out_ + " --layout tidy").output, HasSubstr(warning));
  const auto digest = report("digest " + store_);
  EXPECT_EQ(digest.status, 2);
  EXPECT_THAT(digest.output, HasSubstr("model 'baseline_1', data fraction 0.5, trial 4"));
}

TEST_F(SeldonReport, StatusForScripts) {
  EXPECT_EQ(report("status " + store_ + " --count done").output, "80\n");
  EXPECT_EQ(report("status " + store_ + " --count failed").output, "0\n");
  EXPECT_THAT(report("status " + store_ + " --json").output, StartsWith("{\"cells\":80,"));
}

TEST_F(SeldonReport, WatchEndsAtOnceWhereNothingRuns) {
  const auto result = report("status " + store_ + " --watch");
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.output, StartsWith("example: 2 models"));
  EXPECT_THAT(result.output, HasSubstr("solutions"));
}

TEST_F(SeldonReport, WatchGoesOnUntilTheRunEnds) {
  store::LiveStatus live;
  live.host = "another-host";
  live.heartbeat = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  store::LiveStatusFile file(store_);
  file.write(live);
  std::thread run_ends([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    live.exit_code = 0;
    file.write(live);
  });
  const auto result = report("status " + store_ + " --watch");
  run_ends.join();
  EXPECT_EQ(result.status, 0);
  const auto running = result.output.find("running: another-host"),
             ended = result.output.find("the last run ended");
  EXPECT_LT(running, ended);
  EXPECT_NE(ended, std::string::npos);
}

TEST_F(SeldonReport, Timeline) {
  const auto without = report("timeline " + store_);
  EXPECT_EQ(without.status, 2);
  EXPECT_THAT(without.output, HasSubstr("there is no '" + store_ + ".packs.jsonl'"));
  store::PackRow row;
  row.end = 10;
  row.rank = 1;
  row.model = "qsa";
  std::string lines;
  store::append_line(lines, row);
  std::ofstream(store::pack_rows_path(store_)) << lines << "{\n";
  const auto result = report("timeline " + store_);
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.output, HasSubstr("warning: 1 lines of '" + store_ + ".packs.jsonl'"));
  EXPECT_THAT(result.output, HasSubstr(store_ + ".timeline.svg\n"));
  EXPECT_THAT(example::read_file(store_ + ".timeline.svg"), HasSubstr("example: who worked when"));
}

TEST_F(SeldonReport, VersionAndHelp) {
  EXPECT_THAT(report("--version").output, StartsWith("seldon-report 0."));
  EXPECT_EQ(report("--help").status, 0);
  EXPECT_THAT(report("plots --help").output, HasSubstr("--truth"));
}

TEST_F(SeldonReport, BadInputExitsWithTwoAndSaysWhy) {
  for (const std::string& arguments : std::vector<std::string>{
           "", "nonsense", "plots " + store_, "plots /nowhere.h5 --out " + out_, "status " + out_,
           "status " + store_ + " --count nonsense", "status " + store_ + " --count done --watch",
           "timeline /nowhere.h5", "plots " + store_ + " --out /proc/plots",
           "plots " + store_ + " --out " + out_ + " --formats gif",
           "plots " + store_ + " --out " + out_ + " --rule medium",
           "export " + store_ + " --out " + out_ + " --layout csv", "digest /dev/null"}) {
    const auto result = report(arguments);
    EXPECT_EQ(result.status, 2) << arguments << "\n" << result.output;
    EXPECT_THAT(result.output, StartsWith("seldon-report: error: ")) << arguments;
  }
}

// ---- every subcommand, every kind of bad input -----------------------------------------------------------

/// Each subcommand that reads a store, which stands in place of "STORE"; GOOD is a sound one.
const std::vector<std::string>& reading_commands() {
  static const std::vector<std::string> commands = {"plots STORE --out OUT --formats svg",
                                                    "pairs STORE --all",
                                                    "trace STORE --out OUT",
                                                    "tables STORE",
                                                    "report STORE --out OUT --formats html",
                                                    "compare STORE GOOD",
                                                    "compare GOOD STORE",
                                                    "export STORE --out OUT --layout tidy",
                                                    "export STORE --out OUT --layout toolkit",
                                                    "status STORE",
                                                    "status STORE --json",
                                                    "status STORE --count done",
                                                    "timeline STORE",
                                                    "digest STORE",
                                                    "verify STORE"};
  return commands;
}

class BadInput : public SeldonReport {
 protected:
  std::string put(const std::string& name, const std::string& text) const {
    const auto file = (folder_.path() / name).string();
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }
  std::string filled(std::string arguments, const std::string& store) const {
    for (const auto& [from, to] :
         {std::pair<std::string, std::string>("STORE", store), {"GOOD", store_}, {"OUT", out_}})
      if (const auto at = arguments.find(from); at != std::string::npos)
        arguments.replace(at, from.size(), to);
    return arguments;
  }
  void expect_refused(const std::string& arguments, const std::string& words) const {
    const auto result = report(arguments);
    EXPECT_EQ(result.status, 2) << arguments << "\n" << result.output;
    EXPECT_THAT(result.output, StartsWith("seldon-report: error: ")) << arguments;
    EXPECT_THAT(result.output, HasSubstr(words)) << arguments;
  }
};

TEST_F(BadInput, EverySubcommandRefusesWhatIsNoStore) {
  const auto whole = example::read_file(store_);
  const std::vector<std::pair<std::string, std::string>> files = {
      {(folder_.path() / "nowhere.h5").string(), "there is no store"},
      {put("empty.h5", ""), "HDF5 cannot open it"},
      {put("text.h5", "data_frac,trial_i\n"), "HDF5 cannot open it"},
      {put("head.h5", whole.substr(0, 100)), "HDF5 cannot open it"},
      {put("half.h5", whole.substr(0, whole.size() / 2)), "HDF5 cannot open it"}};
  for (const auto& [file, words] : files)
    for (const auto& command : reading_commands()) expect_refused(filled(command, file), words);
  // A folder may hold the stores of a sweep, which `status` shows; this one holds none yet, so that nothing
  // in it is counted.
  const auto folder = folder_.path() / "folder";
  std::filesystem::create_directory(folder);
  for (const auto& command : reading_commands())
    if (!command.ends_with("--count done"))
      expect_refused(filled(command, folder.string()),
                     command.starts_with("status") ? "holds no store" : "it is no ordinary file");
  EXPECT_EQ(report("status " + folder.string() + " --count done").output, "0\n");
}

TEST_F(BadInput, NamesAndNumbersThatTheStoreLacks) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"plots STORE --out OUT --models nobody", "it holds 'qsa', 'baseline_1'"},
      {"plots STORE --out OUT --models qsa,qsa", "chosen twice"},
      {"plots STORE --out OUT --constraints none", "it holds 'parity'"},
      {"plots STORE --out OUT --measure none", "it holds 'log_loss', 'accuracy'"},
      {"plots STORE --out OUT --rule medium", "it holds 'soft', 'hard'"},
      {"plots STORE --out OUT --truth none", "it holds 'original', 'held_out'"},
      {"plots STORE --out OUT --width nan", "choose 2.5 to 40"},
      {"plots STORE --out OUT --legend-columns -1", "--legend-columns"},
      {"plots STORE --out OUT --performance-limits 1,2,3", "takes two numbers"},
      {"plots STORE --out OUT --performance-limits nan,1", "two finite numbers"},
      {"plots STORE --out /proc/none", "cannot be written"},
      {"plots STORE --out STORE", "cannot be written"},
      {"pairs STORE --models qsa,nobody", "it holds 'qsa', 'baseline_1'"},
      {"pairs STORE --all --confidence nan", "a number between 0 and 1"},
      {"pairs STORE --all --truth none", "it holds 'original', 'held_out'"},
      {"trace STORE --out OUT --model nobody", "it holds 'qsa', 'baseline_1'"},
      {"trace STORE --out OUT --trial -1", "--trial"},
      {"tables STORE --models nobody", "nobody"},
      {"compare STORE STORE", "are the same file"},
      {"compare STORE", "B is required"},
      {"export STORE --out OUT --layout tidy --rule medium", "it holds 'soft', 'hard'"},
      {"export STORE --out /proc/none --layout tidy", "cannot be written"},
      {"status STORE --count nonsense", "there is no state 'nonsense'"},
      {"timeline STORE", "packs.jsonl"},
      {"import /nowhere --rows 10 --delta 0.1 --constraint a=b --out x.h5", "cannot be read as a folder"},
      {"import STORE --rows 10 --delta 0.1 --constraint a=b --out x.h5", "cannot be read as a folder"},
      {"import . --rows -1 --delta 0.1 --constraint a=b --out x.h5", "no negative numbers"},
      {"import . --rows 10 --delta 0.1,0.2 --constraint a=b --out x.h5", "--delta has 2 values"},
      {"import . --rows 10 --delta 0.1 --constraint a --out x.h5", "is not NAME=EXPRESSION"},
      {"import . --rows 10 --delta 0.1 --constraint a=b --out STORE", "exists already"}};
  for (const auto& [command, words] : cases) {
    auto arguments = filled(command, store_);
    expect_refused(filled(arguments, store_), words);  // some name the store twice
  }
}

TEST_F(BadInput, GnuplotThatIsMissingIsNamed) {
  const auto result = run("env PATH=/nowhere " SELDON_REPORT " plots " + store_ + " --out " + out_);
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.output, HasSubstr("gnuplot, which is not found in PATH; install it"));
}

TEST_F(SeldonReport, ListsLeaveTheArgumentAfterThemAlone) {
  EXPECT_EQ(report("plots --performance-limits 0,1 --formats svg " + store_ + " --out " + out_).status, 0);
  const auto in = folder_.path() / "in";
  std::filesystem::create_directory(in);
  std::ofstream(in / "qsa_results.csv")
      << "data_frac,trial_i,performance,passed_safety,gvec\n1.0,0,0.5,True,[-0.1]\n";
  const auto other = (folder_.path() / "other.h5").string();
  const auto made = report("import --rows 10 --constraint a=b --seldonian qsa --delta 0.1 " + in.string() +
                           " --performance log_loss --out " + other);
  EXPECT_EQ(made.status, 0) << made.output;
  const auto compared =
      report("compare --models qsa --format csv " + store_ + " " + other + " --out " + out_);
  EXPECT_EQ(compared.status, 0) << compared.output;
  EXPECT_TRUE(std::filesystem::exists(out_ + "/comparison.csv"));
}

TEST_F(SeldonReport, EqualStoresGiveEqualFiles) {
  const auto draw = [&](const std::string& folder) {
    const auto result = report("plots " + store_ + " --out " + folder + " --formats svg,png");
    EXPECT_EQ(result.status, 0) << result.output;
  };
  const auto again = out_ + "_again";
  draw(out_);
  draw(again);
  for (const char* file : {"/three_plots.svg", "/three_plots.png", "/three_plots.gp", "/three_plots.dat"})
    EXPECT_EQ(example::read_file(out_ + file), example::read_file(again + file)) << file;
}

}  // namespace
}  // namespace seldon::analysis
