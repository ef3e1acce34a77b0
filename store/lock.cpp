#include "store/lock.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <sstream>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <time.h>
#include <unistd.h>
#include <utility>

#include <spdlog/spdlog.h>

#include "core/blocked_signals.h"
#include "core/error.h"
#include "core/process.h"
#include "store/file.h"

namespace seldon::store {
namespace {

constexpr double beats_until_stale = 12;  // every 5 of 60 seconds
constexpr auto pause_between_looks = std::chrono::milliseconds(20);

// ---- small things --------------------------------------------------------------------------------------

double seconds_of(const timespec& time) {
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Goes on while the machine sleeps.
double seconds_since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return seconds_of(now);
}

/// A small file of the kernel's; empty where it cannot be read.
std::string read_text(const std::string& path) {
  std::string text(4096, '\0');
  const int descriptor = retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (descriptor < 0) return {};
  const auto count = retried([&] { return ::read(descriptor, text.data(), text.size()); });
  ::close(descriptor);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

template <class Number>
Number number_in(std::string_view text) {
  Number number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string new_token() {
  std::uint64_t number = 0;
  if (::getentropy(&number, sizeof number) != 0) fail("drawing a name for", "a lock", errno);
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(number));
  return text.data();
}

std::string process_space() {
  std::array<char, 64> link{};
  return ::readlink("/proc/self/ns/pid", link.data(), link.size() - 1) > 0 ? link.data() : "";
}

// ---- a lock file ---------------------------------------------------------------------------------------

/// A lock file as another process finds it.
struct Found {
  Owner owner;
  double beat = 0;  ///< when it was last touched, by the file system's clock
};

/// Opening makes NFS ask the server anew. Nothing where there is no such file.
std::optional<Found> look(const std::string& path) {
  const int descriptor = retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (descriptor < 0 && (errno == ENOENT || errno == ESTALE)) return std::nullopt;
  if (descriptor < 0) fail_to_open("opening", path, errno);
  std::string text(4096, '\0');
  struct stat status {};
  const auto count = retried([&] { return ::pread(descriptor, text.data(), text.size(), 0); });
  const int error = count < 0 || ::fstat(descriptor, &status) != 0 ? errno : 0;
  ::close(descriptor);
  if (error == ESTALE) return std::nullopt;  // removed on another node
  if (error != 0) fail("reading", path, error);
  text.resize(static_cast<std::size_t>(count));
  return Found{owner_from_text(text), seconds_of(status.st_mtim)};
}

bool is_held_by(const std::string& path, const Owner& owner) {
  const auto found = look(path);
  return found && found->owner.token == owner.token;
}

/// A lock file that has no name yet by which others know it.
class Ticket {
 public:
  Ticket(const std::string& lock_path, const Owner& owner) : name_(lock_path + "-" + owner.token) {
    descriptor_ = retried([&] { return ::open(name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
    if (descriptor_ < 0) fail_to_open("making", name_, errno);
    const std::string text = to_text(owner);
    errno = ENOSPC;  // what a short write means
    if (::write(descriptor_, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(descriptor_) != 0) {
      const int error = errno;
      discard();
      fail_to_open("writing", name_, error);
    }
  }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() { discard(); }

  /// The present by the file system's clock, which the clocks of nodes differ from.
  double now() const {
    struct stat status {};
    if (::futimens(descriptor_, nullptr) != 0 || ::fstat(descriptor_, &status) != 0)
      fail("touching", name_, errno);
    return seconds_of(status.st_mtim);
  }

  /// Gives the file the name `path` as well, unless that is taken. Of several processes one succeeds.
  bool place(const std::string& path) {
    if (::link(name_.c_str(), path.c_str()) == 0) return true;
    if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK)  // it has no hard links
      if (::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return true;
    const int error = errno;
    struct stat status {};  // NFS repeats a request whose answer was lost, and then tells of its own success
    if (::fstat(descriptor_, &status) == 0 && status.st_nlink == 2) return true;
    if (error == EEXIST) return false;
    fail_to_open("making", path, error);
  }

  int take_descriptor() { return std::exchange(descriptor_, -1); }

 private:
  void discard() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
    ::unlink(name_.c_str());
  }
  std::string name_;
  int descriptor_ = -1;
};

// ---- whose it is ---------------------------------------------------------------------------------------

std::string whole_seconds(double seconds) {
  return std::to_string(static_cast<long long>(seconds < 0 ? -seconds : seconds)) + " s";
}

std::string describe_age(double age) {
  std::string text = "its last heartbeat ";
  return text += age < -1 ? "seems to come in " + whole_seconds(age) + " (the nodes' clocks differ)"
                          : "is " + whole_seconds(age) + " old";
}

/// What is known of a lock's holder.
struct Judgement {
  enum class Verdict {
    lives,
    dead,
    gone,  ///< the file has gone, or is another's by now
  } verdict;
  std::string reason;  ///< of death
};
using Verdict = Judgement::Verdict;

/// Tells whether the holders of lock files live, for as long as one process may spend on that.
class Judge {
 public:
  Judge(const Owner& here, const LockOptions& options)
      : here_(here), stale_seconds_(options.stale_seconds), told_to_end_(options.told_to_end) {}

  bool is_too_late() const { return seconds_since_boot() > deadline_; }

  /// A process of this machine can be asked for. Any other is watched until it shows a sign of life, or
  /// counts as dead. `now`: by the file system's clock.
  Judgement judge(const std::string& path, const Found& found, double now) {
    if (has_ended(found.owner, here_)) return {Verdict::dead, "that process has ended"};
    if (is_earlier_start(found.owner, here_)) return {Verdict::dead, "that was an earlier start of this job"};
    const double age = now - found.beat;
    if (!is_comparable(found.owner, here_)) return watch(path, found, age);
    if (age <= stale_seconds_) return {Verdict::lives, {}};
    return {Verdict::dead, describe_age(age)};  // it is stopped
  }

 private:
  /// The clocks of other nodes may be wrong and, on some file systems, may be what dates their files. So what
  /// counts is a heartbeat that moves, and one that does not: for as long as makes it stale, or for two beats
  /// where its date alone says so.
  Judgement watch(const std::string& path, const Found& found, double age) {
    const double start = seconds_since_boot(), two_beats = 2.2 * stale_seconds_ / beats_until_stale;
    const double longest = std::max(two_beats, stale_seconds_ - std::max(age, 0.0));
    say_that_it_waits(path, found, age, longest);
    while (seconds_since_boot() < start + longest) {
      if (is_too_late()) return {Verdict::lives, {}};
      if (told_to_end_ && told_to_end_())
        throw IncompleteError("told to end while '" + path + "' was watched for a heartbeat of " +
                              describe(found.owner) + "; run the same command again");
      std::this_thread::sleep_for(std::chrono::duration<double>(stale_seconds_ / beats_until_stale / 10));
      const auto now = look(path);
      if (!now || now->owner.token != found.owner.token) return {Verdict::gone, {}};
      if (now->beat != found.beat) return {Verdict::lives, {}};
    }
    return {Verdict::dead, describe_age(age) + ", and no other came within " + whole_seconds(longest)};
  }

  void say_that_it_waits(const std::string& path, const Found& found, double age, double longest) {
    if (std::exchange(has_said_, true)) return;
    spdlog::warn("'{}' names {}, {}; waiting up to {} for its next one", path, describe(found.owner),
                 describe_age(age), whole_seconds(longest + 1));
  }

  const Owner& here_;
  double stale_seconds_;
  bool (*told_to_end_)();
  double deadline_ = seconds_since_boot() + stale_seconds_ + 15;
  bool has_said_ = false;
};

/// Makes `path` ours if `found` still holds it. Who wants to replace, or to release, the lock with a token T
/// must first own `path`-next-T: so nobody replaces a lock that he has not judged.
bool replace(const std::string& path, const Found& found, Ticket& ticket, Judge& judge) {
  const std::string right = path + "-next-" + found.owner.token;
  if (!ticket.place(right)) {
    const auto other = look(right);  // somebody else is at it, unless he died over it
    if (!other || judge.judge(right, *other, ticket.now()).verdict != Verdict::dead ||
        !replace(right, *other, ticket, judge))
      return false;
  }
  if (!is_held_by(path, found.owner)) {
    ::unlink(right.c_str());
    return false;
  }
  rename_over(right, path);
  return true;
}

}  // namespace

// ---- owners --------------------------------------------------------------------------------------------

Owner own_identity() {
  Owner owner;
  owner.token = new_token();
  owner.host = host_name();
  const Process process = seldon::this_process();
  owner.process = process.pid;
  owner.started = process.started;
  owner.boot = first_line(read_text("/proc/sys/kernel/random/boot_id"));
  owner.process_space = process_space();
  if (const char* job = std::getenv("SLURM_JOB_ID")) owner.job = first_line(job);
  if (const char* restarts = std::getenv("SLURM_RESTART_COUNT"))
    owner.restarts = number_in<std::uint32_t>(restarts);
  return owner;
}

std::string describe(const Owner& owner) {
  if (owner.host.empty()) return "an unknown process";
  std::string text = owner.host + ", process " + std::to_string(owner.process);
  if (!owner.job.empty()) text += ", Slurm job " + owner.job + ", restart " + std::to_string(owner.restarts);
  return text;
}

std::string to_text(const Owner& owner) {
  std::ostringstream text;
  text << "token " << owner.token << "\nhost " << owner.host << "\nprocess " << owner.process << "\nstarted "
       << owner.started << "\nboot " << owner.boot << "\nprocess_space " << owner.process_space << "\njob "
       << owner.job << "\nrestarts " << owner.restarts << "\n";
  return text.str();
}

Owner owner_from_text(const std::string& text) {
  Owner owner;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.find(' ');
    if (space == std::string::npos) continue;
    const std::string key = line.substr(0, space), value = line.substr(space + 1);
    if (key == "token" && value.find_first_not_of("0123456789abcdef") == std::string::npos)
      owner.token = value;
    else if (key == "host")
      owner.host = value;
    else if (key == "process")
      owner.process = number_in<std::int64_t>(value);
    else if (key == "started")
      owner.started = number_in<std::uint64_t>(value);
    else if (key == "boot")
      owner.boot = value;
    else if (key == "process_space")
      owner.process_space = value;
    else if (key == "job")
      owner.job = value;
    else if (key == "restarts")
      owner.restarts = number_in<std::uint32_t>(value);
  }
  return owner;
}

bool is_comparable(const Owner& owner, const Owner& here) {
  return !owner.boot.empty() && owner.boot == here.boot && owner.host == here.host &&
         !owner.process_space.empty() && owner.process_space == here.process_space && owner.process > 0;
}

bool has_ended(const Owner& owner, const Owner& here) {
  if (!is_comparable(owner, here)) return false;
  if (::kill(static_cast<pid_t>(owner.process), 0) != 0 && errno == ESRCH) return true;
  if (const auto now = find_process(owner.process)) return now->started != owner.started;
  const std::string status = "/proc/" + std::to_string(owner.process) + "/stat";
  return ::access(status.c_str(), F_OK) == 0;  // it is not reaped yet; other users' processes may be hidden
}

bool is_earlier_start(const Owner& owner, const Owner& here) {
  return !owner.job.empty() && owner.job == here.job && owner.restarts < here.restarts;
}

std::optional<Owner> holder_of(const std::string& path) {
  const auto found = look(canonical(path) + ".lock");
  if (!found || has_ended(found->owner, own_identity())) return std::nullopt;
  return found->owner;
}

// ---- the lock ------------------------------------------------------------------------------------------

Lock::Lock(const std::string& path, const LockOptions& options)
    : path_(path + ".lock"), owner_(own_identity()), stale_seconds_(options.stale_seconds) {
  require_folder(path);
  std::optional<std::string> forced;  // the one holder that --take-over means, if two processes say it
  Judge judge(owner_, options);
  while (true) {
    Ticket ticket(path_, owner_);
    const auto found = ticket.place(path_) ? std::nullopt : look(path_);
    bool ours = !found && is_held_by(path_, owner_);
    if (found) {
      const double now = ticket.now();
      if (options.take_over && !forced) forced = found->owner.token;
      const Judgement judgement = forced == found->owner.token ? Judgement{Verdict::dead, "--take-over"}
                                                               : judge.judge(path_, *found, now);
      if (judgement.verdict == Verdict::lives || judge.is_too_late())
        throw InputError("the store '" + path + "' is being written by " + describe(found->owner) + " (" +
                         describe_age(now - found->beat) +
                         "); wait until it ends, or stop it; if you know that it is dead, use --take-over");
      ours = judgement.verdict == Verdict::dead && replace(path_, *found, ticket, judge);
      if (ours) spdlog::warn("took '{}' over from {}: {}", path, describe(found->owner), judgement.reason);
    }
    if (ours) {
      descriptor_ = ticket.take_descriptor();
      break;
    }
    std::this_thread::sleep_for(pause_between_looks);
  }
  sweep();
  last_beat_ = seconds_since_boot();
  const BlockedSignals for_the_thread;
  beating_ = std::jthread([this](const std::stop_token& stop) { keep_beating(stop); });
}

/// Killed processes leave tickets behind. Names with our own token are others' rights to replace us.
void Lock::sweep() const {
  const std::filesystem::path whole(path_);
  const std::string prefix = whole.filename().string() + "-";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(
           whole.has_parent_path() ? whole.parent_path() : std::filesystem::path("."), error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || name.ends_with(owner_.token)) continue;
    const auto found = look(entry.path().string());
    if (found && has_ended(found->owner, owner_)) ::unlink(entry.path().c_str());
  }
}

Lock::~Lock() {
  beating_.request_stop();
  beating_.join();
  ::close(descriptor_);
  if (lost_) return;
  try {
    Owner releaser = owner_;
    releaser.token = new_token();
    Ticket ticket(path_, releaser);
    const std::string right = path_ + "-next-" + owner_.token;
    if (!ticket.place(right)) return;  // it is being taken from us
    if (is_held_by(path_, owner_)) ::unlink(path_.c_str());
    ::unlink(right.c_str());
  } catch (const Error& error) {
    spdlog::debug("'{}' stays, and tells that this process has ended: {}", path_, error.what());
  }
}

bool Lock::is_named() const {
  struct stat ours {
  }, named{};
  if (::fstat(descriptor_, &ours) != 0) fail("looking at", path_, errno);
  if (::stat(path_.c_str(), &named) != 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ESTALE) return false;
    fail("looking at", path_, errno);
  }
  return ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

void Lock::require() {
  if (lost_ || !is_named()) refuse_lost();
  if (seconds_since_boot() - last_beat_ > stale_seconds_ / 3) beat();
}

void Lock::beat() {
  if (lost_ || !is_held_by(path_, owner_)) refuse_lost();
  if (::futimens(descriptor_, nullptr) != 0) fail("touching", path_, errno);
  last_beat_ = seconds_since_boot();
}

void Lock::refuse_lost() {
  lost_ = true;
  std::optional<Found> found;
  try {
    found = look(path_);
  } catch (const Error&) {  // the file system is gone; the message below says enough
  }
  throw IncompleteError("'" + path_ + "' is no longer this run's: " +
                        (found ? describe(found->owner) + " has taken the store over"
                               : "the file has vanished, and another run may write the store") +
                        "; nothing more is written here");
}

/// A failure is kept for require(), which throws it where it matters.
void Lock::keep_beating(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock hold(mutex);
  const std::chrono::duration<double> period(stale_seconds_ / beats_until_stale);
  while (!never.wait_for(hold, stop, period, [] { return false; }) && !stop.stop_requested() && !lost_) {
    try {
      beat();
    } catch (const Error& error) {
      spdlog::debug("no heartbeat: {}", error.what());
    }
  }
}

}  // namespace seldon::store
