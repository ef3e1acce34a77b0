#include "collective/orders.h"

#include "core/backoff.h"
#include "core/error.h"

namespace seldon::collective {

void obey(Progress& progress) {
  if (progress.tick() == Order::stop) throw Stopped{};
}

void await_stop(Progress& progress, const std::string& reason, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  for (Backoff backoff; std::chrono::steady_clock::now() < end; backoff.pause()) obey(progress);
  throw IncompleteError("the ranks of a group cannot go on together: " + reason +
                        "; the same command goes on from what is recorded");
}

}  // namespace seldon::collective
