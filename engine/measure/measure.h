#pragma once
// Measure functions: what a base node of a constraint averages over rows. One file registers each family; a
// measure outside this tree registers in the same way (docs/extending.md).

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/regime.h"

namespace seldon::engine {

/// What follows a measure's name in brackets: PR_[1] has one index, CM_[2,3] two, J_pi_new_IS_[2] one.
enum class IndexKind : std::uint8_t { none, one, two, optional_one };

struct MeasureIndex {
  int first = -1, second = -1;
  bool operator==(const MeasureIndex&) const = default;
};

struct Measure {
  std::string name;
  Regime regime;
  IndexKind index = IndexKind::none;
  bool rate = false;  ///< z lies in [0, 1], and a form on hard decisions exists

  /// Whether a row with this label counts. Null: every row does.
  std::function<bool(double label, MeasureIndex)> selects;

  /// z of each row, and its derivative by the row's scores. scores: n x columns, row-major (binary: p of
  /// class 1; regression: the prediction; multi-class: a column per class); labels: n; z: n; dz: n x columns
  /// or empty. An index that is no column is an InputError. For a form on hard decisions the caller passes
  /// indicators instead of probabilities. Null: this regime's engine is not there yet, the measure can be
  /// parsed only.
  std::function<void(std::span<const double> scores, std::size_t columns, std::span<const double> labels,
                     MeasureIndex, std::span<double> z, std::span<double> dz)>
      values;
};

/// All measures known to this process.
class MeasureRegistry {
 public:
  static MeasureRegistry& instance();
  /// A second measure of the same name and regime is an InternalError. Register before threads start.
  void add(Measure measure);
  /// Null where there is none.
  const Measure* find(std::string_view name, Regime regime) const;
  /// Names for messages, in order of registration.
  std::vector<std::string> names(Regime regime) const;

 private:
  MeasureRegistry();
  std::deque<Measure> measures_;  ///< pointers to its elements stay good
};

}  // namespace seldon::engine
