#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <sstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "store/file.h"
#include "store/lock.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

constexpr LockOptions quick{.take_over = false, .stale_seconds = 0.6};  // a heartbeat each 50 ms

void pause(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

std::string read_all(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// A lock file as `owner` would have left it `age` seconds ago.
void leave_lock(const std::string& store, const Owner& owner, double age = 0) {
  std::ofstream(store + ".lock") << to_text(owner);
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec -= static_cast<time_t>(age);
  const timespec times[2] = {now, now};
  ASSERT_EQ(::utimensat(AT_FDCWD, (store + ".lock").c_str(), times, 0), 0);
}

Owner on_another_node() {
  Owner owner = own_identity();
  owner.host = "node7";
  owner.process = 4711;
  owner.boot = "of another machine";
  return owner;
}

/// A process of its own that runs `work` and ends with its result, killed at the end if it has not.
class Child {
 public:
  explicit Child(const std::function<int()>& work) : number_(::fork()) {
    if (number_ == 0) ::_exit(work());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!waited_) kill(SIGKILL), wait();
  }
  pid_t number() const { return number_; }
  void kill(int signal) const { ::kill(number_, signal); }
  int wait() {
    int status = 0;
    waited_ = true;
    return ::waitpid(number_, &status, 0) == number_ && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t number_;
  bool waited_ = false;
};

/// A pipe that processes meet at.
class Gate {
 public:
  Gate() {
    if (::pipe(ends_) != 0) throw InternalError("no pipe");
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void put(char byte) const {
    if (::write(ends_[1], &byte, 1) != 1) ::_exit(9);
  }
  char take() const {
    char byte = 0;
    return ::read(ends_[0], &byte, 1) == 1 ? byte : '\0';
  }

 private:
  int ends_[2];
};

TEST(Owner, IsReadAsItWasWritten) {
  Owner owner = own_identity();
  owner.job = "99";
  owner.restarts = 2;
  EXPECT_EQ(owner_from_text(to_text(owner)), owner);
  EXPECT_EQ(owner.process, ::getpid());
  EXPECT_GT(owner.started, 0U);
  EXPECT_FALSE(owner.boot.empty());
  EXPECT_NE(own_identity().token, own_identity().token);
  EXPECT_THAT(describe(owner), HasSubstr(", Slurm job 99, restart 2"));
}

TEST(Owner, NothingIsMadeOfOtherTexts) {
  for (const char* text : {"", "\n\n", "token", "token ../../etc/passwd\n", "process many\nstarted -\n"})
    EXPECT_EQ(owner_from_text(text), Owner{}) << text;
}

TEST(Owner, HasEndedOnlyWhereThatIsKnown) {
  const Owner here = own_identity();
  EXPECT_FALSE(has_ended(here, here));
  Owner other = here;
  other.started += 1;  // the number went to another process
  EXPECT_TRUE(has_ended(other, here));
  const auto elsewhere = [&](auto spoil) {
    Owner owner = other;
    spoil(owner);
    return has_ended(owner, here);
  };
  EXPECT_FALSE(elsewhere([](Owner& o) { o.host = "node7"; }));
  EXPECT_FALSE(elsewhere([](Owner& o) { o.boot = "another"; }));
  EXPECT_FALSE(elsewhere([](Owner& o) { o.boot = ""; }));
  EXPECT_FALSE(elsewhere([](Owner& o) { o.process_space = "pid:[1]"; }));
  EXPECT_FALSE(elsewhere([](Owner& o) { o.process = 0; }));

  Owner dead = here;
  Child child([] { return 0; });
  dead.process = child.number();
  siginfo_t info;
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child.number()), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(has_ended(dead, here)) << "a process that nobody has waited for yet is dead";
  child.wait();
  EXPECT_TRUE(has_ended(dead, here));
}

TEST(Owner, AnEarlierStartIsOneOfTheSameJob) {
  Owner here = own_identity(), other = on_another_node();
  EXPECT_FALSE(is_earlier_start(other, here));  // neither is a job's
  here.job = other.job = "99";
  EXPECT_FALSE(is_earlier_start(other, here));
  here.restarts = 1;
  EXPECT_TRUE(is_earlier_start(other, here));
  EXPECT_FALSE(is_earlier_start(here, other));
  other.job = "98";
  EXPECT_FALSE(is_earlier_start(other, here));
}

TEST(Lock, KeepsASecondOutAndNamesTheHolder) {
  const example::Folder folder;
  {
    const Lock first(folder.file(), {});
    EXPECT_THAT([&] { Lock second(folder.file(), {}); },
                ThrowsMessage<InputError>(
                    AllOf(HasSubstr(host_name() + ", process " + std::to_string(::getpid())),
                          HasSubstr("its last heartbeat is 0 s old"), HasSubstr("--take-over"))));
    EXPECT_THAT(folder.names(), ElementsAre("store.h5.lock"));
  }
  EXPECT_THAT(folder.names(), IsEmpty());
  const Lock third(folder.file(), {});
}

TEST(Lock, OfAKilledProcessIsTaken) {
  const example::Folder folder;
  const Gate ready;
  Child holder([&] {
    const Lock lock(folder.file(), {});
    ready.put('x');
    ::pause();
    return 0;
  });
  ready.take();
  EXPECT_THROW(Lock(folder.file(), {}), InputError);
  holder.kill(SIGKILL);
  holder.wait();
  EXPECT_NO_THROW(Lock(folder.file(), {}));
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(Lock, OfAnotherNodeIsTakenOnceNoHeartbeatComes) {
  const example::Folder folder;
  const auto seconds_until_taken = [&](const LockOptions& options) {
    const auto start = std::chrono::steady_clock::now();
    testing::internal::CaptureStdout();
    EXPECT_NO_THROW(Lock(folder.file(), options));
    const std::string log = testing::internal::GetCapturedStdout();
    EXPECT_EQ(!options.take_over, log.find("for its next one") != std::string::npos) << log;
    EXPECT_EQ(log.find("for its next one"), log.rfind("for its next one")) << log;
    EXPECT_THAT(log, HasSubstr(options.take_over ? "--take-over" : "no other came within"));
    EXPECT_THAT(folder.names(), IsEmpty());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  leave_lock(folder.file(), on_another_node());  // no older than a living one's
  EXPECT_GE(seconds_until_taken(quick), quick.stale_seconds - 0.05);
  leave_lock(folder.file(), on_another_node(), 50);
  EXPECT_LT(seconds_until_taken(quick), quick.stale_seconds);
  leave_lock(folder.file(), on_another_node(), -300);  // from a clock that is ahead
  EXPECT_GE(seconds_until_taken(quick), quick.stale_seconds);
  std::ofstream(folder.file() + ".lock") << "written by something else";
  EXPECT_GE(seconds_until_taken(quick), quick.stale_seconds - 0.05);
  Owner in_a_container = own_identity();  // one with the same number may run here
  in_a_container.process_space = "pid:[1]";
  leave_lock(folder.file(), in_a_container);
  EXPECT_GE(seconds_until_taken(quick), quick.stale_seconds - 0.05);
  leave_lock(folder.file(), on_another_node());
  EXPECT_LT(seconds_until_taken({.take_over = true}), 5);
}

/// Touches a lock file as its holder would, by a clock that is `ahead` by some seconds.
std::jthread beat_from_elsewhere(const std::string& store, double ahead) {
  return std::jthread([=](const std::stop_token& stop) {
    for (; !stop.stop_requested(); pause(0.05)) {
      timespec now{};
      ::clock_gettime(CLOCK_REALTIME, &now);
      now.tv_sec += static_cast<time_t>(ahead);
      const timespec times[2] = {now, now};
      ::utimensat(AT_FDCWD, (store + ".lock").c_str(), times, 0);
    }
  });
}

TEST(Lock, OfAnotherNodeThatBeatsIsNotTaken) {
  const example::Folder folder;
  for (const double ahead : {-3600, 0, 300}) {
    leave_lock(folder.file(), on_another_node(), -ahead);
    const auto beating = beat_from_elsewhere(folder.file(), ahead);
    EXPECT_THAT([&] { Lock(folder.file(), quick); },
                ThrowsMessage<InputError>(AllOf(HasSubstr("node7, process 4711"),
                                                HasSubstr(ahead < 0    ? "heartbeat is 36"
                                                          : ahead == 0 ? "heartbeat is 0 s old"
                                                                       : "(the nodes' clocks differ)"))));
  }
}

TEST(Lock, ThatIsGivenBackWhileItIsWatchedIsFree) {
  const example::Folder folder;
  leave_lock(folder.file(), on_another_node());
  const std::jthread release([&] {
    pause(0.2);
    std::filesystem::remove(folder.file() + ".lock");
  });
  const Lock lock(folder.file(), {});  // a minute would pass before it is stale
}

TEST(Lock, IsNotWaitedForByWhoIsToldToEnd) {
  const example::Folder folder;
  leave_lock(folder.file(), on_another_node());
  EXPECT_THAT([&] { Lock(folder.file(), {.told_to_end = [] { return true; }}); },
              ThrowsMessage<IncompleteError>(HasSubstr("told to end while")));
  EXPECT_THAT(folder.names(), ElementsAre("store.h5.lock"));
}

TEST(Lock, OfAnEarlierStartOfTheJobIsTaken) {
  const example::Folder folder;
  Owner earlier = on_another_node();
  earlier.job = "99";
  leave_lock(folder.file(), earlier);
  ::setenv("SLURM_JOB_ID", "99", 1);
  ::setenv("SLURM_RESTART_COUNT", "1", 1);
  EXPECT_NO_THROW(Lock(folder.file(), {}));
  ::unsetenv("SLURM_JOB_ID");
  ::unsetenv("SLURM_RESTART_COUNT");
}

TEST(Lock, BeatsByItself) {
  const example::Folder folder;
  Lock lock(folder.file(), quick);
  struct stat before {
  }, after{};
  ASSERT_EQ(::stat((folder.file() + ".lock").c_str(), &before), 0);
  pause(0.2);
  ASSERT_EQ(::stat((folder.file() + ".lock").c_str(), &after), 0);
  EXPECT_GT(after.st_mtim.tv_sec + 1e-9 * after.st_mtim.tv_nsec,
            before.st_mtim.tv_sec + 1e-9 * before.st_mtim.tv_nsec);
  pause(0.6);
  EXPECT_THROW(Lock(folder.file(), quick), InputError);  // alive for longer than what counts as dead
  lock.require();
}

TEST(Lock, ItsLossIsNoticedBeforeTheNextWrite) {
  const example::Folder folder;
  auto first = std::make_unique<Lock>(folder.file(), LockOptions{});
  first->require();
  {
    Lock second(folder.file(), {.take_over = true});
    EXPECT_THAT([&] { first->require(); },
                ThrowsMessage<IncompleteError>(
                    AllOf(HasSubstr("has taken the store over"), HasSubstr(std::to_string(::getpid())))));
    EXPECT_THROW(first->beat(), IncompleteError);
    const std::string seconds = read_all(folder.file() + ".lock");
    first.reset();
    EXPECT_EQ(read_all(folder.file() + ".lock"), seconds) << "the loser must not remove what is not its own";
    second.require();
    second.beat();
  }
  EXPECT_THAT(folder.names(), IsEmpty());

  Lock third(folder.file(), {});
  std::filesystem::remove(folder.file() + ".lock");
  EXPECT_THAT([&] { third.require(); }, ThrowsMessage<IncompleteError>(HasSubstr("the file has vanished")));
}

TEST(Lock, AStoppedHolderLosesItAndKnowsOnceItGoesOn) {
  const example::Folder folder;
  const Gate ready;
  Child holder([&] {
    Lock lock(folder.file(), quick);
    ready.put('x');
    try {
      while (true) {
        lock.require();
        ::usleep(1000);
      }
    } catch (const IncompleteError&) {
      return 3;
    }
  });
  ready.take();
  holder.kill(SIGSTOP);
  pause(1);
  Lock lock(folder.file(), quick);
  holder.kill(SIGCONT);
  EXPECT_EQ(holder.wait(), 3);
  lock.require();
}

TEST(Lock, IsNotBlockedByWhoDiedWhileTakingItOver) {
  const example::Folder folder;
  Owner dead = own_identity();
  dead.started += 1;
  leave_lock(folder.file(), dead);
  Owner taker = dead;
  taker.token = own_identity().token;
  std::ofstream(folder.file() + ".lock-next-" + dead.token) << to_text(taker);
  std::ofstream(folder.file() + ".lock-" + taker.token) << to_text(taker);
  { const Lock lock(folder.file(), {}); }
  EXPECT_THAT(folder.names(), IsEmpty());
}

/// `starters` processes want a lock at the same moment, and who gets it keeps it until all have tried.
/// Returns how many have it then.
int race(const example::Folder& folder, int starters, const LockOptions& options) {
  const Gate start, tried, end;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < starters; ++i)
    children.push_back(std::make_unique<Child>([&] {
      start.take();
      try {
        Lock lock(folder.file(), options);
        tried.put('h');
        end.take();
        lock.require();
        return 0;
      } catch (const InputError&) {
        tried.put('r');
        return 2;
      } catch (const IncompleteError&) {
        return 3;
      }
    }));
  for (int i = 0; i < starters; ++i) start.put('x');
  int holders = 0;
  for (int i = 0; i < starters; ++i) holders += tried.take() == 'h';
  for (int i = 0; i < starters; ++i) end.put('x');
  int winners = 0;
  for (const auto& child : children) winners += child->wait() == 0;
  if (!options.take_over) {  // else some have it after each other
    EXPECT_EQ(winners, holders);
  }
  return winners;
}

TEST(Lock, OneOfManyStartersGetsIt) {
  const example::Folder folder;
  Owner dead = own_identity();
  dead.started += 1;
  for (int round = 0; round < 60; ++round) {
    dead.token = own_identity().token;
    const bool free = round % 3 == 0, forced = round % 3 == 1;
    if (!free) leave_lock(folder.file(), forced ? on_another_node() : dead);
    ASSERT_EQ(race(folder, 6, {.take_over = forced}), 1) << "round " << round;
    ASSERT_THAT(folder.names(), IsEmpty());
  }
}

}  // namespace
}  // namespace seldon::store
