#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "core/process.h"
#include "programs/last_resort.h"

namespace seldon::programs {
namespace {

/// How a process of this name ends that has started one which calls end_launcher(), through a shell of its
/// own, as some users' scripts do.
int status_of_launcher(const char* name) {
  const pid_t launcher = fork();
  if (launcher == 0) {
    prctl(PR_SET_NAME, name);
    const pid_t script = fork();
    if (script == 0) {
      prctl(PR_SET_NAME, "bash");
      const pid_t rank = fork();
      if (rank == 0) _exit(end_launcher() ? 0 : 7);
      int status = 0;
      waitpid(rank, &status, 0);
      _exit(WEXITSTATUS(status));
    }
    int status = 0;
    waitpid(script, &status, 0);
    if (WEXITSTATUS(status) == 0) sleep(10);  // the signal comes
    _exit(WEXITSTATUS(status));
  }
  int status = 0;
  waitpid(launcher, &status, 0);
  return status;
}

/// How a launcher ends that has started a process which calls end_launcher_after() for this rank and leaves.
/// One that hangs heeds no SIGTERM.
int status_of_launcher_watched(const Process& rank, bool hangs) {
  const pid_t launcher = fork();
  if (launcher == 0) {
    prctl(PR_SET_NAME, "mpirun");
    signal(SIGTERM, SIG_IGN);
    const pid_t caller = fork();
    if (caller == 0) {
      end_launcher_after(hangs ? 0.1 : 60, {rank});
      _exit(0);
    }
    waitpid(caller, nullptr, 0);
    if (hangs) sleep(20);
    _exit(5);
  }
  int status = 0;
  waitpid(launcher, &status, 0);
  return status;
}

/// A rank that is stopped; the number of its process.
pid_t start_stopped_rank() {
  const pid_t rank = fork();
  if (rank == 0) {
    raise(SIGSTOP);
    _exit(0);
  }
  waitpid(rank, nullptr, WUNTRACED);
  return rank;
}

int status_of_rank(pid_t rank) {
  int status = 0;
  waitpid(rank, &status, 0);
  return status;
}

TEST(EndLauncher, EndsTheOneThatHasStartedThis) {
  for (const char* name : {"mpirun", "prterun", "prted", "orterun", "orted"}) {
    const int status = status_of_launcher(name);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << name;
  }
}

TEST(EndLauncher, EndsNothingElse) {
  const int status = status_of_launcher("srun");
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

TEST(EndLauncher, AfterATimeKillsOneThatHangsAndTheStoppedRanks) {
  const pid_t rank = start_stopped_rank();
  const int status = status_of_launcher_watched(find_process(rank).value(), true);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_EQ(status_of_rank(rank), SIGKILL);
}

TEST(EndLauncher, LeavesOneThatEndsInTimeAloneAndKillsTheStoppedRanks) {
  const pid_t rank = start_stopped_rank();
  const int status = status_of_launcher_watched(find_process(rank).value(), false);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 5);
  EXPECT_EQ(status_of_rank(rank), SIGKILL);
}

TEST(EndLauncher, KillsNoLaterProcessWithTheNumberOfARank) {
  const pid_t other = start_stopped_rank();
  const int status = status_of_launcher_watched({other, find_process(other)->started - 1}, true);
  EXPECT_TRUE(WIFSIGNALED(status));
  usleep(200'000);
  kill(other, SIGCONT);
  EXPECT_EQ(status_of_rank(other), 0);
}

}  // namespace
}  // namespace seldon::programs
