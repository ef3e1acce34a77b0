#include "core/record.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <utility>

#include "core/checksum.h"

namespace seldon {
namespace {

constexpr std::array<std::string_view, field_count> field_names = {"crc",
                                                                   "outcome",
                                                                   "nsf_reason",
                                                                   "n",
                                                                   "best_iteration",
                                                                   "performance",
                                                                   "g",
                                                                   "upper",
                                                                   "node_n",
                                                                   "node_mean",
                                                                   "node_sd",
                                                                   "node_lower",
                                                                   "node_upper",
                                                                   "hard_counts",
                                                                   "soft_sums",
                                                                   "soft_squares",
                                                                   "log_loss_sums",
                                                                   "residual_sums",
                                                                   "histogram",
                                                                   "trace",
                                                                   "parameters"};

constexpr std::size_t align8(std::size_t bytes) {
  return (bytes + 7) / 8 * 8;
}

}  // namespace

std::string_view name_of(Field field) {
  return field_names[static_cast<std::size_t>(field)];
}

std::string_view name_of(NsfReason reason) {
  switch (reason) {
    case NsfReason::none:
      return "";
    case NsfReason::too_few_rows:
      return "too_few_rows";
    case NsfReason::group_too_small:
      return "group_too_small";
    case NsfReason::not_finite:
      return "not_finite";
    case NsfReason::not_feasible:
      return "not_feasible";
    case NsfReason::safety_test:
      return "safety_test";
    case NsfReason::one_class:
      return "one_class";
  }
  return "unknown";
}

std::size_t size_of(ScalarType type) {
  return type == ScalarType::int32 ? 4 : 8;
}

std::size_t RecordLayout::Member::elements() const {
  return std::accumulate(dims.begin(), dims.end(), std::size_t{1}, std::multiplies<>{});
}

RecordLayout::RecordLayout(RecordShape shape) : shape_(std::move(shape)) {
  const auto truths = shape_.truths.size(), subgroups = shape_.subgroups.size();
  const std::size_t constraints = shape_.constraints.size(), nodes = shape_.base_nodes.size();
  const std::size_t classes = shape_.classes;
  positions_.fill(field_count);

  add(members_, Field::crc, ScalarType::uint64, {}, {});
  add(members_, Field::outcome, ScalarType::int32, {}, {});
  add(members_, Field::nsf_reason, ScalarType::int32, {}, {});
  add(members_, Field::rows, ScalarType::int64, {}, {});
  add(members_, Field::best_iteration, ScalarType::int64, {}, {});
  add(members_, Field::performance, ScalarType::float64, {"truth", "performance"},
      {truths, shape_.performance.size()});
  add(members_, Field::g, ScalarType::float64, {"constraint", "rule", "truth"},
      {constraints, shape_.rules.size(), truths});
  add(members_, Field::upper, ScalarType::float64, {"constraint"}, {constraints});
  for (Field field : {Field::node_n, Field::node_mean, Field::node_sd, Field::node_lower, Field::node_upper})
    add(members_, field, ScalarType::float64, {"base_node"}, {nodes});
  if (shape_.regime == Regime::regression) {
    add(members_, Field::residuals, ScalarType::float64, {"truth", "subgroup", "residual_sum"},
        {truths, subgroups, 7});
  } else {
    for (Field field : {Field::hard_counts, Field::soft_sums, Field::soft_squares})
      add(members_, field, ScalarType::float64, {"truth", "subgroup", "true_class", "class"},
          {truths, subgroups, classes, classes});
    add(members_, Field::log_loss, ScalarType::float64, {"truth", "subgroup", "log_loss_sum"},
        {truths, subgroups, 2});
  }
  compound_bytes_ = bytes_;

  if (shape_.histograms && shape_.regime != Regime::regression)
    add(arrays_, Field::histogram, ScalarType::float64, {"truth", "subgroup", "true_class", "bin", "bin_sum"},
        {truths, subgroups, classes, histogram_bins, 2});
  if (shape_.trace_iterations > 0)
    add(arrays_, Field::trace, ScalarType::float64, {"iteration", "trace"},
        {shape_.trace_iterations, 1 + 2 * constraints});
  if (shape_.parameters > 0)
    add(arrays_, Field::parameters, ScalarType::float64, {"parameter"}, {shape_.parameters});
}

void RecordLayout::add(std::vector<Member>& to, Field field, ScalarType type, std::vector<std::string> axes,
                       std::vector<std::size_t> dims) {
  Member member{field, type, std::move(dims), std::move(axes), 0};
  if (member.elements() == 0) return;  // HDF5 has no empty array members
  // Two 32-bit scalars share eight bytes; everything else starts on a multiple of eight.
  member.offset = type == ScalarType::int32 ? bytes_ : align8(bytes_);
  bytes_ = member.offset + member.bytes();
  positions_[static_cast<std::size_t>(field)] = members_.size() + arrays_.size();
  to.push_back(std::move(member));
}

std::uint64_t key_checksum(std::string_view model_name, double fraction, std::uint32_t trial) {
  const std::uint64_t crc = crc64(std::as_bytes(std::span(&fraction, 1)),
                                  crc64(std::as_bytes(std::span(model_name.data(), model_name.size()))));
  return crc64(std::as_bytes(std::span(&trial, 1)), crc);
}

CellRecord::CellRecord(const RecordLayout& layout) : layout_(&layout), bytes_(layout.bytes()) {
  for (const auto* list : {&layout.members(), &layout.arrays()})
    for (const auto& member : *list)
      if (member.type == ScalarType::float64)
        std::ranges::fill(view<double>(member.field), std::numeric_limits<double>::quiet_NaN());
}

CellRecord::CellRecord(const RecordLayout& layout, std::vector<std::byte> bytes)
    : layout_(&layout), bytes_(std::move(bytes)) {
  if (bytes_.size() != layout.bytes())
    throw InternalError("a cell's record has " + std::to_string(bytes_.size()) +
                        " bytes where the layout has " + std::to_string(layout.bytes()));
}

void CellRecord::set_outcome(Outcome outcome, NsfReason reason) {
  view<std::int32_t>(Field::outcome)[0] = static_cast<std::int32_t>(outcome);
  view<std::int32_t>(Field::nsf_reason)[0] = static_cast<std::int32_t>(reason);
}

std::uint64_t CellRecord::checksum(std::string_view model_name, double fraction, std::uint32_t trial) const {
  return crc64(std::span(bytes_).subspan(sizeof(std::uint64_t)), key_checksum(model_name, fraction, trial));
}

void CellRecord::seal(std::string_view model_name, double fraction, std::uint32_t trial) {
  view<std::uint64_t>(Field::crc)[0] = checksum(model_name, fraction, trial);
}

bool CellRecord::intact(std::string_view model_name, double fraction, std::uint32_t trial) const {
  return view<std::uint64_t>(Field::crc)[0] == checksum(model_name, fraction, trial);
}

const RecordLayout::Member& CellRecord::require(Field field, std::size_t element_size) const {
  const auto* member = layout_->find(field);
  if (!member || size_of(member->type) != element_size)
    throw InternalError("this experiment's records have no part '" + std::string(name_of(field)) + "'");
  return *member;
}

}  // namespace seldon
