// The job script, and its submission to stand-ins for Slurm's and MPI's programs.

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "programs/submit.h"
#include "store/live_status.h"
#include "tests/programs/command.h"

namespace seldon::programs {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

/// What `call` throws as InputError, or "" if it does not.
template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

std::string text_of(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// A program that leaves STORE.live.json as `seldon run` does, and ends with this status.
std::string ends_with(const store::LiveStatus& live, int status) {
  return "echo '" + store::to_json(live) + "' >\"$TEST/store 100%.h5.live.json\"; exit " +
         std::to_string(status);
}
std::string says(std::optional<int> exit_code, int status = 0) {
  store::LiveStatus live;
  live.job = "a job whose \"exit_code\":0 is text";
  live.exit_code = exit_code;
  live.cells_by_state[static_cast<std::size_t>(CellState::pending)] = 1;
  return ends_with(live, status);
}
const std::string completes = says(0);

class SubmitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("seldon submit's \"test\" $HOME " + std::to_string(getpid()));
    fs::create_directories(folder_ / "bin");
    request_.config_path = path("an experiment.toml");
    request_.store_path = path("store 100%.h5");
    request_.program = path("bin/seldon");
    request_.nodes = 2;
    request_.tasks_per_node = 2;
    request_.check = [] { return 1u; };
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  /// A program of this name comes before the system's and does what `script` says.
  void stand_in(const std::string& name, const std::string& script) const {
    std::ofstream(folder_ / "bin" / name) << "#!/bin/bash\n" << script << "\n";
    chmod((folder_ / "bin" / name).c_str(), 0755);
  }

  /// Stand-ins for all that a job calls: Slurm writes down what it is asked, the launcher runs rank 0 alone,
  /// `seldon` does what `program` says, and `recorded` prints the number of cells.
  void stand_ins(const std::string& program, const std::string& recorded) const {
    stand_in("squeue",
             "case \"$*\" in *'%T %r') cat \"$TEST/state\" ;; *%T) cut -d' ' -f1 \"$TEST/state\" ;; *) echo "
             "2000000000 ;; esac");
    stand_in("scontrol", "echo \"scontrol $*\" >>\"$TEST/asked\"; exit $(cat \"$TEST/requeue-status\")");
    stand_in("sbatch", "printf '%s\\n' \"sbatch $*\" >>\"$TEST/asked\"");
    stand_in("mpirun",
             "[ \"$1\" != --version ] || { echo 'mpirun (Open MPI) 4.1.4'; exit; }\n"
             "echo \"mpirun $*\" >>\"$TEST/asked\"\n"
             "while [[ \"$1\" != */seldon ]]; do shift; done\nexec \"$@\"");
    stand_in("seldon", program);
    stand_in("seldon-report", recorded);
    write("state", "RUNNING None\n");
    write("requeue-status", "0\n");
    write("store 100%.h5", "");
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }

  /// The script as Slurm would start it: in a shell of its own, with the job's variables.
  std::vector<std::string> job(int restarts = 0) const {
    stand_in("sleep", "case $1 in [1-9]) exec /usr/bin/sleep 0.1 ;; *) exec /usr/bin/sleep \"$1\" ;; esac");
    write("job.sh", job_script(request_, 1));
    return {"env",
            "PATH=" + path("bin") + ":/usr/bin:/bin",
            "TEST=" + folder_.string(),
            "SLURM_JOB_ID=7",
            "SLURM_RESTART_COUNT=" + std::to_string(restarts),
            "SLURM_JOB_NUM_NODES=2",
            "bash",
            path("job.sh")};
  }
  std::string asked() const { return text_of(folder_ / "asked"); }

  fs::path folder_;
  SubmitRequest request_;
};

TEST_F(SubmitTest, WritesWhatSlurmReads) {
  request_.gpus_per_node = 4;
  request_.tasks_per_node = {};
  request_.time = "1-12:30:00";
  request_.partition = "gpu";
  request_.account = "a b";
  request_.sbatch_options = {"--qos=long", "--no-kill"};
  request_.grace_seconds = 300;
  const std::string script = job_script(request_, 1);
  EXPECT_THAT(script, HasSubstr("\n#SBATCH --job-name=\"an experiment\"\n#SBATCH --nodes=2\n"
                                "#SBATCH --ntasks-per-node=4\n#SBATCH --gpus-per-node=4\n"
                                "#SBATCH --time=\"1-12:30:00\"\n#SBATCH --partition=\"gpu\"\n"
                                "#SBATCH --account=\"a b\"\n#SBATCH --qos=\"long\"\n#SBATCH --no-kill\n"));
  EXPECT_THAT(script, HasSubstr("store 100%%.h5.log\"\n#SBATCH --open-mode=append\n#SBATCH --requeue\n"
                                "#SBATCH --signal=B:USR1@300\n"));
  EXPECT_THAT(script, HasSubstr("'run.grace_seconds=270'"));
  EXPECT_THAT(script, HasSubstr("launcher=(mpirun"));
  EXPECT_THAT(script, Not(HasSubstr("@LAUNCHER@")));
}

TEST_F(SubmitTest, TakesWholeNodesWithoutANumberOfTasks) {
  request_.tasks_per_node = {};
  EXPECT_THAT(job_script(request_, 1), HasSubstr("\n#SBATCH --nodes=2\n#SBATCH --exclusive\n"));
  stand_ins(completes, "echo 0");
  stand_in("lscpu", "printf '# CORE,SOCKET\\n0,0\\n1,0\\n0,0\\n1,0\\n2,1\\n'");  // two threads on two cores
  EXPECT_EQ(run_command(job()).status, 0);
  EXPECT_THAT(asked(), HasSubstr("mpirun -n 7 "));
}

TEST_F(SubmitTest, GivesAWorkerWithThreadsItsCores) {
  EXPECT_THAT(job_script(request_, 4), HasSubstr("#SBATCH --cpus-per-task=4\n"));
  EXPECT_THAT(job_script(request_, 4), HasSubstr("\nthreads=4\n"));
}

TEST_F(SubmitTest, IsAScriptThatBashReadsWhateverThePaths) {
  request_.overrides = {"data.path=it's \"here\" $(false) `false`\nand here"};
  for (const JobLauncher launcher : {JobLauncher::mpirun, JobLauncher::srun}) {
    request_.launcher = launcher;
    write("job.sh", job_script(request_, 1));
    const auto result = run_command({"bash", "-n", path("job.sh")});
    EXPECT_EQ(result.status, 0) << result.output;
  }
}

TEST_F(SubmitTest, RefusesWhatSlurmWouldRefuse) {
  const auto with = [&](auto change) {
    SubmitRequest request = request_;
    change(request);
    return error_of([&] { job_script(request, 1); });
  };
  EXPECT_EQ(with([](auto&) {}), "");
  for (const char* time : {"soon", "1:2:3:4", "-5", "1-", " 5", "12h"})
    EXPECT_THAT(with([&](auto& r) { r.time = time; }), HasSubstr("none that Slurm knows")) << time;
  for (const char* time : {"90", "12:00:00", "3:30", "2-0", "1-2:30", "1-2:30:10", "UNLIMITED"})
    EXPECT_EQ(with([&](auto& r) { r.time = time; }), "") << time;
  EXPECT_THAT(with([](auto& r) { r.time = "2:00"; }), HasSubstr("not longer than --grace 120"));
  EXPECT_THAT(with([](auto& r) { r.nodes = 0; }), HasSubstr("--nodes is 0"));
  EXPECT_THAT(with([](auto& r) { r.gpus_per_node = 0; }), HasSubstr("--gpus-per-node is 0"));
  EXPECT_THAT(with([](auto& r) { r.grace_seconds = 70000; }), HasSubstr("--grace"));
  EXPECT_THAT(with([](auto& r) { r.partition = "a\n#SBATCH --wrap=x"; }), HasSubstr("--partition"));
  EXPECT_THAT(with([](auto& r) { r.store_path = "back\\slash.h5"; }), HasSubstr("--store"));
  EXPECT_THAT(with([](auto& r) { r.sbatch_options = {"rm"}; }), HasSubstr("no option of sbatch"));
}

TEST_F(SubmitTest, ChecksTheConfigFirst) {
  request_.check = []() -> std::uint32_t { throw InputError("the config is bad"); };
  EXPECT_EQ(error_of([&] { submit(request_); }), "the config is bad");
  EXPECT_FALSE(fs::exists(request_.store_path + ".sbatch"));
}

TEST_F(SubmitTest, ASweepKeepsTheJobsFilesInItsFolder) {
  request_.sweep = true;
  request_.store_path = path("sweeps/");
  const std::string script = job_script(request_, 1);
  EXPECT_THAT(script, HasSubstr("/sweeps/sweep.log\""));
  EXPECT_THAT(script, HasSubstr("/sweeps/sweep'\nresults="));
  EXPECT_FALSE(fs::exists(path("sweeps")));
  // A job looks at the folder, and at what the run says of itself in it.
  fs::create_directories(path("sweeps"));
  stand_ins("echo '{\"exit_code\":0}' >\"$TEST/sweeps/sweep.live.json\"; exit 0", "echo 0");
  const auto result = run_command(job());
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("complete"));
  EXPECT_TRUE(fs::exists(path("sweeps/sweep.chain")));
}

