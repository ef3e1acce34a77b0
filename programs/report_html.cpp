#include "programs/report_html.h"

namespace seldon::programs {

void add_report_command(CLI::App&) {}

}  // namespace seldon::programs
