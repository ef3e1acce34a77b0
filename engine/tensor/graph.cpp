#include "engine/tensor/graph.h"

#include <map>

#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#ifdef SELDON_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#endif

namespace seldon::engine::tensor {
namespace {

c10::Stream stream_of_this_thread(const at::Device& device) {
  thread_local std::map<c10::DeviceIndex, c10::Stream> streams;
  const auto known = streams.find(device.index());
  if (known != streams.end()) return known->second;
  const c10::impl::VirtualGuardImpl backend(device.type());
  return streams.emplace(device.index(), backend.getStreamFromGlobalPool(device)).first->second;
}

/// "cuda" without a number means the device in use.
at::Device numbered(const at::Device& device) {
  if (device.is_cpu() || device.has_index()) return device;
  return c10::impl::VirtualGuardImpl(device.type()).getDevice();
}

}  // namespace

WorkQueue::WorkQueue(const at::Device& device) : device_(numbered(device)) {
  if (device_.is_cpu()) return;
  const c10::impl::VirtualGuardImpl backend(device_.type());
  c10::Event before(device_.type());
  before.record(backend.getStream(device_));
  guard_.emplace(stream_of_this_thread(device_));
  before.block(guard_->current_stream());
}

Mark::Mark(const at::Device& device) : device_(numbered(device)) {
  if (!device_.is_cpu()) event_.emplace(device_.type());
}

void Mark::set() {
  if (event_) event_->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
}

bool Mark::reached() const {
  return !event_ || event_->query();
}

at::Tensor transfer_buffer(at::IntArrayRef sizes, at::ScalarType type, const at::Device& device) {
  return at::empty(sizes, at::TensorOptions(type).pinned_memory(!device.is_cpu()));
}

// ---- recording
// ---------------------------------------------------------------------------------------------------

namespace {

class HostRecorder final : public Recorder {
 public:
  std::unique_ptr<Recording> record(const std::function<void()>& work) override {
    return std::make_unique<Again>(work);
  }

 private:
  class Again final : public Recording {
   public:
    explicit Again(const std::function<void()>& work) : work_(work) {}
    void replay() override { work_(); }

   private:
    const std::function<void()>& work_;
  };
};

#ifdef SELDON_CUDA
using at::cuda::CUDAGraph;

class GraphRecorder final : public Recorder {
 public:
  explicit GraphRecorder(const at::Device& device)
      : device_(device.index()), pool_(at::cuda::graph_pool_handle()) {}

  std::unique_ptr<Recording> record(const std::function<void()>& work) override {
    // Within a recording the allocator cannot give memory back to the device, so what the runs before have
    // left unused is given back now.
    c10::cuda::CUDACachingAllocator::emptyCache();
    auto graph = std::make_unique<CUDAGraph>();
    try {
      // Other threads of the process may go on using the device meanwhile; this one, and autograd's on its
      // behalf, must ask for nothing that waits.
      graph->capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
      work();
      graph->capture_end();
    } catch (const std::exception& error) {
      why_not_ = first_line(error.what());
      abandon(std::move(graph));
      return nullptr;
    }
    return std::make_unique<Graph>(std::move(graph));
  }

 private:
  class Graph final : public Recording {
   public:
    explicit Graph(std::unique_ptr<CUDAGraph> graph) : graph_(std::move(graph)) {}
    void replay() override { graph_->replay(); }

   private:
    std::unique_ptr<CUDAGraph> graph_;
  };

  static std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

  /// Ends what was begun, so that the stream can be used again. Each part may have ended already.
  void abandon(std::unique_ptr<CUDAGraph> graph) const {
    const auto attempt = [](const auto& end) {
      try {
        end();
      } catch (const std::exception&) {
      }
    };
    attempt([&] { graph->capture_end(); });  // throws where CUDA has given the recording up, but ends it
    attempt([&] { graph->reset(); });
    attempt([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(device_, pool_); });
    // The allocator of pinned memory may go on asking it whether a stream belongs to it: it is never
    // destroyed.
    static_cast<void>(graph.release());
  }

  c10::DeviceIndex device_;
  decltype(at::cuda::graph_pool_handle()) pool_;
};
#endif

}  // namespace

std::unique_ptr<Recorder> make_recorder([[maybe_unused]] const at::Device& device) {
#ifdef SELDON_CUDA
  if (device.is_cuda()) return std::make_unique<GraphRecorder>(numbered(device));
#endif
  return std::make_unique<HostRecorder>();
}

}  // namespace seldon::engine::tensor
