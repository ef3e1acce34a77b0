#include "engine/network/torch_setup.h"

#include <cstdlib>
#include <cstring>
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

#ifdef SELDON_CUDA
namespace {

/// NVIDIA's cuBLAS manual, "Results reproducibility": with several streams, products have the same bits in
/// every run only with one of these two settings of its workspaces. LibTorch refuses deterministic products
/// without.
void allow_deterministic_products() {
  constexpr const char* name = "CUBLAS_WORKSPACE_CONFIG";
  constexpr const char* large = ":4096:8";
  constexpr const char* small = ":16:8";
  const char* const now = std::getenv(name);
  if (!now || (std::strcmp(now, large) != 0 && std::strcmp(now, small) != 0)) setenv(name, large, 1);
}

}  // namespace
#endif

void configure_torch(int threads) {
  at::set_num_threads(threads);
  if (openblas_set_num_threads) openblas_set_num_threads(threads);
  configure_device("cpu", Precision::float32);
#ifdef SELDON_CUDA
  allow_deterministic_products();
#endif
}

void configure_device(const std::string& device, Precision precision) {
  at::Context& context = at::globalContext();
  const bool gpu = device != "cpu";
  context.setDeterministicAlgorithms(gpu, /*warn_only=*/false);
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 2)
  context.setDeterministicFillUninitializedMemory(false);  // a kernel for each new tensor
#endif
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
  set_precision(gpu ? precision : Precision::float32);
}

void set_precision(Precision precision) {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuBLAS(precision == Precision::tf32);
  context.setAllowTF32CuDNN(precision == Precision::tf32);
#if TORCH_VERSION_MAJOR >= 2
  context.setAllowBF16ReductionCuBLAS(false);
#endif
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
