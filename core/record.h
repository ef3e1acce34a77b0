#pragma once
// What is kept of one cell. The layout follows from the experiment (how many constraints, subgroups ...), so
// it is computed at run time; the store turns it into a compound HDF5 type, member by member (docs/store.md).

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/cell.h"
#include "core/error.h"
#include "core/regime.h"

namespace seldon {

/// How a cell ended. The numbers are part of the file format.
enum class Outcome : std::int32_t {
  none = 0,               ///< nothing recorded yet
  solution = 1,           ///< a Seldonian model that passed the safety test, or a baseline that was fitted
  no_solution_found = 2,  ///< see NsfReason; also a baseline that could not be fitted (one class only)
};

/// Why no solution was returned. The numbers are part of the file format.
enum class NsfReason : std::int32_t {
  none = 0,
  too_few_rows = 1,     ///< under two rows on a side of the split
  group_too_small = 2,  ///< a constraint's group has no usable rows
  not_finite = 3,       ///< NaN in candidate selection before any feasible point
  not_feasible = 4,     ///< candidate selection found no feasible point, and the safety test refused its best
  safety_test = 5,      ///< the candidate was predicted to pass and did not
  one_class = 6,        ///< a baseline's rows hold one class only
};
std::string_view name_of(NsfReason reason);

enum class ScalarType : std::uint8_t { int32, int64, uint64, float64 };
std::size_t size_of(ScalarType type);

/// The parts of a record. Those from `histogram` on are optional arrays, kept in datasets of their own.
enum class Field : std::uint8_t {
  crc,             ///< CRC-64 of the cell's key and of everything else in the record, arrays included
  outcome,         ///< Outcome
  nsf_reason,      ///< NsfReason
  rows,            ///< n: rows that the trial saw (candidate + safety)
  best_iteration,  ///< iteration of the returned iterate, -1 where there is none
  performance,     ///< [truth][measure]
  g,          ///< [constraint][rule][truth]: ground-truth value, > 0 or NaN means violated; -inf: no solution
  upper,      ///< [constraint]: the safety test's upper bound of g (NaN for baselines)
  node_n,     ///< [base node]: rows behind it in the safety test
  node_mean,  ///< [base node]
  node_sd,    ///< [base node] ddof 1
  node_lower,    ///< [base node] -inf where that side is not needed
  node_upper,    ///< [base node] +inf where that side is not needed
  hard_counts,   ///< [truth][subgroup][true class][class]: rows by decided class
  soft_sums,     ///< [truth][subgroup][true class][class]: sums of the predicted probability
  soft_squares,  ///< [truth][subgroup][true class][class]: sums of its square
  log_loss,      ///< [truth][subgroup][2]: sum and sum of squares of the log loss (nats)
  residuals,   ///< regression: [truth][subgroup][7]: n, sums of y, y^2, e, |e|, e^2, e^4; e = prediction - y
  histogram,   ///< [truth][subgroup][true class][64][2]: count and sum of scores per bin of [0, 1]
  trace,       ///< [iteration][1 + 2 constraints]: loss, then multiplier and upper bound of each constraint
  parameters,  ///< [parameter]: the solution, BatchNorm statistics last; NaN where there is no solution
};
inline constexpr std::size_t field_count = static_cast<std::size_t>(Field::parameters) + 1;
inline constexpr std::size_t histogram_bins = 64;
std::string_view name_of(Field field);

/// The axes of an experiment's records; every name of an axis is stored beside the data.
struct RecordShape {
  Regime regime = Regime::classification;
  std::uint32_t classes = 2;             ///< 0 for regression
  std::vector<std::string> performance;  ///< performance measures
  std::vector<std::string> constraints;  ///< constraint names
  std::vector<std::string> base_nodes;   ///< "<constraint>: <node>", in the order of the trees
  std::vector<std::string> subgroups;    ///< the first is "all"
  std::vector<std::string> truths;       ///< "original", "held_out"
  std::vector<std::string> rules;        ///< "soft", "hard"; regression: "value"
  bool histograms = true;                ///< ignored for regression
  std::uint64_t trace_iterations = 0;    ///< 0: no trace
  std::uint64_t parameters = 0;          ///< 0: not kept

  bool operator==(const RecordShape&) const = default;
};

class RecordLayout {
 public:
  struct Member {
    Field field;
    ScalarType type;
    std::vector<std::size_t> dims;  ///< empty for a scalar
    std::vector<std::string> axes;  ///< name of each axis: "truth", "subgroup" ...
    std::size_t offset;             ///< bytes from the start of the record, a multiple of 8
    std::size_t elements() const;
    std::size_t bytes() const { return elements() * size_of(type); }
  };

  explicit RecordLayout(RecordShape shape);

  const RecordShape& shape() const { return shape_; }
  /// Members of the compound, in file order.
  const std::vector<Member>& members() const { return members_; }
  /// Optional arrays, which follow the compound in a CellRecord's bytes; offsets count from the record's
  /// start.
  const std::vector<Member>& arrays() const { return arrays_; }
  /// Bytes of the compound alone.
  std::size_t compound_bytes() const { return compound_bytes_; }
  /// Bytes of the compound and the arrays.
  std::size_t bytes() const { return bytes_; }
  /// Null where this layout has no such part.
  const Member* find(Field field) const {
    const auto position = positions_[static_cast<std::size_t>(field)];
    if (position < members_.size()) return &members_[position];
    return position < members_.size() + arrays_.size() ? &arrays_[position - members_.size()] : nullptr;
  }