TEST_F(SubmitTest, SaysWhenTheEnvironmentCannotBeRead) {
  request_.env_file = path("none");
  EXPECT_THAT(error_of([&] { submit(request_); }), HasSubstr("cannot read --env"));
}

TEST_F(SubmitTest, SaysWhenTheScriptCannotBeWritten) {
  request_.store_path = path("no folder/store.h5");
  EXPECT_THAT(error_of([&] { submit(request_); }), HasSubstr("cannot write the job script"));
}

TEST_F(SubmitTest, PrintsAndWritesNothingWhenDry) {
  request_.dry_run = true;
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(submit(request_), ExitCode::complete);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), job_script(request_, 1));
  EXPECT_FALSE(fs::exists(request_.store_path + ".sbatch"));
}

TEST_F(SubmitTest, HandsTheScriptToSbatch) {
  stand_in("sbatch", "printf '%s' \"$1\" >\"$TEST/asked\"; exit $(cat \"$TEST/status\")");
  write("status", "0");
  const std::string old_path = getenv("PATH");
  setenv("PATH", (path("bin") + ":" + old_path).c_str(), 1);
  setenv("TEST", folder_.c_str(), 1);
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(submit(request_), ExitCode::complete);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("seldon-report status"));
  EXPECT_EQ(asked(), request_.store_path + ".sbatch");
  EXPECT_EQ(text_of(asked()), job_script(request_, 1));
  write("status", "1");
  EXPECT_THAT(error_of([&] { submit(request_); }), HasSubstr("sbatch refused the job (status 1)"));
  setenv("PATH", path("nothing").c_str(), 1);
  EXPECT_THAT(error_of([&] { submit(request_); }), HasSubstr("cannot start sbatch"));
  setenv("PATH", old_path.c_str(), 1);
  unsetenv("TEST");
}

