#include <chrono>
#include <csignal>
#include <cstdio>
#include <limits>
#include <optional>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "core/last_resort.h"

namespace seldon {
namespace {

TEST(LastResortDeathTest, EndsWhatHangs) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto hang = [] {
    const LastResort guard(0.05, ExitCode::incomplete, "the start hangs");
    for (;;) pause();  // as a library that never comes back
  };
  EXPECT_EXIT(hang(), ::testing::ExitedWithCode(3), "seldon: error: the start hangs; this process ends now");
}

TEST(LastResortDeathTest, EndsWhatHangsWithSignalsBlocked) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto hang = [] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    const LastResort guard(0.05, ExitCode::internal, "it hangs");
    for (volatile bool spin = true; spin;) {
    }
  };
  EXPECT_EXIT(hang(), ::testing::ExitedWithCode(4), "it hangs");
}

TEST(LastResortDeathTest, EndsByASignalWhereOthersMustNotice) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto hang = [] {
    const LastResort guard(0.05, ExitCode::incomplete, "the end hangs", Ending::signal);
    for (;;) pause();
  };
  EXPECT_EXIT(hang(), ::testing::KilledBySignal(SIGKILL), "the end hangs");
}

TEST(LastResort, LetsGoAtOnceWhenDisarmed) {
  const auto start = std::chrono::steady_clock::now();
  {
    LastResort guard(0.3, ExitCode::internal, "never said");
    guard.disarm();
    guard.disarm();
    const LastResort other(1000, ExitCode::internal, "never said");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(250));
  usleep(400'000);  // past the first one's time
}

TEST(LastResortDeathTest, CountsFromTheLastSignOfLife) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto hang = [] {
    LastResort guard(0.3, ExitCode::incomplete, "the pack hangs");
    for (int i = 0; i < 60; ++i) {
      usleep(10'000);
      guard.rearm();
    }
    std::fputs("lived; ", stderr);
    for (;;) pause();
  };
  EXPECT_EXIT(hang(), ::testing::ExitedWithCode(3), "lived; seldon: error: the pack hangs");
}

/// As Slurm suspends a job: nobody has hung.
TEST(LastResort, DoesNotCountTheTimeOfAStop) {
  const pid_t child = fork();
  if (child == 0) {
    LastResort guard(0.4, ExitCode::internal, "never said");
    for (int i = 0; i < 100; ++i) {
      usleep(10'000);
      guard.rearm();
    }
    guard.disarm();
    _exit(0);
  }
  usleep(200'000);
  kill(child, SIGSTOP);
  usleep(800'000);
  kill(child, SIGCONT);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(LastResort, TakesInfinityForNever) {
  LastResort guard(std::numeric_limits<double>::infinity(), ExitCode::internal, "never said");
  guard.rearm();
  usleep(50'000);
}

volatile std::sig_atomic_t handled_by = 0;

TEST(LastResort, TakesNoSignals) {
  const LastResort guard(1000, ExitCode::internal, "never said");
  std::signal(SIGUSR2, [](int) { handled_by = static_cast<std::sig_atomic_t>(gettid()); });
  sigset_t one, before;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &one, &before);
  kill(getpid(), SIGUSR2);  // any thread that does not block it would get it now
  usleep(50'000);
  EXPECT_EQ(handled_by, 0);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(handled_by, static_cast<std::sig_atomic_t>(gettid()));
  std::signal(SIGUSR2, SIG_DFL);
}

}  // namespace
}  // namespace seldon
