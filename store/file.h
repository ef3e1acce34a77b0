#pragma once
// POSIX files, every return code checked: the store's raw data, and the lock that keeps a second writer out.
// Internal to the store room.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace seldon::store {

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
  /// All bytes or an error. A file that ends too early is an InputError.
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  /// Takes the space of the whole file from the disk.
  void allocate();
  void sync() const;

 private:
  File(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string path_;
  int descriptor_ = -1;
};

/// Syncs the folder of `path`, so that a new name in it survives a loss of power.
void sync_folder(const std::string& path);

/// Gives `from` the name `to`, never replacing anything; InputError where `to` exists.
void rename_new(const std::string& from, const std::string& to);

/// Holds PATH.lock until it is destroyed, or the process dies in whatever way. IncompleteError, naming the
/// holder, where another process has it. On a file system without locks it warns and holds nothing.
class LockFile {
 public:
  explicit LockFile(const std::string& path);
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;
  ~LockFile();

 private:
  std::string path_;
  int descriptor_ = -1;
};

/// This machine's name, for messages and for names of temporary files.
std::string host_name();

}  // namespace seldon::store
