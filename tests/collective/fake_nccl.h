#pragma once
// NCCL and the little of CUDA beside it, played: what is asked of them is noted, and they answer as told.

#include <cuda_runtime_api.h>
#include <deque>
#include <nccl.h>
#include <string>
#include <vector>

namespace seldon::collective::test {

struct FakeNccl {
  std::vector<std::string> calls;    ///< for example "all_reduce 7 float32 on 3", without looks at the state
  std::deque<ncclResult_t> answers;  ///< of the next calls; then success
  std::deque<ncclResult_t> states;   ///< what the next looks see; then success
  int looks = 0;                     ///< at the state
  std::string last_error;
  cudaError_t device_error = cudaSuccess;
  int blocking = -1;   ///< as configured
  bool alive = false;  ///< a communicator exists
};

/// Of this process; tests reset it.
FakeNccl& fake();

}  // namespace seldon::collective::test
