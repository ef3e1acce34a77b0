#pragma once
// Files of whole stores: made under a temporary name, complete and synced before they get their own. Internal
// to the store room.

#include <string>

#include "store/schema.h"
#include "store/store.h"

namespace seldon::store {

/// Removes a file at the end, unless that has been renamed.
class Temporary {
 public:
  /// A name beside `path` that no other process uses.
  explicit Temporary(const std::string& path);
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Removes what processes have left that were killed while they made the store at `path`, a path with a
/// folder. To be called under its lock.
void remove_leftovers(const std::string& path);

/// Makes a whole store of empty cells in `file`, with all its space taken. Nothing is synced. IncompleteError
/// where the disk cannot hold it, InputError for a header that cannot be kept.
Schema lay_out(File& file, const Header& header);

}  // namespace seldon::store
