#include "engine/optimizer/batches.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "core/random.h"

namespace seldon::engine {

BatchSchedule::BatchSchedule(std::size_t rows, std::uint32_t trial, BatchOptions options)
    : rows_(rows), trial_(trial), options_(std::move(options)), order_(rows) {
  std::iota(order_.begin(), order_.end(), 0U);
  const std::size_t size = std::min<std::size_t>(options_.size.value_or(rows), rows);
  if (size == 0) return;
  for (std::size_t end = size; end < rows; end += size) ends_.push_back(end);
  ends_.push_back(rows);
  const std::size_t last = ends_.size() > 1 ? rows - ends_[ends_.size() - 2] : rows;
  if (!options_.toolkit && ends_.size() > 1 && 2 * last < size) ends_.erase(ends_.end() - 2);
}

std::span<const std::uint32_t> BatchSchedule::batch(std::size_t iteration) {
  const std::size_t epoch = iteration / ends_.size(), index = iteration % ends_.size();
  // One batch of all rows needs no order; the rows then stay where their learner keeps them.
  if (!options_.toolkit && ends_.size() > 1 && epoch_ != epoch) {
    order_ =
        Stream(Purpose::batch_order, options_.seed,
               {trial_, std::bit_cast<std::uint64_t>(options_.data_fraction), epoch}, options_.model_name)
            .permutation(rows_);
    epoch_ = epoch;
  }
  const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
  return std::span(order_).subspan(begin, ends_[index] - begin);
}

bool BatchSchedule::counts(std::size_t iteration) const {
  if (!options_.toolkit) return true;
  const std::size_t index = iteration % ends_.size();
  return index == 0 || ends_[index] - ends_[index - 1] == ends_[0];
}

}  // namespace seldon::engine
