#pragma once
// Files that the analysis writes.

#include <filesystem>
#include <string>
#include <utility>

namespace seldon::analysis {

/// Makes the folder and those above it; one that exists is taken. InputError where that fails.
void make_folder(const std::filesystem::path& folder);

/// Writes (over) a file; InputError with the system's reason where that fails.
void write_file(const std::filesystem::path& file, const std::string& text);

/// Gives a file another name, in place of what has that name; InputError with the system's reason.
void move_file(const std::filesystem::path& from, const std::filesystem::path& to);

/// The name of a file that is removed with this, unless it was moved by then.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace seldon::analysis
