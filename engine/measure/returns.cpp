// Off-policy estimates of a policy's return: names and indices only (the index is the number of an alternate
// reward), so that expressions can be read and checked before that regime's engine exists.

#include "engine/measure/families.h"

namespace seldon::engine {

void register_returns(MeasureRegistry& registry) {
  for (const char* name : {"J_pi_new_IS", "J_pi_new_PDIS", "J_pi_new_WIS"})
    registry.add({name, Regime::reinforcement_learning, IndexKind::optional_one, false, nullptr, nullptr});
  registry.add({"J_pi_new_US", Regime::reinforcement_learning, IndexKind::none, false, nullptr, nullptr});
}

}  // namespace seldon::engine
