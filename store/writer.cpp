#include <algorithm>
#include <atomic>
#include <filesystem>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>

#include "core/error.h"
#include "core/fault_point.h"
#include "store/creation.h"
#include "store/extend.h"
#include "store/file.h"
#include "store/hdf5.h"
#include "store/lock.h"
#include "store/run_row.h"
#include "store/schema.h"
#include "store/store.h"

namespace seldon::store {
namespace {

/// Makes the whole file under a name of its own, then gives it `path`: the store exists whole or not at all.
void create_file(const std::string& path, const Header& header, Lock& lock) {
  const Temporary temporary(path);
  File file = File::create(temporary.path());
  lay_out(file, header);
  file.sync();
  lock.require();
  rename_new(temporary.path(), path);
  sync_folder(path);
}

std::unique_ptr<Lock> lock_store(const std::string& path, const LockOptions& options) {
  auto lock = std::make_unique<Lock>(path, options);
  remove_leftovers(path);
  return lock;
}

}  // namespace

struct Writer::Impl {
  Impl(std::unique_ptr<Lock> held, const std::string& path)
      : lock(std::move(held)), schema(read_schema(path)), file(File::open(path, File::Mode::read_write)) {
    load();
  }

  /// What is kept in memory of the file.
  void load() {
    states.clear();
    failures.clear();
    for (std::uint32_t model = 0; model < schema.layouts.size(); ++model) {
      states.push_back(read_states(file, schema, model));
      failures.push_back(read_failures(model));
    }
  }

  std::vector<std::uint32_t> read_failures(std::uint32_t model) const {
    constexpr std::size_t rows_per_block = 4096;
    const std::size_t rows = schema.cells_per_model();
    std::vector<RunRow> block(std::min(rows_per_block, rows));
    std::vector<std::uint32_t> counts;
    counts.reserve(rows);
    for (std::size_t first = 0; first < rows; first += block.size()) {
      const auto part = std::span(block).first(std::min(block.size(), rows - first));
      file.read(schema.places[model].runs.offset + first * sizeof(RunRow), std::as_writable_bytes(part));
      for (const RunRow& row : part) counts.push_back(row.failures);
    }
    return counts;
  }

  void require_sound() const {
    if (failed)
      throw IncompleteError("the store '" + file.path() +
                            "' takes no more records after a failed write; mend the "
                            "file system and run the same command again");
  }

  /// Runs something that changes the file; after its failure nothing more is written.
  template <class Change>
  void change(Change run) {
    require_sound();
    lock->require();
    try {
      run();
    } catch (const IncompleteError&) {
      failed = true;
      throw;
    }
  }

  CellState& state(CellKey key) {
    const std::uint64_t row = schema.row(key);
    return states[key.model][row];
  }

  std::uint64_t run_offset(CellKey key) const {
    return schema.places[key.model].runs.offset + schema.row(key) * sizeof(RunRow);
  }

  RunRow get_run(CellKey key) const {
    RunRow row;
    file.read(run_offset(key), std::as_writable_bytes(std::span(&row, 1)));
    return row;
  }

  void put_run(CellKey key, const RunRow& row) {
    file.write(run_offset(key), bytes_of(row));
    failures[key.model][schema.row(key)] = row.failures;
  }

  void put_state(CellKey key, CellState value) {
    file.write(schema.places[key.model].state.offset + schema.row(key), bytes_of(value));
    state(key) = value;
  }

  /// The same state for cells that lie side by side.
  void put_states(std::span<const CellKey> keys, CellState value) {
    const CellKey first = keys.front();
    const auto in_memory = std::span(states[first.model]).subspan(schema.row(first), keys.size());
    const std::vector<CellState> in_file(keys.size(), value);
    file.write(schema.places[first.model].state.offset + schema.row(first),
               std::as_bytes(std::span(in_file)));
    std::ranges::fill(in_memory, value);
  }

