#include "engine/learner.h"

#include "core/error.h"
#include "engine/model/linear.h"

namespace seldon::engine {

ArchitectureRegistry::ArchitectureRegistry() {
  register_linear(*this);
}

ArchitectureRegistry& ArchitectureRegistry::instance() {
  static ArchitectureRegistry registry;
  return registry;
}

void ArchitectureRegistry::add(Architecture architecture) {
  if (find(architecture.name)) throw InternalError("two architectures are named '" + architecture.name + "'");
  architectures_.push_back(std::move(architecture));
}

const Architecture* ArchitectureRegistry::find(std::string_view name) const {
  for (const Architecture& a : architectures_)
    if (a.name == name) return &a;
  return nullptr;
}

std::vector<std::string> ArchitectureRegistry::names() const {
  std::vector<std::string> names;
  for (const Architecture& a : architectures_) names.push_back(a.name);
  return names;
}

}  // namespace seldon::engine
