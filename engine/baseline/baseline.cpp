#include "engine/baseline/baseline.h"

#include <algorithm>

#include "core/error.h"

namespace seldon::engine {

BaselineRegistry::BaselineRegistry() {
  register_random(*this);
}

BaselineRegistry& BaselineRegistry::instance() {
  static BaselineRegistry registry;
  return registry;
}

void BaselineRegistry::add(BaselineKind kind) {
  if (find(kind.name)) throw InternalError("two baselines are named '" + kind.name + "'");
  kinds_.push_back(std::move(kind));
}

const BaselineKind* BaselineRegistry::find(std::string_view name) const {
  const auto at = std::ranges::find(kinds_, name, &BaselineKind::name);
  return at == kinds_.end() ? nullptr : &*at;
}

std::vector<std::string> BaselineRegistry::names() const {
  std::vector<std::string> names;
  for (const BaselineKind& kind : kinds_) names.push_back(kind.name);
  return names;
}

}  // namespace seldon::engine
