#include "analysis/report/sections.h"

namespace seldon::analysis::report {

std::string traces_section(const Material&) {
  return "";
}

}  // namespace seldon::analysis::report