TEST_F(SubmitTest, TheJobRunsTheProgramWithItsArguments) {
  request_.overrides = {"experiment.name=it's \"odd\" $HOME"};
  request_.run_flags = {"--retry", "failed", "--shard", "0/2"};
  request_.log_folder = path("logs");
  request_.env_file = path("env");
  write("env", "export FROM_ENV='the environment'\n");
  stand_ins(std::string("printf '%s\\n' \"$@\" >\"$TEST/arguments\"; ") +
                "echo \"$SLURM_JOB_END_TIME $FROM_ENV $OMP_NUM_THREADS\"; " + completes,
            "echo 0");
  const auto result = run_command(job());
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(text_of(folder_ / "arguments"),
            "run\n" + request_.config_path + "\n--store\n" + request_.store_path + "\n--log-dir\n" +
                path("logs") + "\n--set\nrun.grace_seconds=90\n--set\nexperiment.name=it's \"odd\" $HOME\n" +
                "--shard\n0/2\n--retry\nfailed\n");
  EXPECT_THAT(result.output, HasSubstr("2000000000 the environment 1\n"));
  EXPECT_THAT(asked(), HasSubstr("mpirun -n 5 --oversubscribe --bind-to core:overload-allowed"));
  EXPECT_THAT(asked(), Not(HasSubstr("scontrol")));
}

/// Rank 0 ends the launcher where a worker hangs that nobody can reach.
TEST_F(SubmitTest, WhatTheProgramSaysGoesBeforeTheLaunchersStatus) {
  for (const int code : {0, 2}) {
    stand_ins(says(code, 1), "echo 0");
    const auto result = run_command(job());
    EXPECT_EQ(result.status, code) << result.output;
    EXPECT_THAT(asked(), Not(HasSubstr("scontrol")));
  }
}

TEST_F(SubmitTest, TheStoreMayBeALink) {
  request_.store_path = path("a link.h5");
  fs::create_symlink("store 100%.h5", request_.store_path);
  stand_ins(completes, "echo 0");
  const auto result = run_command(job());
  EXPECT_EQ(result.status, 0) << result.output;
}

