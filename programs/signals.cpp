#include "programs/signals.h"

#include <csignal>
#include <initializer_list>

namespace seldon::programs {
namespace {

// What handlers may touch: the requests so far, and whether SIGTERM and SIGINT leave time for a drain.
volatile std::sig_atomic_t drains = 0;
volatile std::sig_atomic_t terminations = 0;

void handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

void count_drain(int signal) {
  drains = drains + 1;
  if (drains >= 2 && signal != SIGUSR1) handle(signal, SIG_DFL);  // for whoever cannot wait for the cancel
}

/// Unlike SIG_IGN, not passed on to programs that this one starts.
void ignore(int) {}

}  // namespace

void catch_signals(SignalRole role) {
  handle(SIGUSR1, role == SignalRole::worker ? ignore : count_drain);
  for (const int signal : {SIGTERM, SIGINT}) switch (role) {
      case SignalRole::alone:
        handle(signal, count_drain);
        break;
      case SignalRole::orchestrator:
      case SignalRole::worker:
        // A worker must not die of it: that would look like a fault of what it runs. The launcher kills it a
        // moment later.
        handle(signal, [](int) { terminations = 1; });
        break;
    }
}

bool told_to_end() {
  return terminations > 0;
}

Asked asked_by_signal() {
  if (terminations > 0) return Asked::terminate;
  if (drains > 1) return Asked::cancel;
  return drains > 0 ? Asked::drain : Asked::nothing;
}

}  // namespace seldon::programs
