// docs/config.md documents exactly the keys that the parser knows, each with its role.

#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "experiment/config.h"

namespace seldon::experiment {
namespace {

/// Rows "| `experiment.seed` | ... | identity |" of the tables.
std::map<std::string, std::string> documented_keys() {
  std::map<std::string, std::string> keys;
  std::ifstream file(std::string(SELDON_SOURCE_DIR) + "/docs/config.md");
  EXPECT_TRUE(file.good());
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| `")) continue;
    const std::string key = line.substr(3, line.find('`', 3) - 3);
    const std::size_t role = line.rfind("| ", line.size() - 2) + 2;
    EXPECT_TRUE(keys.emplace(key, line.substr(role, line.rfind(" |") - role)).second)
        << key << " stands twice";
  }
  return keys;
}

TEST(Documentation, HasEveryKeyAndItsRole) {
  std::map<std::string, std::string> known;
  for (const KnownKey& key : known_keys())
    known[key.key] = key.role == Role::identity ? "identity" : "execution";
  EXPECT_GT(known.size(), 60u);
  EXPECT_EQ(documented_keys(), known);
}

}  // namespace
}  // namespace seldon::experiment
