#include "store/file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <climits>

#include "core/error.h"

namespace seldon::store {
namespace {

std::string quoted(const std::string& path) {
  std::string text = "'";
  return text.append(path).append("'");
}

std::string advice(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "make room there and run the same command again";
    case EACCES:
    case EPERM:
      return "the folder and the store must be writable: choose another place with --store";
    case EROFS:
      return "if its disk has failed, mend it and run the same command again, else choose another place "
             "with --store";
    case ENAMETOOLONG:
    case ELOOP:
      return "choose another name with --store";
    default:
      return "mend the file system and run the same command again";
  }
}

std::string describe(const std::string& doing, const std::string& path, int error) {
  std::string text = doing;
  text.append(" ").append(quoted(path)).append(" failed: ");
  return text.append(std::generic_category().message(error)).append("; ").append(advice(error));
}

}  // namespace

void fail(const std::string& doing, const std::string& path, int error) {
  throw IncompleteError(describe(doing, path, error));
}

void fail_to_open(const std::string& doing, const std::string& path, int error) {
  for (const int wrong_name : {ENAMETOOLONG, ELOOP, EACCES, EPERM})
    if (error == wrong_name) throw InputError(describe(doing, path, error));
  fail(doing, path, error);
}

void require_folder(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (folder.empty() || std::filesystem::is_directory(folder, error)) return;
  if (error && error.value() != ENOENT && error.value() != ENOTDIR)
    fail_to_open("looking for", folder.string(), error.value());
  throw InputError("there is no folder '" + folder.string() + "' for the store '" + path +
                   "'; make it first");
}

File File::open(const std::string& path, Mode mode) {
  const int flags = O_CLOEXEC | (mode == Mode::read ? O_RDONLY : O_RDWR);
  const int descriptor = retried([&] { return ::open(path.c_str(), flags); });
  if (descriptor < 0) {
    if (errno == ENOENT || errno == ENOTDIR) throw InputError("there is no store '" + path + "'");
    if (errno == EISDIR) throw InputError(quoted(path) + " is a folder, not a store");
    fail_to_open("opening", path, errno);
  }
  File file(path, descriptor);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail("looking at", path, errno);
  if (!S_ISREG(status.st_mode)) throw InputError(quoted(path) + " is not a store: it is no ordinary file");
  return file;
}

File File::create(const std::string& path) {
  require_folder(path);
  const int flags = O_CLOEXEC | O_RDWR | O_CREAT | O_EXCL;
  const int descriptor = retried([&] { return ::open(path.c_str(), flags, 0666); });
  if (descriptor < 0) fail_to_open("making", path, errno);
  return {path, descriptor};
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::uint64_t File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail("looking at", path_, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

bool File::is_still_named() const {
  struct stat mine {
  }, named{};
  if (::fstat(descriptor_, &mine) != 0) fail("looking at", path_, errno);
  return ::stat(path_.c_str(), &named) == 0 && named.st_dev == mine.st_dev && named.st_ino == mine.st_ino;
}

void File::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const auto count =
        retried([&] { return ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset)); });
    if (count < 0) fail("reading", path_, errno);
    if (count == 0)
      throw InputError("the store '" + path_ + "' is cut short: it ends before byte " +
                       std::to_string(offset + out.size()) + "; copy it again from where it was written");
    offset += static_cast<std::uint64_t>(count);
    out = out.subspan(static_cast<std::size_t>(count));
  }
}

void File::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto count = retried(
        [&] { return ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (count < 0) fail("writing", path_, errno);
    if (count == 0) fail("writing", path_, EIO);
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void File::allocate() {
  int error = 0;
  do error = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size()));
  while (error == EINTR);
  if (error != 0) fail("taking " + std::to_string(size()) + " bytes for", path_, error);
}

void File::sync() const {
  if (retried([&] { return ::fsync(descriptor_); }) != 0) fail("syncing", path_, errno);
}

void File::copy_permissions(const File& other) {
  struct stat status {};
  if (::fstat(other.descriptor_, &status) != 0) fail("looking at", other.path_, errno);
  if (::fchmod(descriptor_, status.st_mode & 0777) != 0) fail("setting the permissions of", path_, errno);
}

void sync_folder(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? std::string(1, '.') : parent.string();
  const int descriptor = retried([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (descriptor < 0) fail("opening", folder, errno);
  const int result = retried([&] { return ::fsync(descriptor); });
  const int error = errno;
  ::close(descriptor);
  if (result != 0 && error != EINVAL)
    fail("syncing", folder, error);  // EINVAL: folders cannot be synced here
}

void rename_new(const std::string& from, const std::string& to) {
  int result = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (result != 0 &&
      (errno == EINVAL || errno == ENOSYS)) {  // NFS does not know the flag, but has hard links
    result = ::link(from.c_str(), to.c_str());
    if (result == 0) result = ::unlink(from.c_str());
  }
  if (result == 0) return;
  if (errno == EEXIST) throw InputError(quoted(to) + " exists already; choose another name for the store");
  fail("naming", to, errno);
}

void rename_over(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail("naming", to, errno);
}

std::string canonical(const std::string& path) {
  std::error_code error;
  const auto resolved = std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  return error ? path : resolved.string();
}

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown-host";
  return name.data();
}

}  // namespace seldon::store
