#pragma once

#include "core/error.h"
#include "core/transport.h"
#include "orchestrator/orchestrator.h"

namespace seldon::orchestrator {

/// Tells every other peer to end with `code` and waits, at most `seconds`, until each has said Bye or has
/// died; whatever else they say is dropped. False if some have not answered.
bool dismiss(Transport& transport, ExitCode code, double seconds, const Clock& clock);

}  // namespace seldon::orchestrator
