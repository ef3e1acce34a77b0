#include "store/text_file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "core/error.h"

namespace seldon::store {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using Stream = std::unique_ptr<std::FILE, Close>;

std::string reason() {
  return std::generic_category().message(errno);
}

}  // namespace

void write_text(const std::string& path, const std::string& text) {
  Stream file(std::fopen(path.c_str(), "wbe"));
  if (!file || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() ||
      std::fclose(file.release()) != 0)
    throw IncompleteError("writing '" + path + "' failed: " + reason());
}

std::optional<std::string> read_text(const std::string& path) {
  const Stream file(std::fopen(path.c_str(), "rbe"));
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  std::string text;
  std::array<char, 1 << 16> buffer;
  while (file) {
    const auto count = std::fread(buffer.data(), 1, buffer.size(), file.get());
    text.append(buffer.data(), count);
    if (count < buffer.size()) break;
  }
  if (!file || std::ferror(file.get())) throw InputError("reading '" + path + "' failed: " + reason());
  return text;
}

}  // namespace seldon::store
