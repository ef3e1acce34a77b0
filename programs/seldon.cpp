// seldon: checks, runs and uses Seldonian experiments.

#include "programs/seldon_main.h"

int main(int argc, char** argv) {
  return seldon::programs::seldon_main(argc, argv);
}
