#pragma once
// Who worked when: a picture of all leases of a store's runs (STORE.packs.jsonl).

#include <filesystem>
#include <string>
#include <vector>

#include "store/pack_rows.h"

namespace seldon::analysis {

/// One run on the store, from its start to its end or, where it was killed, to the last pack that it told of.
struct Session {
  double begin = 0, end = 0;  ///< seconds since the epoch
  double workers = 0;
  std::vector<const store::PackRow*> packs;
};

/// The runs with packs, in the order of time. They refer to `rows`.
std::vector<Session> sessions_of(const store::PackRows& rows);

/// Time under leases over the time that all workers were there; NaN without sessions.
double utilisation(const std::vector<Session>& sessions);

/// A self-contained SVG: above, how many workers were busy with which model; below, a lane for each worker,
/// by host, with a bar for each lease. Where there are too many of them for a picture, a lane stands for
/// several workers, and its bars for what they did most; the file stays below a few megabytes. `models`: all
/// names, in the order of their colours. InputError if there are no packs.
std::string timeline_svg(const std::string& experiment, const std::vector<std::string>& models,
                         const store::PackRows& rows);

/// Draws the timeline of a store. Returns how many lines of its statistics could not be read.
std::uint64_t write_timeline(const std::string& store, const std::filesystem::path& file);

}  // namespace seldon::analysis
