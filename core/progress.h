#pragma once

namespace seldon {

enum class Order { go, stop };

/// The engine's view of whoever started it: every loop asks, and winds up when told to stop. The worker's
/// implementation sends heartbeats and looks for a cancel; in one process it turns the orchestrator.
class Progress {
 public:
  virtual ~Progress() = default;
  virtual Order tick() = 0;
};

/// For tests and single runs: never stops.
class Unhindered final : public Progress {
 public:
  Order tick() override { return Order::go; }
};

/// Thrown by the engine after a stop order; the cells of the pack count as preempted, never as failed.
struct Stopped {};

}  // namespace seldon