TEST_F(SubmitTest, TheJobEndsForGoodOnBadInputAlone) {
  const std::vector<std::pair<int, bool>> ends{{2, false}, {1, true},   {3, true},
                                               {4, true},  {137, true}, {205, true}};
  for (const auto& [status, goes_on] : ends) {
    stand_ins("exit " + std::to_string(status), "echo $RANDOM");
    fs::remove(folder_ / "asked");
    const auto result = run_command(job());
    EXPECT_EQ(result.status, goes_on ? 3 : 2) << result.output;
    EXPECT_EQ(asked().find("scontrol requeue 7") != std::string::npos, goes_on) << status << asked();
  }
}

/// mpirun of Open MPI 5 does so when all ranks were killed.
TEST_F(SubmitTest, TheJobBelievesNoLauncherThatAllIsWell) {
  for (const std::string& program : {says(3), says({}), std::string("exit 0")}) {
    stand_ins(program, "echo $RANDOM");
    store::LiveStatus last_run;
    last_run.exit_code = 0;
    write("store 100%.h5.live.json", store::to_json(last_run));
    fs::remove(folder_ / "asked");
    const auto result = run_command(job());
    EXPECT_EQ(result.status, 3) << program << result.output;
    EXPECT_THAT(result.output, HasSubstr("the program has not said that it is complete"));
    EXPECT_THAT(asked(), HasSubstr("scontrol requeue 7"));
  }
}

TEST_F(SubmitTest, TheChainStopsWhereOnlyFailedCellsAreLeft) {
  store::LiveStatus status;
  status.exit_code = 3;
  status.phases = {{"lost", 1}};
  const auto set = [&](CellState state, std::uint64_t cells) {
    status.cells_by_state[static_cast<std::size_t>(state)] = cells;
  };
  set(CellState::done, 5);
  set(CellState::failed, 2);
  stand_ins(ends_with(status, 3), "case \"$4\" in failed) echo 2 ;; *) echo $RANDOM ;; esac");
  const auto result = run_command(job());
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("stopped: 2 cells FAILED in every try, all others are recorded"));
  EXPECT_FALSE(fs::exists(folder_ / "asked") && asked().find("scontrol") != std::string::npos);

  for (const CellState state :
       {CellState::pending, CellState::leased, CellState::lost, CellState::preempted}) {
    set(state, 10);
    stand_ins(ends_with(status, 3), "echo $RANDOM");
    fs::remove(folder_ / "asked");
    EXPECT_THAT(run_command(job()).output, HasSubstr("goes on in the next job"));
    EXPECT_THAT(asked(), HasSubstr("scontrol requeue 7"));
    set(state, 0);
  }
  status.exit_code.reset();  // it died before its end
  stand_ins(ends_with(status, 3), "echo $RANDOM");
  EXPECT_THAT(run_command(job()).output, HasSubstr("goes on in the next job"));
}

/// The flag would give a cell that always fails new tries in every job.
TEST_F(SubmitTest, OnlyTheFirstRunOfAChainTriesFailedCellsAgain) {
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"--retry", "failed"}, {"--retry=failed"}}) {
    fs::remove(folder_ / "store 100%.h5.chain");
    request_.run_flags = flags;
    request_.run_flags.push_back("--extend");
    const std::string notes = "echo \"$*\" >>\"$TEST/runs\"; ";
    stand_ins(notes + "exit 3", "echo $RANDOM");
    write("runs", "");
    write("store 100%.h5.live.json", "of an earlier chain");
    const auto retried = [&] {
      write("runs", "");
      run_command(job());
      const std::string run = text_of(folder_ / "runs");
      EXPECT_THAT(run, HasSubstr("--extend"));
      return run.find("--retry") != std::string::npos;
    };
    EXPECT_TRUE(retried());  // but it dies before it has opened the store
    stand_ins(notes + says({}, 3), "echo $RANDOM");
    EXPECT_TRUE(retried());
    EXPECT_FALSE(retried());
    stand_ins(notes + "exit 3", "echo $RANDOM");
    EXPECT_FALSE(retried());
    EXPECT_FALSE(retried());
  }
}

