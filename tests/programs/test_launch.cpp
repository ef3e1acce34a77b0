#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "programs/launch.h"

namespace seldon::programs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Environment = std::map<std::string, std::string>;

LaunchFacts facts_of(const Environment& environment) {
  return launch_facts([&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

void expect_facts(const Environment& environment, Launcher launcher, int processes, int rank, bool has_mpi) {
  const LaunchFacts facts = facts_of(environment);
  EXPECT_EQ(facts.launcher, launcher);
  EXPECT_EQ(facts.processes, processes);
  EXPECT_EQ(facts.rank, rank);
  EXPECT_EQ(facts.has_mpi(), has_mpi);
}

const Environment script{{"SLURM_JOB_ID", "7"},
                         {"SLURM_NTASKS", "4"},
                         {"SLURM_JOB_NUM_NODES", "2"},
                         {"SLURM_PROCID", "0"},
                         {"SLURM_LOCALID", "0"}};

Environment with(Environment environment, const Environment& more) {
  for (const auto& [name, value] : more) environment[name] = value;
  return environment;
}

template <class Check>
std::string refusal(Check check) {
  try {
    check();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(LaunchFacts, TellsWhoStartedTheProcess) {
  expect_facts({}, Launcher::none, 1, 0, false);
  expect_facts({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "3"}, {"PMIX_RANK", "2"}},
               Launcher::mpirun, 3, 2, true);
  expect_facts({{"PMI_RANK", "1"}, {"PMI_SIZE", "8"}}, Launcher::process_mi, 8, 1, true);
  expect_facts(script, Launcher::slurm_script, 4, 0, false);
  const Environment step =
      with(script, {{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "3"}});
  expect_facts(step, Launcher::srun, 4, 3, false);
  expect_facts(with(step, {{"PMIX_RANK", "3"}}), Launcher::srun_pmix, 4, 3, true);
  expect_facts(with(step, {{"PMI_RANK", "3"}, {"PMI_SIZE", "4"}}), Launcher::process_mi, 4, 3, true);
}

TEST(LaunchFacts, BelievesTheInnermostLauncher) {
  // On a second node mpirun's daemon, and so its ranks, are in a step of one task per node.
  const Environment daemons =
      with(script, {{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}});
  expect_facts(with(daemons, {{"OMPI_COMM_WORLD_RANK", "5"}, {"OMPI_COMM_WORLD_SIZE", "6"}}),
               Launcher::mpirun, 6, 5, true);
}

TEST(LaunchFacts, CountsNodesWhereSlurmCountsNoTasks) {
  expect_facts({{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_NUM_NODES", "3"}}, Launcher::slurm_script, 3, 0, false);
  expect_facts({{"SLURM_JOB_ID", "7"}, {"SLURM_NNODES", "3"}, {"SLURM_NTASKS_PER_NODE", "2"}},
               Launcher::slurm_script, 6, 0, false);
  expect_facts({{"SLURM_JOB_ID", "7"}}, Launcher::slurm_script, 1, 0, false);
}

TEST(LaunchFacts, TakesNonsenseForAbsent) {
  for (const std::string nonsense : {"", "two", "2x", "-1", "99999999999"}) {
    expect_facts({{"OMPI_COMM_WORLD_RANK", nonsense}}, Launcher::none, 1, 0, false);
    expect_facts({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", nonsense}}, Launcher::slurm_script, 1, 0, false);
  }
}

TEST(CheckLaunch, RefusesAJobScriptWithoutMpirun) {
  EXPECT_THAT(refusal([] { check_launch(facts_of(script), false); }),
              AllOf(HasSubstr("room for 4 processes"), HasSubstr("mpirun -n 4 seldon run"),
                    HasSubstr("srun --mpi=pmix -n 4"), HasSubstr("--alone")));
  EXPECT_EQ(refusal([] { check_launch(facts_of(script), true); }), "");
}

TEST(CheckLaunch, RefusesSrunWithoutMpi) {
  const LaunchFacts facts{Launcher::srun, 4, 1};
  EXPECT_THAT(refusal([&] { check_launch(facts, false); }), HasSubstr("srun --mpi=pmix -n 4 seldon run"));
  EXPECT_THAT(refusal([&] { check_launch(facts, true); }), HasSubstr("leave the launcher"));
}

TEST(CheckLaunch, NeverLetsSeveralProcessesBeAlone) {
  for (const Launcher launcher : {Launcher::mpirun, Launcher::process_mi, Launcher::srun_pmix}) {
    EXPECT_EQ(refusal([&] { check_launch({launcher, 2, 1}, false); }), "");
    EXPECT_THAT(refusal([&] {
                  check_launch({launcher, 2, 1}, true);
                }),
                HasSubstr("the launcher started 2 processes"));
  }
}

TEST(CheckLaunch, LetsOneProcessBe) {
  for (const Launcher launcher : {Launcher::none, Launcher::mpirun, Launcher::srun, Launcher::slurm_script})
    for (const bool alone : {false, true})
      EXPECT_EQ(refusal([&] { check_launch({launcher, 1, 0}, alone); }), "");
}

TEST(CheckJoined, RefusesALauncherThatMpiDoesNotKnow) {
  const LaunchFacts facts{Launcher::mpirun, 3, 2};
  EXPECT_EQ(refusal([&] { check_joined(facts, 3, "Open MPI v4.1.4"); }), "");
  EXPECT_THAT(refusal([&] { check_joined(facts, 1, "Open MPI v4.1.4"); }),
              AllOf(HasSubstr("Open MPI v4.1.4"), HasSubstr("mpirun -n 3")));
  EXPECT_EQ(refusal([&] { check_joined({Launcher::mpirun, 1, 0}, 1, ""); }), "");
}

}  // namespace
}  // namespace seldon::programs
