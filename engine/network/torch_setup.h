#pragma once
// The process-wide settings that a worker makes before its first network.

#include <string>

#include "engine/execution.h"

namespace seldon::engine::network {

/// Threads of LibTorch's CPU kernels and of the BLAS below them (OpenBLAS heeds neither LibTorch nor OpenMP,
/// and results may depend on its threads). Where LibTorch has CUDA, sets CUBLAS_WORKSPACE_CONFIG as
/// deterministic products need it, unless it is so set already; cuBLAS reads it when it starts. Call once,
/// before any network runs and before the process has other threads that read its environment.
void configure_torch(int threads);

/// On a GPU ("cuda:N"): only operations that give the same bits in every run (those that have no such version
/// throw), no choice of convolutions by their speed of the moment, and float32 products as float32 unless
/// `precision` allows TF32. On a CPU all this holds anyway, and nothing is forbidden.
void configure_device(const std::string& device, Precision precision);

/// Of products and convolutions in float32 on GPUs, for all that this process does from now on: tensor cores
/// round their factors to ten bits (tf32) or are kept out. Sums over bfloat16 products stay in float32.
void set_precision(Precision precision);

/// Makes the C library's allocator keep what LibTorch frees. By default every activation over 128 KiB is
/// mapped from and returned to the system, and its pages are zeroed anew in every iteration, which nearly
/// doubles the time of a training step of the face CNN. Call first thing in the main thread. False where
/// another allocator is in place (a sanitizer's, a preloaded one), which has no such settings.
bool tune_allocator();

/// "LibTorch 1.13.1, AVX2, ...": what results of networks may depend on besides the config, for the store's
/// numerics.
std::string torch_numerics();

}  // namespace seldon::engine::network
