#pragma once

#include <string>

namespace seldon::programs {

/// Rank 0 speaks for the run on stderr, the others only of trouble. With a folder, every rank also appends to
/// FOLDER/seldon-RANK.log, where a worker tells of each pack; a record carries the rank and what the thread
/// works on (core/log_context.h). These files are flushed at every warning and every two seconds; where one
/// cannot be written any more, the run goes on without it. Throws InputError if the folder cannot be made or
/// the file not be opened.
void set_up_logging(int rank, const std::string& folder, bool terminal);

}  // namespace seldon::programs
