#include "engine/measure/measure.h"

#include "core/error.h"
#include "engine/measure/families.h"

namespace seldon::engine {

MeasureRegistry::MeasureRegistry() {
  register_binary_rates(*this);
  register_regression_errors(*this);
  register_multiclass_rates(*this);
  register_returns(*this);
}

MeasureRegistry& MeasureRegistry::instance() {
  static MeasureRegistry registry;
  return registry;
}

void MeasureRegistry::add(Measure measure) {
  if (find(measure.name, measure.regime))
    throw InternalError("the measure " + measure.name + " of " +
                        std::string(seldon::name_of(measure.regime)) + " is registered twice; rename one");
  measures_.push_back(std::move(measure));
}

const Measure* MeasureRegistry::find(std::string_view name, Regime regime) const {
  for (const Measure& measure : measures_)
    if (measure.regime == regime && measure.name == name) return &measure;
  return nullptr;
}

std::vector<std::string> MeasureRegistry::names(Regime regime) const {
  std::vector<std::string> result;
  for (const Measure& measure : measures_)
    if (measure.regime == regime) result.push_back(measure.name);
  return result;
}

}  // namespace seldon::engine
