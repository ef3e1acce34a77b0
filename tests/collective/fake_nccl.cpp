#include "fake_nccl.h"

#include <cstdint>
#include <cstring>

namespace seldon::collective::test {

FakeNccl& fake() {
  static FakeNccl state;
  return state;
}

namespace {

ncclComm_t the_communicator() {
  return reinterpret_cast<ncclComm_t>(&fake());
}

ncclResult_t next(std::deque<ncclResult_t>& results) {
  if (results.empty()) return ncclSuccess;
  const ncclResult_t result = results.front();
  results.pop_front();
  return result;
}

ncclResult_t note(const std::string& call) {
  fake().calls.push_back(call);
  return next(fake().answers);
}

ncclResult_t note_work(const std::string& what, std::size_t count, ncclDataType_t type, cudaStream_t stream) {
  const std::string name = type == ncclFloat32 ? "float32" : type == ncclFloat64 ? "float64" : "uint8";
  return note(what + " " + std::to_string(count) + " " + name + " on " +
              std::to_string(reinterpret_cast<std::uintptr_t>(stream)));
}

}  // namespace
}  // namespace seldon::collective::test

using seldon::collective::test::fake;
using seldon::collective::test::note;
using seldon::collective::test::note_work;

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = 22809;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id->internal, 'i', sizeof id->internal);
  return note("make an id");
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* communicator, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  fake().blocking = config->blocking;
  const ncclResult_t result = note("join " + std::string(id.internal, 3) + " as " + std::to_string(rank) +
                                   " of " + std::to_string(size));
  if (result != ncclSuccess && result != ncclInProgress) return result;
  *communicator = seldon::collective::test::the_communicator();
  fake().alive = true;
  return result;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* state) {
  ++fake().looks;
  *state = seldon::collective::test::next(fake().states);
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* in, void* out, size_t count, ncclDataType_t type,
                           ncclRedOp_t operation, ncclComm_t, cudaStream_t stream) {
  return note_work(in == out && operation == ncclSum ? "all_reduce" : "something else", count, type, stream);
}

ncclResult_t ncclAllGather(const void*, void*, size_t count, ncclDataType_t type, ncclComm_t,
                           cudaStream_t stream) {
  return note_work("all_gather", count, type, stream);
}

ncclResult_t ncclBroadcast(const void*, void*, size_t count, ncclDataType_t type, int root, ncclComm_t,
                           cudaStream_t stream) {
  return note_work("broadcast from " + std::to_string(root), count, type, stream);
}

ncclResult_t ncclCommFinalize(ncclComm_t) {
  return note("finalize");
}

ncclResult_t ncclCommDestroy(ncclComm_t) {
  fake().alive = false;
  return note("destroy");
}

ncclResult_t ncclCommAbort(ncclComm_t) {
  fake().alive = false;
  return note("abort");
}

const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError    ? "remote process exited or there was a network error"
         : result == ncclInvalidUsage ? "invalid usage"
         : result == ncclSystemError  ? "unhandled system error"
                                      : "another error";
}

const char* ncclGetLastError(ncclComm_t) {
  return fake().last_error.c_str();
}

cudaError_t cudaSetDevice(int device) {
  note("choose GPU " + std::to_string(device));
  return fake().device_error;
}

const char* cudaGetErrorString(cudaError_t) {
  return "invalid device ordinal";
}

}  // extern "C"