TEST_F(SubmitTest, TroubleOfANodeDoesNotEndTheChain) {
  request_.env_file = path("env");
  stand_ins("echo \"ran\" >\"$TEST/ran\"; exit 3", "echo 5");
  write("env", "false\n");
  const auto first = run_command(job());
  EXPECT_EQ(first.status, 3);
  EXPECT_THAT(first.output, HasSubstr("env failed (status 1), which is sourced before the program starts"));
  EXPECT_THAT(asked(), HasSubstr("scontrol requeue 7"));
  EXPECT_THAT(run_command(job(1)).output, HasSubstr("stopped: two jobs in a row"));
  EXPECT_FALSE(fs::exists(folder_ / "ran"));

  request_.env_file.clear();
  fs::remove(folder_ / "store 100%.h5.chain");
  fs::remove(folder_ / "asked");
  const fs::path here = fs::current_path(), gone = folder_ / "gone";
  fs::create_directory(gone);
  fs::current_path(gone);
  const auto command = job();
  fs::current_path(here);
  fs::remove(gone);
  const auto result = run_command(command);
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.output, HasSubstr("cannot enter the folder"));
  EXPECT_THAT(asked(), HasSubstr("scontrol requeue 7"));
  EXPECT_FALSE(fs::exists(folder_ / "ran"));
}

TEST_F(SubmitTest, TheEndOfTheJobBeforeIsNotTakenForItsOwn) {
  stand_ins("echo \"ends ${SLURM_JOB_END_TIME-unknown}\"; " + completes, "echo 0");
  stand_in("squeue", "");
  auto command = job();
  command.insert(command.begin() + 1, "SLURM_JOB_END_TIME=1000000000");
  const auto result = run_command(command);
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("ends unknown\n"));
}

TEST_F(SubmitTest, ABusySlurmIsAskedAgain) {
  stand_ins("exit 3", "echo $RANDOM");
  const std::string answers = text_of(folder_ / "bin" / "squeue");
  write("state", "COMPLETING None\n");
  stand_in("squeue", "[ -e \"$TEST/was busy\" ] || { touch \"$TEST/was busy\"; exit 1; }\n" + answers);
  EXPECT_THAT(run_command(job()).output, HasSubstr("ended by Slurm: cancelled"));
  EXPECT_THAT(asked(), Not(HasSubstr("scontrol")));

  stand_in("squeue", "exit 1");  // whether it was cancelled is not known
  const auto result = run_command(job());
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.output, HasSubstr("If it was not: sbatch " + request_.store_path + ".sbatch"));
  EXPECT_THAT(asked(), Not(HasSubstr("scontrol")));
}

TEST_F(SubmitTest, TheChainStopsAfterTwoJobsInVain) {
  stand_ins("echo x >>\"$TEST/cells\"; exit 3", "wc -l <\"$TEST/cells\"");
  write("cells", "");
  EXPECT_THAT(run_command(job(0)).output, HasSubstr("1 cells recorded: goes on"));
  EXPECT_THAT(run_command(job(1)).output, HasSubstr("2 cells recorded: goes on"));
  stand_ins("exit 3", "wc -l <\"$TEST/cells\"");
  EXPECT_THAT(run_command(job(2)).output, HasSubstr("2 cells recorded: goes on"));
  fs::remove(folder_ / "asked");
  const auto last = run_command(job(3));
  EXPECT_EQ(last.status, 3);
  EXPECT_THAT(last.output, HasSubstr("stopped: two jobs in a row have recorded no cell (2 so far)"));
  EXPECT_THAT(asked(), Not(HasSubstr("scontrol")));
}

/// A cell that takes every job down with it: deaths are counted against it, and nothing is recorded.
TEST_F(SubmitTest, TheChainGoesOnWhileSuspicionsHarden) {
  stand_ins("echo x >>\"$TEST/deaths\"; exit 3",
            "case \"$4\" in progress) wc -l <\"$TEST/deaths\" ;; done) echo 2 ;; *) exit 2 ;; esac");
  write("deaths", "");
  for (int restart = 0; restart < 4; ++restart)
    EXPECT_THAT(run_command(job(restart)).output, HasSubstr("2 cells recorded: goes on"));
  EXPECT_THAT(text_of(folder_ / "store 100%.h5.chain"), HasSubstr("7 7 3 3 "));
}

