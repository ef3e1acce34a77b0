#include "orchestrator/dismiss.h"

#include <set>

#include "core/backoff.h"
#include "core/messages.h"

namespace seldon::orchestrator {

bool dismiss(Transport& transport, ExitCode code, double seconds, const Clock& clock) {
  std::set<Peer> staying;
  for (Peer peer = 0; peer < transport.size(); ++peer) {
    if (peer == transport.self() || transport.lost(peer)) continue;
    message::send(transport, peer, message::Stop{static_cast<std::int32_t>(code)});
    staying.insert(peer);
  }
  const double end = clock() + seconds;
  for (Backoff backoff; !staying.empty() || !transport.drained();) {
    if (const auto arrival = transport.poll()) {
      if (arrival->tag == static_cast<int>(message::Tag::bye)) staying.erase(arrival->from);
      backoff.reset();
      continue;
    }
    if (clock() >= end) return false;
    std::erase_if(staying, [&](Peer peer) { return transport.lost(peer); });
    backoff.pause();
  }
  return true;
}

}  // namespace seldon::orchestrator
