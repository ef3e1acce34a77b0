#pragma once
// The process-wide settings that a worker makes before its first network.

#include <string>

namespace seldon::engine::network {

/// Threads of LibTorch's CPU kernels and of the BLAS below them (OpenBLAS heeds neither LibTorch nor OpenMP,
/// and results may depend on its threads); on a GPU, deterministic kernels only. Call once, before any
/// network runs.
void configure_torch(int threads);

/// Makes the C library's allocator keep what LibTorch frees. By default every activation over 128 KiB is
/// mapped from and returned to the system, and its pages are zeroed anew in every iteration, which nearly
/// doubles the time of a training step of the face CNN. Call first thing in the main thread. False where
/// another allocator is in place (a sanitizer's, a preloaded one), which has no such settings.
bool tune_allocator();

/// "LibTorch 1.13.1, AVX2, ...": what results of networks may depend on besides the config, for the store's
/// numerics.
std::string torch_numerics();

}  // namespace seldon::engine::network