TEST_F(SubmitTest, TheChainAlsoCountsJobsThatDiedAtOnce) {
  stand_ins("exit 3", "echo 5");
  write("store 100%.h5.chain", "7 7 0 5 t\n7 7 1 5 t\n");
  const auto result = run_command(job(2));
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.output, HasSubstr("stopped: two jobs in a row"));
  EXPECT_FALSE(fs::exists(folder_ / "asked"));             // nothing was started
  write("store 100%.h5.chain", "6 6 0 5 t\n6 6 1 5 t\n");  // another chain
  EXPECT_THAT(run_command(job(2)).output, HasSubstr("goes on in the next job"));
}

/// On a bad node, or beside one.
TEST_F(SubmitTest, AJobThatCannotReadTheStoreCountsOnlyBesideItsLike) {
  const auto goes_on = [&](const std::string& chain, const std::string& count) {
    stand_ins("exit 3", count);
    write("store 100%.h5.chain", chain);
    const std::string output = run_command(job(2)).output;
    const bool stopped = output.find("stopped: two jobs in a row") != std::string::npos;
    EXPECT_NE(stopped, output.find("goes on in the next job") != std::string::npos) << output;
    return !stopped;
  };
  EXPECT_FALSE(goes_on("7 7 0 5 t\n7 7 1 unreadable t\n", "echo 5"));  // and this one, from 5 to 5
  EXPECT_TRUE(goes_on("7 7 0 4 t\n7 7 1 unreadable t\n", "echo 5"));
  EXPECT_TRUE(goes_on("7 7 0 5 t\n7 7 1 5 t\n", "exit 3"));
  EXPECT_FALSE(goes_on("7 7 0 5 t\n7 7 1 unreadable t\n", "exit 3"));
}

TEST_F(SubmitTest, AFollowUpJobTakesThePlaceOfOneThatCannotBeRequeued) {
  stand_ins("exit 3", "echo 1");
  write("requeue-status", "1\n");
  const auto result = run_command(job());
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_THAT(asked(),
              HasSubstr("sbatch --dependency=afterany:7 --begin=now+90 " + request_.store_path + ".sbatch"));
}

TEST_F(SubmitTest, ACancelledJobIsNotRequeuedButOneOutOfTimeIs) {
  stand_ins("exit 3", "echo $RANDOM");
  write("state", "COMPLETING None\n");
  EXPECT_EQ(run_command(job()).status, 3);
  EXPECT_THAT(asked(), Not(HasSubstr("scontrol")));
  write("state", "COMPLETING TimeLimit\n");
  EXPECT_EQ(run_command(job()).status, 3);
  EXPECT_THAT(asked(), HasSubstr("scontrol requeue 7"));
}

TEST_F(SubmitTest, TheJobForwardsUsr1AndWaitsForTheEnd) {
  stand_ins(
      "trap 'echo drained >\"$TEST/drained\"; sleep 0.3; exit 3' USR1\n"
      "kill -USR1 $PPID; while :; do sleep 0.1; done",
      "echo 1");
  const auto result = run_command(job());
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_EQ(text_of(folder_ / "drained"), "drained\n");
  EXPECT_THAT(result.output, HasSubstr("incomplete (status 3)"));
  EXPECT_THAT(asked(), HasSubstr("scontrol requeue 7"));
}

/// It comes before the shell knows the launcher's pid.
TEST_F(SubmitTest, ASignalWhileTheLauncherStartsIsHandedOn) {
  stand_ins(
      "trap 'echo x >>\"$TEST/drained\"; exit 3' USR1\n"
      "touch \"$TEST/ready\"; for i in {1..100}; do /usr/bin/sleep 0.1; done",
      "echo 1");
  auto command = job();
  const std::string script = text_of(path("job.sh")), mark = "  launcher_pid=$!\n";
  const auto at = script.find(mark);
  ASSERT_NE(at, std::string::npos);
  write("job.sh", script.substr(0, at) +
                      "  while [ ! -e \"$TEST/ready\" ]; do /usr/bin/sleep 0.02; done\n  kill -USR1 $$\n" +
                      script.substr(at));
  const auto result = run_command(command);
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_EQ(text_of(folder_ / "drained"), "x\n");
}

TEST_F(SubmitTest, ALauncherThatHangsAtTheTimeLimitDoesNotEndTheChain) {
  stand_ins("trap '' TERM USR1; kill -TERM $PPID; exec sleep 60", "echo 1");
  write("state", "COMPLETING TimeLimit\n");
  const auto result = run_command(job());
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("incomplete (status 137)"));
  EXPECT_THAT(asked(), HasSubstr("scontrol requeue 7"));
}

}  // namespace
}  // namespace seldon::programs
