#include <algorithm>
#include <atomic>
#include <filesystem>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <spdlog/spdlog.h>

#include "core/error.h"
#include "store/file.h"
#include "store/hdf5.h"
#include "store/run_row.h"
#include "store/schema.h"
#include "store/store.h"

namespace seldon::store {
namespace {

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

/// Fills a dataset with copies of one row.
void fill(File& file, const Place& place, std::uint64_t rows, std::span<const std::byte> row) {
  constexpr std::size_t block_bytes = 1 << 20;
  const std::uint64_t rows_per_block = std::clamp<std::uint64_t>(block_bytes / row.size(), 1, rows);
  std::vector<std::byte> block;
  for (std::uint64_t i = 0; i < rows_per_block; ++i) block.insert(block.end(), row.begin(), row.end());
  for (std::uint64_t first = 0; first < rows; first += rows_per_block) {
    const auto count = std::min(rows_per_block, rows - first);
    file.write(place.offset + first * row.size(), std::span(block).first(count * row.size()));
  }
}

/// What stands in a cell that has no record: NaN, so that no mean is quietly taken over it, and state
/// PENDING.
void fill_all(File& file, const Schema& schema) {
  for (std::size_t model = 0; model < schema.places.size(); ++model) {
    const ModelPlaces& places = schema.places[model];
    const std::uint64_t rows = schema.cells_per_model();
    const CellRecord empty(schema.layouts[model]);
    std::span<const std::byte> rest = empty.bytes();
    const auto fill_next = [&](const Place& place) {
      fill(file, place, rows, rest.first(place.row_bytes));
      rest = rest.subspan(place.row_bytes);
    };
    fill_next(places.cells);
    for (const Place& place : places.arrays) fill_next(place);
    fill(file, places.state, rows, bytes_of(CellState::pending));
    fill(file, places.runs, rows, bytes_of(RunRow{}));
  }
}

/// Removes a file at the end, unless that has been renamed.
struct Temporary {
  std::string path;
  ~Temporary() { ::unlink(path.c_str()); }
};

/// A name that no other process uses.
std::string unused_name(const std::string& path) {
  std::string name = path + ".tmp-" + host_name() + "-" + std::to_string(::getpid());
  ::unlink(name.c_str());  // what a killed process of the same number has left
  return name;
}

/// Makes the whole file under a name of its own, then gives it `path`: the store exists whole or not at all.
void create_file(const std::string& path, const Header& header) {
  const std::string name = unused_name(path);
  File file = File::create(name);
  const Temporary temporary{name};
  try {
    write_schema(name, header);
  } catch (const Hdf5Error& error) {
    throw IncompleteError("making the store '" + path + "' failed: " + error.what() +
                          "; look whether the disk is full, and run the same command again");
  }
  file.allocate();
  fill_all(file, read_schema(name));
  file.sync();
  rename_new(name, path);
  sync_folder(path);
}

std::string canonical(const std::string& path) {
  std::error_code error;
  const auto resolved = std::filesystem::weakly_canonical(path, error);
  return error ? path : resolved.string();
}

}  // namespace

struct Writer::Impl {
  Impl(std::unique_ptr<LockFile> held, const std::string& path)
      : lock(std::move(held)), schema(read_schema(path)), file(File::open(path, File::Mode::read_write)) {
    for (std::uint32_t model = 0; model < schema.layouts.size(); ++model)
      states.push_back(read_states(file, schema, model));
  }

  /// Runs something that changes the file; after its failure nothing more is written.
  template <class Change>
  void change(Change run) {
    if (failed)
      throw IncompleteError("the store '" + file.path() +
                            "' takes no more records after a failed write; mend the "
                            "file system and run the same command again");
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

  void put_run(CellKey key, const RunRow& row) { file.write(run_offset(key), bytes_of(row)); }

  void put_state(CellKey key, CellState value) {
    file.write(schema.places[key.model].state.offset + schema.row(key), bytes_of(value));
    state(key) = value;
  }

  void put_record(CellKey key, std::span<const std::byte> record) {
    const ModelPlaces& places = schema.places[key.model];
    const std::uint64_t row = schema.row(key);
    const auto put_next = [&](const Place& place) {
      file.write(place.offset + row * place.row_bytes, record.first(place.row_bytes));
      record = record.subspan(place.row_bytes);
    };
    put_next(places.cells);
    for (const Place& place : places.arrays) put_next(place);
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

  std::unique_ptr<LockFile> lock;
  Schema schema;
  File file;
  std::vector<std::vector<CellState>> states;  ///< [model][row], as in the file
  std::atomic<bool> failed = false;            ///< sync() may run in another thread
};

Writer::Writer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;
Writer::~Writer() = default;

Writer Writer::create(const std::string& path, const Header& header) {
  const std::string whole_path = canonical(path);
  auto lock = std::make_unique<LockFile>(whole_path);
  if (name_taken(whole_path))
    throw InputError("'" + path + "' exists already; choose another name for the store");
  create_file(whole_path, header);
  return Writer(std::make_unique<Impl>(std::move(lock), whole_path));
}

Writer Writer::open(const std::string& path) {
  File::open(path, File::Mode::read);  // before a lock file is made beside what does not exist
  const std::string whole_path = canonical(path);
  return Writer(std::make_unique<Impl>(std::make_unique<LockFile>(whole_path), whole_path));
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

void Writer::set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                        const Suspicion& suspicion) {
  if (is_final(state)) throw InternalError("the states DONE and FAILED come with a report only");
  for (CellKey key : keys)
    if (impl_->state(key) == CellState::done)
      throw InternalError("a cell that is DONE must not leave that state");
  RunInfo run;
  run.attempt = attempt;
  run.width = 0;
  run.suspicion = suspicion;
  RunRow row = to_row(run);
  impl_->change([&] {
    // The state first: a FAILED cell never stands there without its message.
    for (const CellKey key : keys) {
      impl_->put_state(key, state);
      row.failures = impl_->get_run(key).failures;
      impl_->put_run(key, row);
    }
  });
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
      throw InternalError("a cell was computed twice with different results (model '" +
                          header().models[key.model].name + "', fraction " + std::to_string(key.fraction) +
                          ", trial " + std::to_string(key.trial) + "); the first is kept");
    return;
  }
  // Each write is in the kernel when it returns, so a kill finds them done in this order (docs/store.md).
  impl_->change([&] {
    if (is_final(before)) impl_->put_state(key, CellState::leased);
    if (done) impl_->put_record(key, report.record);
    impl_->put_run(key, to_row(report.run));
    impl_->put_state(key, report.state);
  });
}

void Writer::sync() {
  impl_->change([&] { impl_->file.sync(); });
}

bool name_taken(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) return false;
  if (error)
    throw InputError("'" + path + "' cannot be a store: " + error.message() +
                     "; name another file with --store");
  return true;
}

std::uint64_t size_on_disk(const Header& header) {
  std::error_code none;
  const auto folder = std::filesystem::temp_directory_path(none);
  if (none)
    throw InputError("there is no folder for temporary files (" + none.message() + "); set TMPDIR to one");
  const Temporary temporary{unused_name((folder / "seldon-size").string())};
  const File file = File::create(temporary.path);  // sparse: nothing but the header is written
  try {
    write_schema(temporary.path, header);
  } catch (const Hdf5Error& error) {
    throw IncompleteError("the store cannot be laid out in '" + folder.string() + "': " + error.what());
  }
  return file.size();
}

}  // namespace seldon::store
