#include "analysis/output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>

#include "core/error.h"

namespace seldon::analysis {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw InputError({path, 0}, "cannot be written: " + reason +
                                  "; choose another folder with --out, or mend its rights or the disk");
}

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) refuse(folder.string(), error.message());
  if (!std::filesystem::is_directory(folder)) refuse(folder.string(), "a file of that name is in the way");
}

void write_file(const std::filesystem::path& file, const std::string& text) {
  std::unique_ptr<std::FILE, Close> out(std::fopen(file.c_str(), "wb"));
  if (!out) refuse(file.string(), std::strerror(errno));
  const bool written = std::fwrite(text.data(), 1, text.size(), out.get()) == text.size();
  if (!written || std::fclose(out.release()) != 0) refuse(file.string(), std::strerror(errno));
}

void move_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) refuse(to.string(), error.message());
}

TemporaryFile::~TemporaryFile() {
  std::error_code ignored;  // most often it is not there any more
  std::filesystem::remove(path_, ignored);
}

}  // namespace seldon::analysis
