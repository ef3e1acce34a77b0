#include "programs/live_line.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

namespace seldon::programs {
namespace {

std::size_t terminal_columns() {
  winsize size = {};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

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
  if (snapshot.experiments.size() > 1)
    return text += fmt::format(
               "; {} of {} experiments complete",
               std::ranges::count_if(snapshot.experiments, [](const auto& one) { return one.complete(); }),
               snapshot.experiments.size());
  const char* separator = "; solutions: ";
  for (const auto& model : snapshot.models) {
    if (model.done == 0) continue;
    text += fmt::format("{}{} {:.0f} %", separator, model.name,
                        100.0 * static_cast<double>(model.solutions) / static_cast<double>(model.done));
    separator = ", ";
  }
  return text;
}

std::string cut_to(const std::string& text, std::size_t columns) {
  const auto starts = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  std::size_t end = 0;
  for (std::size_t characters = 0; end < text.size(); ++end)
    if (starts(text[end]) && ++characters > columns) break;
  return text.substr(0, end);
}

void LiveLine::show(const orchestrator::Orchestrator& orchestrator, double now) {
  if (now < next_) return;
  next_ = now + (terminal_ ? 0.2 : 10.0);
  if (!terminal_) {
    if (shown_) spdlog::info("{}", describe(orchestrator.snapshot()));
    shown_ = true;  // not at the very start
    return;
  }
  // A line that wraps could not be taken back.
  std::fprintf(stderr, "\r\033[K%s",
               cut_to(describe(orchestrator.snapshot()), terminal_columns() - 1).c_str());
  shown_ = true;
}

void LiveLine::clear() {
  if (terminal_ && shown_) std::fprintf(stderr, "\r\033[K");
}

}  // namespace seldon::programs
