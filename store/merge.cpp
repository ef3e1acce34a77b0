#include "store/merge.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/cell.h"
#include "core/error.h"
#include "store/creation.h"
#include "store/file.h"
#include "store/lock.h"
#include "store/run_row.h"
#include "store/schema.h"
#include "store/store.h"

namespace seldon::store {
namespace {

struct Input : OpenStore {
  std::vector<std::vector<CellState>> states;  ///< [model][row], read before any record

  explicit Input(const std::string& path) : OpenStore(open_to_read(path)) {
    for (std::uint32_t model = 0; model < schema.layouts.size(); ++model)
      states.push_back(read_states(file, schema, model));
  }
  const std::string& path() const { return file.path(); }
};

// ---- do they belong together ---------------------------------------------------------------------------

/// What differs between two JSON objects, a line each; empty where they say the same.
std::string differences(const std::string& first, const std::string& other) {
  const auto a = nlohmann::json::parse(first, nullptr, false),
             b = nlohmann::json::parse(other, nullptr, false);
  if (!a.is_object() || !b.is_object()) return first == other ? "" : "\n  " + first + "\n  " + other;
  std::set<std::string> keys;
  for (const auto* object : {&a, &b})
    for (const auto& item : object->items()) keys.insert(item.key());
  std::string text;
  for (const std::string& key : keys) {
    const auto value = [&](const nlohmann::json& object) {
      return object.contains(key) ? object.at(key).dump() : std::string("nothing");
    };
    if (value(a) != value(b))
      text.append("\n  ").append(key).append(": ").append(value(a)).append(" and ").append(value(b));
  }
  return text;
}

[[noreturn]] void refuse(const Input& first, const Input& other, const std::string& why) {
  throw InputError("'" + first.path() + "' and '" + other.path() + "' cannot be merged: " + why);
}

void require_together(const Input& first, const Input& other, Hardware hardware) {
  const Header &a = first.schema.header, &b = other.schema.header;
  if (const auto found = differences(a.identity, b.identity); !found.empty())
    refuse(first, other, "they hold different experiments:" + found);
  if (a.models != b.models || a.constraints != b.constraints || a.data_fracs != b.data_fracs ||
      a.n_trials != b.n_trials || a.rows != b.rows || a.seed != b.seed)
    refuse(first, other,
           "their records look different; were they made by different versions (" + a.version + ", " +
               b.version + ")?");
  if (a.packs != b.packs)
    refuse(first, other,
           "they cut the cells into different packs, and the results of networks depend on that; shards of "
           "one experiment are cut alike where pack_size is set in the config");
  if (hardware == Hardware::mixed) return;
  if (const auto found = differences(a.numerics, b.numerics); !found.empty())
    refuse(first, other,
           "numbers came out differently there:" + found + "\naccept the mixture with --mixed-hardware");
}

// ---- cells ---------------------------------------------------------------------------------------------

/// How much a state tells, the most first.
int rank_of(CellState state) {
  constexpr std::array order = {CellState::done, CellState::failed,    CellState::leased,
                                CellState::lost, CellState::preempted, CellState::pending};
  return static_cast<int>(std::ranges::find(order, state) - order.begin());
}

/// What one store knows of a cell.
struct Known {
  const Input* input = nullptr;
  CellState state = CellState::pending;
  RunRow run;
  std::vector<std::byte> record;  ///< of DONE cells
};

bool is_better(const Known& known, const Known& than) {
  const int a = rank_of(known.state), b = rank_of(than.state);
  return a != b ? a < b : known.state != CellState::done && known.run.attempt > than.run.attempt;
}

Known look_up(const Input& input, CellKey key, Merged& merged) {
  const std::uint64_t row = input.schema.row(key);
  Known known{&input, input.states[key.model][row], {}, {}};
  input.file.read(input.schema.places[key.model].runs.offset + row * sizeof(RunRow),
                  std::as_writable_bytes(std::span(&known.run, 1)));
  if (known.state != CellState::done) return known;
  known.record = read_record(input.file, input.schema, key);
  if (is_intact(input.schema, key, known.record)) return known;
  ++merged.torn;
  known.state = CellState::lost;
  known.record.clear();
  return known;
}

Known best_known(const std::vector<Input>& inputs, CellKey key, Merged& merged) {
  std::optional<Known> best;
  for (const Input& input : inputs) {
    Known known = look_up(input, key, merged);
    if (best && best->state == CellState::done && known.state == CellState::done &&
        best->record != known.record)
      throw InternalError("'" + best->input->path() + "' and '" + input.path() +
                          "' hold different records of one cell (" + describe(input.schema.header, key) +
                          "); one of the two was computed wrongly, or on other hardware; nothing is merged");
    if (!best || is_better(known, *best)) best = std::move(known);
  }
  return std::move(*best);
}

void put(File& file, const Schema& schema, CellKey key, const Known& known) {
  if (known.state == CellState::pending && known.run.attempt == 0) return;  // the file is laid out like that
  const ModelPlaces& places = schema.places[key.model];
  const std::uint64_t row = schema.row(key);
  if (!known.record.empty()) write_record(file, schema, key, known.record);
  file.write(places.runs.offset + row * sizeof(RunRow), std::as_bytes(std::span(&known.run, 1)));
  file.write(places.state.offset + row, std::as_bytes(std::span(&known.state, 1)));
}

Merged fill(File& file, const Schema& schema, const std::vector<Input>& inputs) {
  Merged merged;
  const Header& header = schema.header;
  for (std::uint32_t model = 0; model < header.models.size(); ++model)
    for (std::uint32_t fraction = 0; fraction < header.data_fracs.size(); ++fraction)
      for (std::uint32_t trial = 0; trial < header.n_trials; ++trial) {
        const CellKey key{0, model, fraction, trial};
        const Known known = best_known(inputs, key, merged);
        put(file, schema, key, known);
        ++merged.by_state[static_cast<std::size_t>(known.state)];
      }
  return merged;
}

}  // namespace

Merged merge(std::span<const std::string> paths, const std::string& output, Hardware hardware) {
  if (paths.empty()) throw InputError("there is nothing to merge; name the stores");
  std::vector<Input> inputs;
  for (const std::string& path : paths) {
    inputs.emplace_back(path);
    require_together(inputs.front(), inputs.back(), hardware);
  }
  const std::string path = canonical(output);
  Lock lock(path, {});
  if (name_taken(path)) throw InputError("'" + output + "' exists already; name another file with --out");
  remove_leftovers(path);
  const Temporary temporary(path);
  File file = File::create(temporary.path());
  const Schema schema = lay_out(file, inputs.front().schema.header);
  const Merged merged = fill(file, schema, inputs);
  file.sync();
  lock.require();
  rename_new(temporary.path(), path);
  sync_folder(path);
  return merged;
}

}  // namespace seldon::store
