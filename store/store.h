#pragma once
// The store: one HDF5 file per experiment, allocated in full before the first trial, in which afterwards only
// raw data changes (docs/store.md; docs/architecture.md, decisions 4 and 5). HDF5 itself stays behind this
// header.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/cell.h"
#include "core/pack_runner.h"
#include "core/record.h"

namespace seldon::store {

inline constexpr int format_version = 2;

struct ConstraintHeader {
  std::string name, expression, decision, bound;
  double delta = 0;
  bool operator==(const ConstraintHeader&) const = default;
};

struct ModelHeader {
  std::string name;
  std::string kind;  ///< "seldonian" or "baseline"
  RecordShape shape;
  bool operator==(const ModelHeader&) const = default;
};

/// Everything of an experiment that is written once, as attributes and small datasets.
struct Header {
  std::string name;
  std::uint64_t seed = 0;
  std::uint32_t n_trials = 0;
  std::vector<double> data_fracs;
  std::vector<std::uint64_t> rows;  ///< n at each fraction
  std::uint64_t total_rows = 0;     ///< of the table (or of its training part)
  std::string config;               ///< the config's text, --set applied
  std::string identity;             ///< JSON object: identity key -> value
  std::string numerics;             ///< JSON object: what numbers may depend on besides
  std::vector<ConstraintHeader> constraints;
  std::vector<ModelHeader> models;
  std::vector<Pack> packs;  ///< in the order in which they are handed out
  std::string version;      ///< of the program that created the store
  bool operator==(const Header&) const = default;
};

/// How to come by a store that another process may be writing.
struct LockOptions {
  bool take_over = false;           ///< from whoever holds it, dead or alive
  double stale_seconds = 60;        ///< a holder without a heartbeat for longer counts as dead
  bool (*told_to_end)() = nullptr;  ///< ends the wait for a heartbeat, as an IncompleteError
};

/// The only writer of a store. Every method throws IncompleteError where the disk or file system fails, and
/// after the first failure refuses to write again.
class Writer {
 public:
  /// Makes the file under a temporary name, allocates every byte, syncs it and renames it into place.
  /// InputError if something of that name exists, or another process is making it.
  static Writer create(const std::string& path, const Header& header, const LockOptions& lock = {});
  /// Opens an existing store to go on with it; changes nothing yet. InputError where another process
  /// writes it.
  static Writer open(const std::string& path, const LockOptions& lock = {});
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;
  ~Writer();

  const Header& header() const;
  const RecordLayout& layout(std::uint32_t model) const;
  CellState state(CellKey key) const;

  /// DONE cells whose record does not fit its checksum (the machine lost its power) become LOST. To be called
  /// before going on with a store, once it is known to be the right one.
  void lose_torn_records();
  /// FAILED cells become PENDING, with no failures behind them. Returns how many there were.
  std::uint64_t retry_failed();

  /// Makes room for more trials, data fractions or models: the store is written anew beside the old file,
  /// with all that it holds, and renamed over it. Its packs stay, and only what they do not cover is cut as
  /// in `wanted`; numerics stay too. Does nothing where nothing is added. InputError where `wanted` lacks or
  /// changes something that is there (what the identity says besides is for the caller to compare).
  void extend(const Header& wanted);

  /// A state alone (LEASED with its attempt before a pack is handed out), in the kernel on return; the cells'
  /// rows of `runs` are emptied but for the attempt, the suspicion, the host and the failures. InternalError
  /// for a final state, or for a cell that is DONE.
  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                  const Suspicion& suspicion = {}, const std::string& host = {});
  /// A finished cell, each step in the kernel before the next: the state leaves any final value; record and
  /// run; state.
  /// InternalError, before anything is written: a second, different record of a DONE cell (an equal one, or a
  /// failure, is ignored), or a record whose checksum does not fit its cell.
  void write(const CellReport& report);
  /// fsync. May run in another thread, beside all other methods but extend().
  void sync();
  /// Renews the lock's heartbeat, which a thread does as well, every 5 seconds: this is to hear early,
  /// as an IncompleteError, that another process has taken over. May run in any thread.
  void beat();

 private:
  struct Impl;
  explicit Writer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Reads a store at any time, also while it is written.
class Reader {
 public:
  /// InputError for a path that is no store, or one of another version.
  explicit Reader(const std::string& path);
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  ~Reader();

  const Header& header() const;
  const RecordLayout& layout(std::uint32_t model) const;
  /// [fraction][trial], row-major, fresh from the file.
  std::vector<CellState> states(std::uint32_t model) const;
  std::vector<RunInfo> runs(std::uint32_t model) const;
  /// The record refers to this reader's layout, and must not outlive it.
  CellRecord record(CellKey key) const;
  /// Compounds only (no arrays) of consecutive cells of one model, row-major over (fraction, trial):
  /// layout.compound_bytes() each.
  std::vector<std::byte> compounds(std::uint32_t model, std::uint64_t first, std::uint64_t count) const;
  /// The same into memory of the caller, which says by its size how many cells are wanted; `read_array` gives
  /// one array (histogram, trace, parameters) of consecutive cells. May run in several threads at once.
  void read_states(std::uint32_t model, std::uint64_t first, std::span<CellState> to) const;
  void read_compounds(std::uint32_t model, std::uint64_t first, std::span<std::byte> to) const;
  void read_array(std::uint32_t model, Field field, std::uint64_t first, std::span<double> to) const;
  /// One array (histogram, trace, parameters) of one cell.
  std::vector<double> array(CellKey key, Field field) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// SHA-256, as hex, of what is promised to be equal on any number of ranks: per model, by name, fraction
/// value and trial, the state and, of DONE cells, the record with its arrays. Cells that are not DONE count
/// with their state only.
std::string digest(const std::string& path);

/// Whether anything has this name, a dangling link too. InputError for a name too long, or a folder that may
/// not be entered; IncompleteError where the file system fails.
bool name_taken(const std::string& path);

/// Bytes that a store of this header takes.
std::uint64_t size_on_disk(const Header& header);

}  // namespace seldon::store
