// seldon with five parts more.

#include "parts.h"
#include "programs/seldon_main.h"

int main(int argc, char** argv) {
  using namespace seldon::engine;
  my::register_brier(MeasureRegistry::instance());
  my::register_hinge_loss(ObjectiveRegistry::instance());
  my::register_balanced_accuracy(PerformanceRegistry::instance());
  my::register_majority_class(BaselineRegistry::instance());
  my::register_small_network(ArchitectureRegistry::instance());
  return seldon::programs::seldon_main(argc, argv);
}
