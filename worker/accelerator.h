#pragma once
// The GPUs of this machine as LibTorch sees them, and which of them a worker takes.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace seldon::worker {

struct Gpu {
  std::string device;     ///< as LibTorch writes it: "cuda:1"
  std::string name;       ///< "NVIDIA H100 80GB HBM3"
  double free_bytes = 0;  ///< of nobody, when it was opened
};

/// A value, so that tests can have GPUs where there are none.
struct Machine {
  std::size_t gpus = 0;
  std::string name;       ///< of the first; a node's are alike: "NVIDIA H100 80GB HBM3"
  std::string why_none;   ///< where there is none, for messages: "this LibTorch has no CUDA"
  std::string libraries;  ///< what numbers on GPUs depend on besides: versions of CUDA and cuDNN
  /// Opens one, which claims some of its memory.
  std::function<Gpu(std::size_t)> open;
  /// Gives back what LibTorch keeps of their memory for later.
  std::function<void()> release_memory = [] {};
};

/// Asks the driver, which may take a second; opens no GPU.
Machine this_machine();

/// Like std::getenv.
using Lookup = std::function<const char*(const char*)>;

/// The place of this process among those that the launcher started on its node, and how many these are: 0 of
/// 1 without a launcher.
struct LocalRank {
  std::uint32_t index = 0, count = 1;
};
LocalRank local_rank(const Lookup& lookup);
LocalRank local_rank();

/// Opens the GPU of the worker with this index among those of its node: one after the other, then from the
/// first again. IncompleteError where there is none: another node may have one.
Gpu gpu_of(const Machine& machine, std::uint32_t index);

}  // namespace seldon::worker
