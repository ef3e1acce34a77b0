#pragma once
// POSIX files, every return code checked. Internal to the store room.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace seldon::store {

/// A value as it lies in memory, to be written as it is.
template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

/// An open file. Failures of the disk or the file system are IncompleteErrors.
class File {
 public:
  enum class Mode { read, read_write };
  /// Opens a file that exists; InputError where it does not, is a folder, or its name may
  /// not be used.
  static File open(const std::string& path, Mode mode);
  /// Makes a new file; InputError where its folder does not exist or may not be written.
  static File create(const std::string& path);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::string& path() const { return path_; }
  std::uint64_t size() const;
  /// Whether the path, links followed, leads to this file, and not to one that was renamed over it.
  bool is_still_named() const;
  /// All bytes or an error. A file that ends too early is an InputError.
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  /// Takes the space of the whole file from the disk.
  void allocate();
  void sync() const;
  /// Lets those read and write it who may do so with `other`.
  void copy_permissions(const File& other);

 private:
  File(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string path_;
  int descriptor_ = -1;
};

/// Syncs the folder of `path`, so that a new name in it survives a loss of power.
void sync_folder(const std::string& path);

/// Throws what a failed call with this errno means: IncompleteError.
[[noreturn]] void fail(const std::string& doing, const std::string& path, int error);
/// The same while nothing is open yet: a name that cannot be, or may not be used, is an InputError.
[[noreturn]] void fail_to_open(const std::string& doing, const std::string& path, int error);

/// InputError where the folder of `path` does not exist, or may not be entered.
void require_folder(const std::string& path);

/// Repeats a call that a signal has interrupted.
template <class Call>
auto retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// Gives `from` the name `to`, never replacing anything; InputError where `to` exists.
void rename_new(const std::string& from, const std::string& to);

/// Gives `from` the name `to`, in place of what had it.
void rename_over(const std::string& from, const std::string& to);

/// The path from the root, symbolic links followed as far as there is something.
std::string canonical(const std::string& path);

/// This machine's name, for messages and for names of temporary files.
std::string host_name();

}  // namespace seldon::store
