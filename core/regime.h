#pragma once

#include <cstdint>
#include <string_view>

namespace seldon {

/// The kind of learning problem; it decides which measures exist and what a record holds.
enum class Regime : std::uint8_t {
  classification,
  regression,
  multiclass_classification,
  reinforcement_learning
};

constexpr std::string_view name_of(Regime regime) {
  switch (regime) {
    case Regime::classification:
      return "classification";
    case Regime::regression:
      return "regression";
    case Regime::multiclass_classification:
      return "multiclass_classification";
    case Regime::reinforcement_learning:
      return "reinforcement_learning";
  }
  return "?";
}

}  // namespace seldon
