#include "programs/report_tables.h"

namespace seldon::programs {

void add_table_commands(CLI::App&) {}

}  // namespace seldon::programs
