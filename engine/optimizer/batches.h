#pragma once
// Which candidate rows an iteration looks at.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace seldon::engine {

struct BatchOptions {
  std::optional<std::uint64_t> size;  ///< none: all rows
  bool toolkit = false;               ///< contiguous slices in fixed order, a short last batch stays
  std::uint64_t seed = 0;             ///< keys of the order, with the trial and the epoch
  std::string model_name;
  double data_fraction = 1;
};

/// The batches of one trial. Default: reshuffled each epoch, and a last batch under half size joins the one
/// before.
class BatchSchedule {
 public:
  BatchSchedule(std::size_t rows, std::uint32_t trial, BatchOptions options);
  std::size_t batches_per_epoch() const { return ends_.size(); }
  /// Positions in the candidate rows, for iteration 0, 1, ... in rising order.
  std::span<const std::uint32_t> batch(std::size_t iteration);
  /// Toolkit variant: a short last batch is no basis for calling an iterate the best.
  bool counts(std::size_t iteration) const;

 private:
  std::size_t rows_;
  std::uint32_t trial_;
  BatchOptions options_;
  std::vector<std::size_t> ends_;
  std::vector<std::uint32_t> order_;
  std::optional<std::size_t> epoch_;
};

}  // namespace seldon::engine
