#include "programs/pack_log.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <spdlog/spdlog.h>

namespace seldon::programs {
namespace {

std::string reason() {
  return std::generic_category().message(errno);
}

/// A run before this one may have ended in the middle of a line.
bool ends_within_line(int descriptor) {
  struct stat status {};
  char last = '\n';
  return ::fstat(descriptor, &status) == 0 && status.st_size > 0 &&
         ::pread(descriptor, &last, 1, status.st_size - 1) == 1 && last != '\n';
}

}  // namespace

PackLog::PackLog(const std::string& store_path) : path_(store::pack_rows_path(store_path)) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0)
    give_up(reason());
  else if (ends_within_line(descriptor_))
    lines_.push_back('\n');
}

PackLog::~PackLog() {
  write();
  if (descriptor_ >= 0) ::close(descriptor_);
}

void PackLog::run_begins(store::RunMark run) {
  run.begins = true;
  store::append_line(lines_, run);
}

void PackLog::run_ends(store::RunMark run) {
  run.begins = false;
  store::append_line(lines_, run);
  write();
}

void PackLog::cell_recorded(const RunInfo& run) {
  auto& seconds = seconds_[run.rank];
  seconds.selection += run.seconds_selection;
  seconds.safety += run.seconds_safety;
  seconds.evaluation += run.seconds_evaluation;
}

void PackLog::pack_ended(store::PackRow row) {
  if (const auto found = seconds_.find(row.rank); found != seconds_.end()) {
    row.seconds = found->second;
    seconds_.erase(found);
  }
  if (descriptor_ < 0) return;
  store::append_line(lines_, row);
  if (lines_.size() >= bytes_between_writes) write();
}

void PackLog::write_now_and_then(double now) {
  if (now < next_write_) return;
  next_write_ = now + seconds_between_writes;
  write();
}

void PackLog::write() {
  const std::string lines = std::exchange(lines_, {});
  if (descriptor_ < 0 || lines.empty()) return;
  ssize_t written = 0;
  do written = ::write(descriptor_, lines.data(), lines.size());
  while (written < 0 && errno == EINTR);
  if (written < 0)
    give_up(reason());
  else if (static_cast<std::size_t>(written) < lines.size())
    give_up("the file system took a part of it only");
}

void PackLog::give_up(const std::string& why) {
  spdlog::warn("'{}' cannot be written: {}; the run goes on, but its timeline will lack packs", path_, why);
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

}  // namespace seldon::programs
