#include "collective/nccl.h"

#include <cstdlib>
#include <cuda_runtime_api.h>
#include <exception>
#include <nccl.h>
#include <thread>
#include <utility>

#include "core/backoff.h"
#include "core/error.h"

namespace seldon::collective {
namespace {

ncclDataType_t type_of(Element element) {
  switch (element) {
    case Element::float32:
      return ncclFloat32;
    case Element::float64:
      return ncclFloat64;
    case Element::uint8:
      return ncclUint8;
  }
  throw InternalError("an element of no known type");
}

std::string reason_of(ncclResult_t result, ncclComm_t communicator) {
  std::string text = ncclGetErrorString(result);
  const char* last = ncclGetLastError(communicator);
  if (last != nullptr && *last != '\0') text.append(" (").append(last).append(")");
  return text;
}

[[noreturn]] void throw_unusable(const std::string& reason) {
  throw InputError("NCCL cannot bring the GPUs of a group together: " + reason +
                   "; every rank of a group needs a GPU of its own, and NCCL_DEBUG=WARN tells more");
}

class NcclCollective final : public Collective {
 public:
  NcclCollective(int rank, int size, const Memory& memory, Progress& progress,
                 std::chrono::milliseconds patience)
      : rank_(rank), size_(size), memory_(memory), progress_(&progress), patience_(patience) {}
  ~NcclCollective() override;
  NcclCollective(const NcclCollective&) = delete;
  NcclCollective& operator=(const NcclCollective&) = delete;

  void connect(const ncclUniqueId& id);

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  bool on_device() const override { return true; }
  void all_reduce(void* data, std::size_t count, Element element) override;
  void all_gather(const void* in, void* out, std::size_t count, Element element) override;
  void broadcast(void* data, std::size_t count, Element element, int root) override;
  void check() override;

 private:
  cudaStream_t stream() const { return static_cast<cudaStream_t>(memory_.stream()); }
  void enqueued(ncclResult_t result);
  void settle();
  void obey_or_abort();
  void abort();
  [[noreturn]] void fail(ncclResult_t result);

  int rank_, size_;
  Memory memory_;
  Progress* progress_;
  std::chrono::milliseconds patience_;
  ncclComm_t communicator_ = nullptr;
  bool stopped_ = false;
  std::string failure_;  ///< NCCL's error; empty: none
  std::thread aborting_;
  int exceptions_ = std::uncaught_exceptions();
};

void NcclCollective::connect(const ncclUniqueId& id) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  const ncclResult_t result = ncclCommInitRankConfig(&communicator_, size_, id, rank_, &config);
  if (result != ncclSuccess && result != ncclInProgress) fail(result);
  settle();
}

NcclCollective::~NcclCollective() {
  if (communicator_ != nullptr && std::uncaught_exceptions() == exceptions_) {
    try {
      enqueued(ncclCommFinalize(communicator_));
      ncclCommDestroy(std::exchange(communicator_, nullptr));
    } catch (...) {  // a stop or an error, which have aborted: there is nobody left to tell
    }
  }
  if (communicator_ != nullptr) ncclCommAbort(communicator_);
  if (aborting_.joinable()) aborting_.join();
}

void NcclCollective::all_reduce(void* data, std::size_t count, Element element) {
  check();
  enqueued(ncclAllReduce(data, data, count, type_of(element), ncclSum, communicator_, stream()));
}

void NcclCollective::all_gather(const void* in, void* out, std::size_t count, Element element) {
  check();
  enqueued(ncclAllGather(in, out, count, type_of(element), communicator_, stream()));
}

void NcclCollective::broadcast(void* data, std::size_t count, Element element, int root) {
  check();
  if (root < 0 || root >= size_)
    throw InternalError("a broadcast names member " + std::to_string(root) + " of " + std::to_string(size_));
  enqueued(ncclBroadcast(data, data, count, type_of(element), root, communicator_, stream()));
}

void NcclCollective::check() {
  if (!failure_.empty()) await_stop(*progress_, failure_, std::chrono::milliseconds(0));
  obey_or_abort();
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(communicator_, &state);
  if (asked != ncclSuccess) fail(asked);
  if (state != ncclSuccess && state != ncclInProgress) fail(state);
}

void NcclCollective::obey_or_abort() {
  if (!stopped_ && progress_->tick() == Order::go) return;
  stopped_ = true;
  abort();
  throw Stopped{};
}

/// At once, as kernels that wait for a dead member would block whatever waits for the device on the way to
/// the destructor; and by another thread, as NCCL then waits for the end of the CUDA graphs that its calls
/// were recorded in.
void NcclCollective::abort() {
  if (communicator_ != nullptr) aborting_ = std::thread(ncclCommAbort, std::exchange(communicator_, nullptr));
}

void NcclCollective::enqueued(ncclResult_t result) {
  if (result == ncclInProgress) return settle();
  if (result != ncclSuccess) fail(result);
}

/// A communicator that does not block goes on in the background; nothing else may be asked of it meanwhile.
void NcclCollective::settle() {
  for (Backoff backoff;; backoff.pause()) {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(communicator_, &state);
    if (asked != ncclSuccess) fail(asked);
    if (state == ncclSuccess) return;
    if (state != ncclInProgress) fail(state);
    obey_or_abort();
  }
}

void NcclCollective::fail(ncclResult_t result) {
  const std::string reason = reason_of(result, communicator_);
  failure_ = "NCCL reports " + reason;
  abort();
  if (result == ncclInvalidUsage || result == ncclInvalidArgument) throw_unusable(reason);
  try {
    await_stop(*progress_, failure_, patience_);
  } catch (const Stopped&) {
    stopped_ = true;
    failure_.clear();
    throw;
  }
}

}  // namespace

void prefer_repeatable_sums() {
  setenv("NCCL_ALGO", "Ring", /*overwrite=*/0);
}

std::string loaded_nccl() {
  int code = 0;
  if (ncclGetVersion(&code) != ncclSuccess) return "unknown";
  return std::to_string(code / 10000) + "." + std::to_string(code / 100 % 100) + "." +
         std::to_string(code % 100);
}

std::unique_ptr<Collective> join_nccl(Collective& hosts, const Memory& memory, Progress& progress,
                                      std::chrono::milliseconds patience) {
  const cudaError_t chosen = cudaSetDevice(memory.gpu);
  if (chosen != cudaSuccess)
    throw InputError("GPU " + std::to_string(memory.gpu) + " cannot be used: " + cudaGetErrorString(chosen) +
                     "; look for it with nvidia-smi");
  ncclUniqueId id = {};
  if (hosts.rank() == 0) {
    const ncclResult_t made = ncclGetUniqueId(&id);
    if (made != ncclSuccess) throw_unusable(reason_of(made, nullptr));
  }
  hosts.broadcast(&id, sizeof id, Element::uint8, 0);
  auto joined = std::make_unique<NcclCollective>(hosts.rank(), hosts.size(), memory, progress, patience);
  joined->connect(id);
  return joined;
}

}  // namespace seldon::collective
