#include "worker/accelerator.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <optional>

#include "core/error.h"
#include "engine/tensor/device.h"

namespace seldon::worker {

namespace tensor = engine::tensor;

namespace {

std::optional<std::uint32_t> number(const Lookup& lookup, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* text = lookup(name);
    if (!text) continue;
    std::uint32_t value = 0;
    const char* const end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, value);
    if (error == std::errc() && stop == end) return value;
  }
  return std::nullopt;
}

}  // namespace

Machine this_machine() {
  Machine machine;
  machine.gpus = tensor::gpu_count();
  if (machine.gpus == 0) {
    machine.why_none = tensor::why_no_gpu();
    return machine;
  }
  machine.name = tensor::gpu_name(0);
  machine.libraries = tensor::cuda_libraries();
  machine.open = [](std::size_t index) {
    const tensor::Gpu gpu = tensor::gpu(index);
    return Gpu{"cuda:" + std::to_string(index), gpu.name, gpu.free};
  };
  machine.release_memory = tensor::release_memory;
  return machine;
}

LocalRank local_rank(const Lookup& lookup) {
  // Open MPI; MPICH and Intel MPI; srun. From the innermost launcher outwards.
  const auto index =
      number(lookup, {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PMI_LOCAL_RANK", "SLURM_LOCALID"});
  const auto count = number(lookup, {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "PMI_LOCAL_SIZE"});
  LocalRank rank;
  rank.index = index.value_or(0);
  rank.count = std::max(count.value_or(1), rank.index + 1);
  return rank;
}

LocalRank local_rank() {
  return local_rank([](const char* name) { return std::getenv(name); });
}

Gpu gpu_of(const Machine& machine, std::uint32_t index) {
  if (machine.gpus == 0)
    throw IncompleteError("this experiment runs on GPUs, and this node has none that LibTorch can use (" +
                          machine.why_none + ")");
  return machine.open(index % machine.gpus);
}

}  // namespace seldon::worker
