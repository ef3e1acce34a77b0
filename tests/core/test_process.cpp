#include <array>
#include <signal.h>
#include <string_view>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "core/process.h"

namespace seldon {
namespace {

/// A child that sleeps, and is stopped on top.
pid_t stopped_child() {
  const pid_t child = fork();
  if (child == 0) {
    raise(SIGSTOP);
    _exit(0);
  }
  waitpid(child, nullptr, WUNTRACED);
  return child;
}

TEST(Process, KnowsItself) {
  EXPECT_EQ(this_process().pid, getpid());
  EXPECT_GT(this_process().started, 0u);
  EXPECT_EQ(find_process(getpid()), this_process());
  EXPECT_FALSE(find_process(0));
  EXPECT_FALSE(find_process(-1));
  EXPECT_FALSE(find_process(std::int64_t{1} << 40));
}

TEST(Process, KillsTheStopped) {
  const pid_t child = stopped_child();
  const auto process = find_process(child);
  ASSERT_TRUE(process);
  EXPECT_TRUE(kill_process(*process));
  int status = 0;
  siginfo_t ended = {};
  EXPECT_EQ(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(find_process(child));  // dead, though not reaped
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_FALSE(kill_process(*process));
}

TEST(Process, KillsNoStrangerAndNotItself) {
  const pid_t child = stopped_child();
  Process process = find_process(child).value();
  const Process known = process;
  ++process.started;
  EXPECT_FALSE(kill_process(process));
  process.started = 0;
  EXPECT_FALSE(kill_process(process));
  EXPECT_EQ(find_process(child), known);
  EXPECT_FALSE(kill_process(this_process()));
  EXPECT_FALSE(kill_process({-1, 1}));  // every process that one may signal
  EXPECT_TRUE(kill_process(known));
  waitpid(child, nullptr, 0);
}

TEST(Process, SendsOtherSignals) {
  const pid_t child = stopped_child();
  const Process process = find_process(child).value();
  EXPECT_TRUE(signal_process(process, SIGTERM));
  EXPECT_TRUE(signal_process(process, SIGCONT));
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  EXPECT_FALSE(signal_process(process, SIGTERM));
}

/// In a child with a strange name: exits with 0 if `found` holds in a child of that child.
template <class Found>
int of_grandchild(Found found) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NAME, "a (b) c");
    const Process self = this_process();
    const pid_t grandchild = fork();
    if (grandchild == 0) _exit(found(self) ? 0 : 1);
    int status = 0;
    waitpid(grandchild, &status, 0);
    _exit(WEXITSTATUS(status));
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST(Process, FindsWhoStartedItByName) {
  EXPECT_EQ(of_grandchild([](const Process& parent) {
              return find_ancestor(std::array<std::string_view, 2>{"nobody", "a (b) c"}) == parent;
            }),
            0);
  EXPECT_EQ(of_grandchild([](const Process&) {
              return !find_ancestor(std::array<std::string_view, 2>{"nobody", "a (b)"});
            }),
            0);
}

}  // namespace
}  // namespace seldon
