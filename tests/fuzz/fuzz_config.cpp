// Configs: refused with an InputError, or understood so well that they can be written out and read again.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/error.h"
#include "experiment/config.h"

using namespace seldon;
using namespace seldon::experiment;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Description description;
  try {
    description = parse_config(text, "fuzz/config.toml");
  } catch (const InputError&) {
    return 0;  // refused, as it should be
  }
  if (!(parse_config(canonical_toml(description), "fuzz/config.toml") == description)) std::abort();
  if (!identity_difference(identity_json(description), identity_json(description)).empty()) std::abort();
  return 0;
}
