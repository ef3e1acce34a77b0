#include "analysis/report/sections.h"

namespace seldon::analysis::report {

std::string subgroups_section(const Material&) {
  return "";
}

}  // namespace seldon::analysis::report
