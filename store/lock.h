#pragma once
// STORE.lock: one process at a time writes a store, also where the file system's own locks work on one node
// only, or not at all. What counts is the file's content, which names the holder, and its modification time,
// which is the holder's heartbeat (docs/store.md). Internal to the store room.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>

#include "store/store.h"

namespace seldon::store {

/// The process that holds a lock.
struct Owner {
  std::string token;           ///< of this one lock, 16 hexadecimal digits
  std::string host;            ///< for people
  std::int64_t process = 0;    ///< its number
  std::uint64_t started = 0;   ///< when it started, in clock ticks since boot
  std::string boot;            ///< identity of the kernel's boot: the same on processes of one machine only
  std::string process_space;   ///< the namespace that its number belongs to: containers have their own
  std::string job;             ///< Slurm's number of the job; empty where there is none
  std::uint32_t restarts = 0;  ///< how often Slurm has requeued that job
  bool operator==(const Owner&) const = default;
};

/// This process, with a token of its own for each call.
Owner own_identity();
/// "node7, process 4711 (Slurm job 99, restart 2)".
std::string describe(const Owner& owner);

/// The content of a lock file: a line "key value" for each member.
std::string to_text(const Owner& owner);
/// What cannot be read stays empty.
Owner owner_from_text(const std::string& text);

/// Whether that process's number means something here: same machine, same namespace.
bool is_comparable(const Owner& owner, const Owner& here);
/// Whether the owner's process is known to have ended; false where that cannot be told from here.
bool has_ended(const Owner& owner, const Owner& here);
/// Whether this is an earlier start of the job that `here` belongs to: Slurm ends one before the next begins.
bool is_earlier_start(const Owner& owner, const Owner& here);

/// Who holds the lock of the store at `path`, as far as is known: nothing where nobody does, or where the
/// holder is known to have ended. Changes nothing.
std::optional<Owner> holder_of(const std::string& path);

/// Holds PATH.lock until it is destroyed, with a heartbeat from a thread of its own.
class Lock {
 public:
  /// Waits where only time tells whether a holder lives, as one on another machine: as long as makes it stale
  /// and 15 s at most, said once in the log. InputError, naming the holder, where another process has the
  /// lock and is not known to be dead; IncompleteError where the file system fails.
  Lock(const std::string& path, const LockOptions& options);
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock();

  /// To be called before each write; costs a look at the file's name. IncompleteError where another process
  /// has taken over, or where the lock's state could not be learnt for so long that one may have.
  void require();
  /// Looks who holds the lock, and renews the heartbeat. IncompleteError where it is lost, or the file system
  /// fails. Any thread may call it.
  void beat();

 private:
  void sweep() const;
  bool is_named() const;
  [[noreturn]] void refuse_lost();
  void keep_beating(const std::stop_token& stop);

  std::string path_;  ///< of the lock file
  Owner owner_;
  double stale_seconds_;
  int descriptor_ = -1;
  std::atomic<bool> lost_ = false;
  std::atomic<double> last_beat_ = 0;
  std::jthread beating_;
};

}  // namespace seldon::store
