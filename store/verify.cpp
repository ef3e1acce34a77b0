#include "store/verify.h"

#include <numeric>
#include <optional>
#include <sstream>
#include <string_view>

#include "core/record.h"
#include "store/file.h"
#include "store/lock.h"
#include "store/run_row.h"
#include "store/scan.h"
#include "store/schema.h"

namespace seldon::store {
namespace {

constexpr std::array<std::string_view, 6> state_names = {"PENDING", "LEASED", "DONE",
                                                         "FAILED",  "LOST",   "PREEMPTED"};
constexpr std::array<std::string_view, trouble_count> trouble_names = {"torn", "contrary", "suspicious"};

struct Doubt {
  Trouble trouble;
  std::string what;
};

std::optional<Doubt> doubt_record(CellState state, const CellRecord& record, bool intact) {
  if (state == CellState::done) {
    if (!intact) return Doubt{Trouble::torn, "its record does not fit its checksum"};
    if (record.outcome() == Outcome::none) return Doubt{Trouble::contrary, "it is DONE without an outcome"};
  }
  if (state == CellState::failed && intact)
    return Doubt{Trouble::contrary, "it is FAILED, and has a whole record"};
  return std::nullopt;
}

std::optional<Doubt> doubt_run(CellState state, const RunInfo& run) {
  if (state == CellState::done) return std::nullopt;  // whatever it was suspected of, it is innocent
  std::string what;
  const auto add = [&](const std::string& text) { what.append(what.empty() ? "" : ", ").append(text); };
  if (state == CellState::leased || state == CellState::lost)
    add(std::string(state_names[static_cast<std::size_t>(state)]) + " in attempt " +
        std::to_string(run.attempt));
  if (run.suspicion.level > 0)
    add(run.suspicion.level == 1 ? "in flight when a worker died" : "running singly when a run died");
  if (run.suspicion.deaths > 0) add(std::to_string(run.suspicion.deaths) + " deaths while it ran alone");
  if (what.empty()) return std::nullopt;
  if (!run.host.empty()) what.append(" on ").append(run.host);
  if (!run.message.empty()) what.append(": ").append(run.message);
  return Doubt{Trouble::suspicious, what};
}

void note(Verification& verification, const Schema& schema, CellKey key, const Doubt& doubt) {
  const auto count = ++verification.found[static_cast<std::size_t>(doubt.trouble)];
  if (count <= Verification::most_findings)
    verification.findings.push_back({describe(schema.header, key), doubt.trouble, doubt.what});
}

void verify_model(const File& file, const Schema& schema, std::uint32_t model, Verification& verification) {
  const Header& header = schema.header;
  // Before the records: what is DONE now has a whole record then, also while a run goes on.
  const auto states = read_states(file, schema, model);
  auto& counts = verification.models.emplace_back(Verification::Model{header.models[model].name, {}});
  for (CellState state : states) ++counts.by_state[static_cast<std::size_t>(state)];
  const auto key_of = [&](std::uint64_t row) {
    return CellKey{0, model, static_cast<std::uint32_t>(row / header.n_trials),
                   static_cast<std::uint32_t>(row % header.n_trials)};
  };
  for_each_record(file, schema, model, [&](std::uint64_t row, const CellRecord& record) {
    const CellKey key = key_of(row);
    const bool intact = record.intact(header.models[model].name, header.data_fracs[key.fraction], key.trial);
    if (intact) ++(states[row] == CellState::done ? verification.records : verification.unrecorded);
    if (const auto doubt = doubt_record(states[row], record, intact)) note(verification, schema, key, *doubt);
  });
  for_each_run(file, schema, model, [&](std::uint64_t row, const RunRow& run) {
    if (const auto doubt = doubt_run(states[row], from_row(run)))
      note(verification, schema, key_of(row), *doubt);
  });
}

void add_advice(std::ostream& text, const Verification& verification) {
  const auto count = [&](CellState state) {
    return std::accumulate(verification.models.begin(), verification.models.end(), std::uint64_t{0},
                           [&](std::uint64_t sum, const Verification::Model& model) {
                             return sum + model.by_state[static_cast<std::size_t>(state)];
                           });
  };
  if (!verification.writer.empty())
    text << verification.writer << " seems to write this store now; LEASED cells may be its work in hand\n";
  if (verification.unrecorded > 0)
    text << verification.unrecorded
         << " whole records are of cells that a kill kept from being DONE; these run again\n";
  if (!verification.is_sound()) text << "the same `seldon run` runs torn, LEASED and LOST cells again\n";
  if (count(CellState::failed) > 0)
    text << count(CellState::failed) << " cells FAILED; `seldon run --retry failed` runs them again\n";
}

}  // namespace

Verification verify(const std::string& path) {
  Verification verification;
  verification.path = path;
  if (const auto owner = holder_of(path)) verification.writer = describe(*owner);
  const auto [schema, file] = open_to_read(path);
  for (std::uint32_t model = 0; model < schema.layouts.size(); ++model)
    verify_model(file, schema, model, verification);
  return verification;
}

std::string to_text(const Verification& verification) {
  std::ostringstream text;
  for (const auto& model : verification.models) {
    text << model.name << ":";
    for (std::size_t state = 0; state < state_names.size(); ++state)
      if (model.by_state[state] > 0) text << " " << model.by_state[state] << " " << state_names[state];
    text << "\n";
  }
  for (const auto& finding : verification.findings)
    text << trouble_names[static_cast<std::size_t>(finding.trouble)] << ": " << finding.cell << ": "
         << finding.what << "\n";
  for (std::size_t trouble = 0; trouble < trouble_count; ++trouble)
    if (verification.found[trouble] > Verification::most_findings)
      text << "... and " << verification.found[trouble] - Verification::most_findings << " more that are "
           << trouble_names[trouble] << "\n";
  text << verification.records << " records fit their checksum";
  for (std::size_t trouble = 0; trouble < trouble_count; ++trouble)
    text << ", " << verification.found[trouble] << " " << trouble_names[trouble];
  text << "\n";
  add_advice(text, verification);
  return text.str();
}

}  // namespace seldon::store
