#include "engine/notice.h"

#include <mutex>
#include <set>

#include <spdlog/spdlog.h>

namespace seldon::engine {

void say_once(const std::string& text) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  if (said.insert(text).second) spdlog::info("{}", text);
}

void say_error(const std::string& text) {
  spdlog::error("{}", text);
}

}  // namespace seldon::engine
