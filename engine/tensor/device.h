#pragma once
// Which device a worker computes on. Free of LibTorch's headers, for whoever only chooses.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace seldon::engine::tensor {

/// GPUs that this process may use, those of CUDA_VISIBLE_DEVICES where it is set. 0 where LibTorch has no
/// CUDA, where there is no driver, or where it fails; never throws, and claims no memory on any.
std::size_t gpu_count() noexcept;

/// Why `gpu_count` is 0, in words; empty where it is not.
std::string why_no_gpu();

/// Its model, as in Gpu, without opening it. Empty where there is no such GPU.
std::string gpu_name(std::size_t index);

struct Gpu {
  std::string name;             ///< "NVIDIA H100 80GB HBM3"
  double memory = 0, free = 0;  ///< bytes; free: of nobody, at present
  int multiprocessors = 0;
  int capability_major = 0, capability_minor = 0;  ///< 9.0 of an H100
};

/// One of them. Opens it, which claims some of its memory. InputError where there is no such GPU.
Gpu gpu(std::size_t index);

/// "CUDA 13.0, cuDNN 9.15.1": what numbers on GPUs depend on besides their kind. Empty without CUDA.
std::string cuda_libraries();

/// Gives back to the GPUs what LibTorch keeps of their memory for later.
void release_memory();

/// The stream (cudaStream_t) that this thread's work for a GPU is enqueued on at present; null without CUDA.
void* current_stream(std::size_t index);

/// "cpu" gives none, "cuda:N" gives N, "cuda" gives 0. InputError for all else.
std::optional<std::size_t> parse_device(std::string_view name);

/// Throws InputError, saying why, unless `name` (as LibTorch writes it) is a device of this process.
void check_device(std::string_view name);

/// The device of a worker, as LibTorch writes it: "cpu" or "cuda:N". `configured` is the config's "auto" (a
/// GPU where there is one), "cpu" or "cuda"; `local_index` counts the workers of this node. GPUs are dealt
/// out in turn, so that several workers share one where there are more workers. InputError, saying why, where
/// a GPU is asked for and there is none.
std::string resolve_device(std::string_view configured, std::size_t local_index);

}  // namespace seldon::engine::tensor
