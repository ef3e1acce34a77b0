#pragma once

#include <string>

namespace seldon::programs {

/// Rank 0 speaks for the run on stderr, the others only of trouble; with a folder, every rank also writes
/// FOLDER/seldon-RANK.log. Throws InputError if the folder cannot be made or written.
void set_up_logging(int rank, const std::string& folder, bool terminal);

}  // namespace seldon::programs
