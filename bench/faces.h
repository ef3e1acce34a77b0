#pragma once
// The published facial experiment on drawn faces, for benchmarks of networks: one constraint, batches of 237,
// the published subgroups.

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/algorithm.h"
#include "engine/dataset/sampling.h"
#include "engine/network/network.h"
#include "table/synthetic_faces.h"

namespace seldon::bench {

/// What varies between measurements.
struct FaceSetting {
  engine::Execution execution;
  std::uint64_t batch = 237;
  std::size_t trials = 1;
  bool trace = false;
};

class FaceExperiment {
 public:
  explicit FaceExperiment(std::uint64_t rows);
  FaceExperiment(const FaceExperiment&) = delete;
  FaceExperiment& operator=(const FaceExperiment&) = delete;

  const engine::Dataset& data() const { return data_; }
  std::uint64_t candidate_rows() const { return data_.rows / 2; }
  engine::ModelSpec model(const FaceSetting& setting) const;
  /// Trials `first` and following, resampled from all rows.
  std::vector<engine::TrialTask> tasks(std::uint32_t first, std::size_t count) const;
  /// A learner of these trials, and what candidate selection needs of them. The spans borrow from `splits`.
  struct Training {
    std::vector<engine::Split> splits;
    std::vector<engine::CandidateData> data;
    std::unique_ptr<engine::Learner> learner;
    engine::SelectionOptions options;
  };
  Training training(const engine::ModelSpec& model, std::span<const engine::TrialTask> tasks,
                    const engine::Execution& execution) const;
  const engine::network::Network& network() const { return network_; }

 private:
  table::Frame frame_;
  std::deque<std::vector<std::uint8_t>> members_;  ///< of the subgroups: spans stay good
  engine::Dataset data_;
  engine::network::Network network_;
};

}  // namespace seldon::bench
