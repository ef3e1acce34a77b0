#pragma once
// The store that a run goes on with: made, found and found fitting, or made larger.

#include "programs/run.h"
#include "store/store.h"

namespace seldon::programs {

/// InputError where the store holds another experiment, with the difference shown.
store::Writer open_store(const RunRequest& request, const store::Header& wanted);

}  // namespace seldon::programs