 private:
  void add(std::vector<Member>& to, Field field, ScalarType type, std::vector<std::string> axes,
           std::vector<std::size_t> dims);
  RecordShape shape_;
  std::vector<Member> members_, arrays_;
  std::array<std::size_t, field_count> positions_{};  ///< in members_, then arrays_; past both: no such part
  std::size_t compound_bytes_ = 0, bytes_ = 0;
};

/// The checksum of a cell's key, from which that of its record goes on: over the compound from behind the
/// checksum's own eight bytes, then over each array (core/checksum.h).
std::uint64_t key_checksum(std::string_view model_name, double fraction, std::uint32_t trial);

/// One cell's record in memory that belongs to someone else: the compound, and its arrays if `bytes` has
/// them.
class RecordView {
 public:
  RecordView(const RecordLayout& layout, std::span<const std::byte> bytes)
      : layout_(&layout), bytes_(bytes) {}
  const RecordLayout& layout() const { return *layout_; }
  std::span<const std::byte> bytes() const { return bytes_; }

  /// Empty if the layout has no such part, or the bytes end before it. T must be the member's type.
  template <class T>
  std::span<const T> view(Field field) const {
    const auto* member = layout_->find(field);
    if (!member || member->offset + member->bytes() > bytes_.size()) return {};
    return {reinterpret_cast<const T*>(bytes_.data() + member->offset), member->elements()};
  }
  std::span<const double> doubles(Field field) const { return view<double>(field); }
  Outcome outcome() const { return static_cast<Outcome>(view<std::int32_t>(Field::outcome)[0]); }
  NsfReason nsf_reason() const { return static_cast<NsfReason>(view<std::int32_t>(Field::nsf_reason)[0]); }

 private:
  const RecordLayout* layout_;
  std::span<const std::byte> bytes_;
};

/// The bytes of one cell's record with typed views. The layout must outlive it.
class CellRecord {
 public:
  /// A record with every float64 NaN, every integer 0.
  explicit CellRecord(const RecordLayout& layout);
  /// A record received or read; throws InternalError if the size is not the layout's.
  CellRecord(const RecordLayout& layout, std::vector<std::byte> bytes);

  const RecordLayout& layout() const { return *layout_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  std::vector<std::byte> take_bytes() && { return std::move(bytes_); }

  /// A view of one part; throws InternalError if the layout has no such part. T must be the member's type.
  template <class T>
  std::span<T> view(Field field) {
    const auto& member = require(field, sizeof(T));
    return {reinterpret_cast<T*>(bytes_.data() + member.offset), member.elements()};
  }
  template <class T>
  std::span<const T> view(Field field) const {
    const auto& member = require(field, sizeof(T));
    return {reinterpret_cast<const T*>(bytes_.data() + member.offset), member.elements()};
  }
  std::span<double> doubles(Field field) { return view<double>(field); }
  std::span<const double> doubles(Field field) const { return view<double>(field); }

  Outcome outcome() const { return static_cast<Outcome>(view<std::int32_t>(Field::outcome)[0]); }
  void set_outcome(Outcome outcome, NsfReason reason);
  NsfReason nsf_reason() const { return static_cast<NsfReason>(view<std::int32_t>(Field::nsf_reason)[0]); }

  /// The checksum of the key and of all bytes but the checksum's own. Experiment and list indices are left
  /// out of it, since an extended store moves them: `model_name`, the fraction's value and the trial identify
  /// the cell.
  std::uint64_t checksum(std::string_view model_name, double fraction, std::uint32_t trial) const;
  void seal(std::string_view model_name, double fraction, std::uint32_t trial);
  bool intact(std::string_view model_name, double fraction, std::uint32_t trial) const;

 private:
  const RecordLayout::Member& require(Field field, std::size_t element_size) const;
  const RecordLayout* layout_;
  std::vector<std::byte> bytes_;
};

/// Whether a cell may be what kills the workers that run it. Deaths count against a cell only where nothing
/// else can have caused them.
struct Suspicion {
  std::uint32_t level =
      0;  ///< 0 none; 1 it was in flight in a pack when its worker died; 2 a whole run, while it ran singly
  std::uint32_t deaths = 0;  ///< that nothing but this cell can have caused
  bool alone = false;        ///< while it is LEASED: a death now can be due to this cell only
  bool operator==(const Suspicion&) const = default;
};

/// Circumstances of a cell's run, outside the promise of equal bits: the row of the dataset `runs`.
struct RunInfo {
  std::uint32_t attempt = 0;
  std::int32_t rank = -1;
  std::uint32_t width = 1;
  std::uint32_t failures = 0;  ///< tries of the cell that have failed so far; kept by later leases
  Suspicion suspicion = {};
  std::string host;    ///< at most 63 bytes are stored
  std::string device;  ///< at most 31 bytes are stored
  double start = 0;    ///< seconds since the epoch
  double seconds_selection = 0, seconds_safety = 0, seconds_evaluation = 0, seconds_total = 0;
  std::string message;  ///< of a failure; at most 159 bytes of UTF-8 are stored
};

}  // namespace seldon
