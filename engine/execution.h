#pragma once
// Where and how a learner computes: what changes speed, and numbers in their last bits, but not the
// algorithm.

#include <cstdint>
#include <string>

namespace seldon {
class Collective;
}

namespace seldon::engine {

/// How convolutions of T trials run at once: one grouped convolution, or patches laid out as a matrix and one
/// batched product (chosen by measurement where the config leaves it open).
enum class Convolutions : std::uint8_t { grouped, unfolded };

/// Of products and convolutions of networks; sums, bounds and parameters stay as they are.
enum class Precision : std::uint8_t { float32, tf32, bfloat16 };

struct Execution {
  std::string device = "cpu";  ///< as LibTorch writes it: "cpu", "cuda:1"
  /// The whole iteration of candidate selection as one program of tensor operations, with nothing asked of
  /// the device in between. Always so on an accelerator, where the problem allows it; on a CPU, for tests.
  bool tensor_program = false;
  bool graph = true;  ///< on a GPU, that program recorded as a CUDA graph; off: to compare the two
  Convolutions convolutions = Convolutions::grouped;
  Precision precision = Precision::float32;
  Collective* collective = nullptr;  ///< null: this rank alone
};

}  // namespace seldon::engine