  /// The same row, but for the failures, for cells that lie side by side.
  void put_runs(std::span<const CellKey> keys, RunRow row) {
    constexpr std::size_t rows_per_block = 1024;
    std::vector<RunRow> block(std::min(keys.size(), rows_per_block), row);
    while (!keys.empty()) {
      const auto part = keys.first(std::min(keys.size(), block.size()));
      const std::uint64_t first = schema.row(part.front());
      for (std::size_t i = 0; i < part.size(); ++i)
        block[i].failures = failures[part.front().model][first + i];
      file.write(run_offset(part.front()), std::as_bytes(std::span(block).first(part.size())));
      keys = keys.subspan(part.size());
    }
  }

  /// Calls visit(neighbours) for each stretch of cells that lie side by side.
  template <class Visit>
  void for_stretches(std::span<const CellKey> keys, Visit visit) const {
    while (!keys.empty()) {
      std::size_t count = 1;
      while (count < keys.size() && keys[count].model == keys[0].model &&
             schema.row(keys[count]) == schema.row(keys[0]) + count)
        ++count;
      visit(keys.first(count));
      keys = keys.subspan(count);
    }
  }

  std::vector<CellKey> cells_in(CellState wanted) const {
    std::vector<CellKey> cells;
    for (std::uint32_t model = 0; model < states.size(); ++model)
      for (std::uint64_t row = 0; row < states[model].size(); ++row)
        if (states[model][row] == wanted)
          cells.push_back({0, model, static_cast<std::uint32_t>(row / schema.header.n_trials),
                           static_cast<std::uint32_t>(row % schema.header.n_trials)});
    return cells;
  }

  std::unique_ptr<Lock> lock;
  Schema schema;
  File file;
  std::vector<std::vector<CellState>> states;        ///< [model][row], as in the file
  std::vector<std::vector<std::uint32_t>> failures;  ///< [model][row], as in the rows of `runs`
  std::atomic<bool> failed = false;                  ///< sync() may run in another thread
};

Writer::Writer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;
Writer::~Writer() = default;

Writer Writer::create(const std::string& path, const Header& header, const LockOptions& options) {
  const std::string whole_path = canonical(path);
  auto lock = lock_store(whole_path, options);
  if (name_taken(whole_path))
    throw InputError("'" + path + "' exists already; choose another name for the store");
  create_file(whole_path, header, *lock);
  return Writer(std::make_unique<Impl>(std::move(lock), whole_path));
}

Writer Writer::open(const std::string& path, const LockOptions& options) {
  File::open(path, File::Mode::read);  // before a lock file is made beside what does not exist
  const std::string whole_path = canonical(path);
  return Writer(std::make_unique<Impl>(lock_store(whole_path, options), whole_path));
}

const Header& Writer::header() const {
  return impl_->schema.header;
}

const RecordLayout& Writer::layout(std::uint32_t model) const {
  return impl_->schema.layouts.at(model);
}

CellState Writer::state(CellKey key) const {
  return impl_->state(key);
}

/// A machine that lost its power may have kept a DONE and not its record. Such cells must run again.
void Writer::lose_torn_records() {
  std::uint64_t torn = 0;
  for (const CellKey key : impl_->cells_in(CellState::done)) {
    if (is_intact(impl_->schema, key, read_record(impl_->file, impl_->schema, key))) continue;
    impl_->change([&] { impl_->put_state(key, CellState::lost); });
    ++torn;
  }
  if (torn > 0)
    spdlog::warn("{} records of the store '{}' were torn by a crash of the machine; their cells run again",
                 torn, impl_->file.path());
}

std::uint64_t Writer::retry_failed() {
  const auto cells = impl_->cells_in(CellState::failed);
  impl_->change([&] {
    for (const CellKey key : cells) {
      RunRow row = impl_->get_run(key);
      row.failures = row.suspicion = row.deaths = row.alone = 0;
      impl_->put_run(key, row);
      impl_->put_state(key, CellState::pending);
    }
  });
  return cells.size();
}

void Writer::extend(const Header& wanted) {
  Impl& held = *impl_;
  const Header header = extended(held.schema.header, wanted);
  if (!is_larger(header, held.schema.header)) return;
  held.change([&] {
    const std::string path = held.file.path();
    const Temporary temporary(path);
    File file = File::create(temporary.path());
    const Schema schema = lay_out(file, header);
    copy_cells(held.file, held.schema, file, schema);
    file.copy_permissions(held.file);
    file.sync();
    held.lock->require();
    pass("store.extend-before-rename");
    rename_over(temporary.path(), path);
    pass("store.extend-after-rename");
    sync_folder(path);
    held.schema = read_schema(path);
    held.file = File::open(path, File::Mode::read_write);
    held.load();
  });
}

void Writer::set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                        const Suspicion& suspicion, const std::string& host) {
  if (is_final(state)) throw InternalError("the states DONE and FAILED come with a report only");
  for (CellKey key : keys)
    if (impl_->state(key) == CellState::done)
      throw InternalError("a cell that is DONE must not leave that state");
  RunInfo run;
  run.attempt = attempt;
  run.width = 0;
  run.suspicion = suspicion;
  run.host = host;
  const RunRow row = to_row(run);
  impl_->change([&] {
    const auto put_runs = [&] {
      impl_->for_stretches(keys, [&](auto stretch) { impl_->put_runs(stretch, row); });
    };
    const auto put_states = [&] {
      impl_->for_stretches(keys, [&](auto stretch) { impl_->put_states(stretch, state); });
    };
    if (state == CellState::preempted) {  // the launcher is about to kill, and it is the state that counts
      put_states();
      put_runs();
      return;
    }
    // A start that finds LEASED or LOST judges by the row, so that must be there before.
    for (const CellKey key : keys)
      if (impl_->state(key) == CellState::failed) impl_->put_state(key, CellState::pending);
    put_runs();
    pass("store.between-run-and-state");
    put_states();
  });
  if (state == CellState::leased) pass("store.lease");
}

