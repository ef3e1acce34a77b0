#include "engine/network/torch_setup.h"

#include <malloc.h>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

/// Null where LibTorch brings another BLAS.
extern "C" [[gnu::weak]] void openblas_set_num_threads(int threads);
extern "C" [[gnu::weak]] char* openblas_get_config();
extern "C" [[gnu::weak]] char* openblas_get_corename();

namespace seldon::engine::network {

void configure_torch(int threads) {
  at::set_num_threads(threads);
  if (openblas_set_num_threads) openblas_set_num_threads(threads);
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setDeterministicCuDNN(true);
}

bool tune_allocator() {
  constexpr int megabyte = 1 << 20;
  return mallopt(M_MMAP_THRESHOLD, 1024 * megabyte) && mallopt(M_TRIM_THRESHOLD, 1024 * megabyte) &&
         mallopt(M_TOP_PAD, 64 * megabyte);
}

std::string torch_numerics() {
  const std::string config = at::show_config();
  const std::string key = "CPU capability usage: ";
  const auto start = config.find(key);
  const std::string capability =
      start == std::string::npos
          ? "unknown CPU capability"
          : config.substr(start + key.size(), config.find('\n', start) - start - key.size());
  const std::string blas = openblas_get_config && openblas_get_corename
                               ? std::string(openblas_get_config()) + " on " + openblas_get_corename()
                               : "a BLAS that does not say its name";
  return "LibTorch " TORCH_VERSION ", " + capability + ", " + at::get_mkldnn_version() + ", " + blas;
}

}  // namespace seldon::engine::network
