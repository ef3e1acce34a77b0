#include "worker/node_data.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>

namespace seldon::worker {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw IncompleteError(what + ": " + std::generic_category().message(errno));
}

SharedBytes map_descriptor(int descriptor, std::size_t bytes) {
  if (bytes == 0) return {};
  void* address = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
  if (address == MAP_FAILED) refuse("mapping " + std::to_string(bytes) + " bytes");
  std::shared_ptr<const void> owner(
      address, [bytes](const void* mapped) { munmap(const_cast<void*>(mapped), bytes); });
  return {owner, {static_cast<const std::byte*>(address), bytes}};
}

void write_all(int descriptor, std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t written = write(descriptor, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) refuse("copying the data into shared memory");
    data = data.subspan(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  gethostname(name, HOST_NAME_MAX);
  return name;
}

std::string node_name() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id") >> std::ws, boot);
  char processes[64] = {};  // "pid:[4026531836]": containers on one host do not see each other's processes
  if (readlink("/proc/self/ns/pid", processes, sizeof processes - 1) < 0) processes[0] = 0;
  return host_name() + " " + boot + " " + processes;
}

NodeData::NodeData(std::span<const std::byte> data) : descriptor_(memfd_create("seldon-data", MFD_CLOEXEC)) {
  if (descriptor_ < 0) refuse("memfd_create");
  try {
    write_all(descriptor_, data);
    bytes_ = map_descriptor(descriptor_, data.size());
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

NodeData::~NodeData() {
  close(descriptor_);
}

message::SharedPlace NodeData::place() const {
  struct stat status = {};
  if (fstat(descriptor_, &status) != 0) refuse("fstat of shared memory");
  return {getpid(), descriptor_, status.st_ino, bytes_.view().size()};
}

SharedBytes map(const message::SharedPlace& place) {
  const std::string path = "/proc/" + std::to_string(place.pid) + "/fd/" + std::to_string(place.descriptor);
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) refuse(path);
  struct stat status = {};
  const bool same = fstat(descriptor, &status) == 0 && status.st_ino == place.inode &&
                    static_cast<std::uint64_t>(status.st_size) == place.bytes;
  try {
    if (!same) throw IncompleteError(path + " is not the memory that was named");
    SharedBytes bytes = map_descriptor(descriptor, place.bytes);
    close(descriptor);
    return bytes;
  } catch (...) {
    close(descriptor);
    throw;
  }
}

}  // namespace seldon::worker
