#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace seldon::programs
