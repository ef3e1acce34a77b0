#pragma once
// How the host feeds a device: a queue of work of its own, marks that tell how far the device has come, and
// work recorded once to be run many times. On a CPU work is done when the call returns, and a recording runs
// its work again; the same code serves both.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>

namespace seldon::engine::tensor {

/// While it lives, what this thread asks of the device goes to a stream other than the default one (which
/// cannot be recorded), after all that was asked before. One stream per thread and device, so that memory
/// freed on it serves the next use. Whoever leaves must have waited for the work.
class WorkQueue {
 public:
  explicit WorkQueue(const at::Device& device);
  const at::Device& device() const { return device_; }

 private:
  at::Device device_;
  std::optional<c10::StreamGuard> guard_;  ///< on a GPU
};

/// A place in a device's queue.
class Mark {
 public:
  explicit Mark(const at::Device& device);
  /// Behind all that this thread has asked of the device so far.
  void set();
  /// Whether the device has done all that was asked before `set`; so too where it was never set. Does not
  /// wait. An error of the device comes out here, as a c10::Error.
  bool reached() const;

 private:
  at::Device device_;
  std::optional<c10::Event> event_;  ///< on a GPU
};

/// An uninitialised tensor on the host that a device can copy from and to while the host goes on.
at::Tensor transfer_buffer(at::IntArrayRef sizes, at::ScalarType type, const at::Device& device);

/// Work recorded for a device.
class Recording {
 public:
  virtual ~Recording() = default;
  /// Asks the device to do the work.
  virtual void replay() = 0;
};

/// Records work. Tensors that outlive a replay must have been made before and be written in place; those made
/// within the work share one memory over all recordings of a recorder, so that what one leaves there the
/// next destroys.
class Recorder {
 public:
  virtual ~Recorder() = default;
  /// Records what `work` asks of the device; nothing of it is done yet. Null where that fails, which leaves
  /// the device as it was; `why_not` then says why. `work` must have run a few times before (libraries set
  /// themselves up in their first runs), and must outlive the recording.
  virtual std::unique_ptr<Recording> record(const std::function<void()>& work) = 0;
  const std::string& why_not() const { return why_not_; }

 protected:
  std::string why_not_;
};

/// Records CUDA graphs, all in one pool of memory (at::cuda::CUDAGraph), or, on a CPU, remembers the work.
std::unique_ptr<Recorder> make_recorder(const at::Device& device);

}  // namespace seldon::engine::tensor