void Writer::write(const CellReport& report) {
  const CellKey key = report.key;
  const CellState before = impl_->state(key);
  const bool done = report.state == CellState::done;
  if (report.state == CellState::pending || report.state == CellState::leased)
    throw InternalError("a report must say how a cell ended");
  if (done ? !is_intact(impl_->schema, key, report.record) : !report.record.empty())
    throw InternalError(done ? "a record's checksum does not fit its cell" : "only DONE cells have a record");
  if (before == CellState::done) {
    if (done && !std::ranges::equal(report.record, read_record(impl_->file, impl_->schema, key)))
      throw InternalError("a cell was computed twice with different results (" + describe(header(), key) +
                          "); the first is kept");
    return;
  }
  // Each write is in the kernel when it returns, so a kill finds them done in this order (docs/store.md).
  impl_->change([&] {
    if (is_final(before)) impl_->put_state(key, CellState::leased);
    pass("store.record");
    if (done) write_record(impl_->file, impl_->schema, key, report.record);
    impl_->put_run(key, to_row(report.run));
    pass("store.between-record-and-state");
    impl_->require_sound();  // a sync beside this may have failed just now
    impl_->put_state(key, report.state);
  });
}

void Writer::sync() {
  pass("store.before-sync");
  impl_->change([&] {
    pass("store.during-sync");
    impl_->file.sync();
  });
}

void Writer::beat() {
  impl_->lock->beat();
}

bool name_taken(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) return false;
  if (error) fail_to_open("looking for", path, error.value());
  return true;
}

std::uint64_t size_on_disk(const Header& header) {
  std::error_code none;
  const auto folder = std::filesystem::temp_directory_path(none);
  if (none)
    throw InputError("there is no folder for temporary files (" + none.message() + "); set TMPDIR to one");
  const Temporary temporary((folder / "seldon-size").string());
  const File file = File::create(temporary.path());  // sparse: nothing but the header is written
  try {
    write_schema(temporary.path(), header);
  } catch (const Hdf5Error& error) {
    throw IncompleteError("the store cannot be laid out in '" + folder.string() + "': " + error.what());
  }
  return file.size();
}

}  // namespace seldon::store
