#pragma once
// The developers' conformance data: named by SELDON_SHARED, or beside the checkout. Users do not have them.

#include <cstdlib>
#include <filesystem>
#include <string>

namespace seldon::engine {

/// Empty where there are none.
inline std::string shared_folder() {
  const char* named = std::getenv("SELDON_SHARED");
  const std::string folder = named ? named : SELDON_SOURCE_DIR "/../shared";
  return std::filesystem::exists(folder + "/conformance") ? folder : "";
}

}  // namespace seldon::engine

#define SELDON_NEED_SHARED()                   \
  if (seldon::engine::shared_folder().empty()) \
  GTEST_SKIP() << "needs the developers' conformance data (set SELDON_SHARED to their folder)"
