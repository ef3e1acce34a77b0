#include "programs/live_line.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <spdlog/spdlog.h>

namespace seldon::programs {

std::string duration(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  seconds = std::max(seconds, 0.0);
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  if (seconds < 6000) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::string describe(const orchestrator::Snapshot& snapshot) {
  std::string text = fmt::format("{}/{} cells", snapshot.done, snapshot.cells);
  if (snapshot.failed > 0) text += fmt::format(", {} failed", snapshot.failed);
  if (snapshot.recorded_now > 0 && snapshot.seconds > 0)
    text += fmt::format(", {:.3g}/s, {} left", static_cast<double>(snapshot.recorded_now) / snapshot.seconds,
                        duration(snapshot.seconds_left));
  const char* separator = "; solutions: ";
  for (const auto& model : snapshot.models) {
    if (model.done == 0) continue;
    text += fmt::format("{}{} {:.0f} %", separator, model.name,
                        100.0 * static_cast<double>(model.solutions) / static_cast<double>(model.done));
    separator = ", ";
  }
  return text;
}

void LiveLine::show(const orchestrator::Orchestrator& orchestrator, double now) {
  if (now < next_) return;
  next_ = now + (terminal_ ? 0.2 : 10.0);
  if (!terminal_) {
    if (shown_) spdlog::info("{}", describe(orchestrator.snapshot()));
    shown_ = true;  // not at the very start
    return;
  }
  std::fprintf(stderr, "\r\033[K%s", describe(orchestrator.snapshot()).c_str());
  shown_ = true;
}

void LiveLine::clear() {
  if (terminal_ && shown_) std::fprintf(stderr, "\r\033[K");
}

}  // namespace seldon::programs
