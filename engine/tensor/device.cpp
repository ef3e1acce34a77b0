#include "engine/tensor/device.h"

#include <charconv>

#include "core/error.h"

#ifdef SELDON_CUDA
#include <ATen/Context.h>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace seldon::engine::tensor {

#ifdef SELDON_CUDA

std::size_t gpu_count() noexcept {
  return static_cast<std::size_t>(c10::cuda::device_count());
}

std::string why_no_gpu() {
  try {
    c10::cuda::device_count_ensure_non_zero();
    return "";
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return text.substr(0, text.find('\n'));
  }
}

std::string gpu_name(std::size_t index) {
  cudaDeviceProp properties;
  if (index >= gpu_count() || cudaGetDeviceProperties(&properties, static_cast<int>(index)) != cudaSuccess)
    return "";
  return properties.name;
}

Gpu gpu(std::size_t index) {
  check_device(std::string("cuda:").append(std::to_string(index)));
  const auto device = static_cast<c10::DeviceIndex>(index);
  const cudaDeviceProp& properties = *at::cuda::getDeviceProperties(device);
  const c10::cuda::CUDAGuard guard(device);
  std::size_t free = 0, total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return {properties.name,           static_cast<double>(total),
          static_cast<double>(free), properties.multiProcessorCount,
          properties.major,          properties.minor};
}

std::string cuda_libraries() {
  const at::CUDAHooksInterface& hooks = at::detail::getCUDAHooks();
  const long cuda = hooks.versionCUDART();  // 1000 times the major number, 10 times the minor one
  const long cudnn = hooks.versionCuDNN();  // since version 9: 10000, 100, 1; before: 1000, 100, 1
  const long major = cudnn >= 90000 ? 10000 : 1000;
  return std::string("CUDA ")
      .append(std::to_string(cuda / 1000))
      .append(".")
      .append(std::to_string(cuda % 1000 / 10))
      .append(", cuDNN ")
      .append(std::to_string(cudnn / major))
      .append(".")
      .append(std::to_string(cudnn % major / 100))
      .append(".")
      .append(std::to_string(cudnn % 100));
}

void release_memory() {
  c10::cuda::CUDACachingAllocator::emptyCache();
}

void* current_stream(std::size_t index) {
  return c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(index)).stream();
}

#else

std::string gpu_name(std::size_t) {
  return "";
}

std::string cuda_libraries() {
  return "";
}

void release_memory() {}

void* current_stream(std::size_t) {
  return nullptr;
}

std::size_t gpu_count() noexcept {
  return 0;
}

std::string why_no_gpu() {
  return "this Seldon was built with a LibTorch without CUDA (scripts/install-pip-torch brings one with it)";
}

Gpu gpu(std::size_t index) {
  check_device(std::string("cuda:").append(std::to_string(index)));
  return {};
}

#endif

std::optional<std::size_t> parse_device(std::string_view name) {
  if (name == "cpu") return std::nullopt;
  if (name == "cuda") return 0;
  constexpr std::string_view prefix = "cuda:";
  std::size_t index = 0;
  if (name.starts_with(prefix)) {
    const char* const end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + prefix.size(), end, index);
    if (error == std::errc() && rest == end) return index;
  }
  throw InputError(std::string("device \"")
                       .append(name)
                       .append("\" is unknown: use \"cpu\", or \"cuda:N\" for GPU number N, from 0"));
}

void check_device(std::string_view name) {
  const std::optional<std::size_t> index = parse_device(name);
  if (!index || *index < gpu_count()) return;
  const std::string device = std::string("device \"").append(name).append("\" cannot be used: ");
  if (gpu_count() == 0) throw InputError(device + why_no_gpu());
  throw InputError(device + "this process sees " + std::to_string(gpu_count()) +
                   " GPUs, numbered from 0 (CUDA_VISIBLE_DEVICES may hide some)");
}

std::string resolve_device(std::string_view configured, std::size_t local_index) {
  if (configured != "auto" && configured != "cpu" && configured != "cuda")
    throw InputError(
        std::string("device = \"")
            .append(configured)
            .append("\" is unknown: use \"auto\" (a GPU where there is one), \"cpu\" or \"cuda\""));
  if (configured == "cpu") return "cpu";
  const std::size_t count = gpu_count();
  if (count > 0) return std::string("cuda:").append(std::to_string(local_index % count));
  if (configured == "auto") return "cpu";
  throw InputError("device = \"cuda\" asks for a GPU and this process can use none: " + why_no_gpu() +
                   ". Use device = \"cpu\" or \"auto\", or run where there is one");
}

}  // namespace seldon::engine::tensor
