#include "orchestrator/ledger.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "core/error.h"

namespace seldon::orchestrator {
namespace {

// Suspicion::level
constexpr std::uint8_t suspect = 1;     // its worker, or its job, has died
constexpr std::uint8_t downed_job = 2;  // and then a job while it ran singly: nobody saw whose fault it was

std::string killer_message(std::uint32_t deaths, const std::string& host) {
  std::string text = std::to_string(deaths);
  text += deaths == 1 ? " worker died or hung" : " workers died or hung";
  text += " while this cell ran singly";
  if (!host.empty()) text += ", the last on " + host;
  return text + "; --retry failed tries it again, a longer run.lease_seconds helps if it is slow";
}

}  // namespace

Ledger::Ledger(const Plan& plan, const Limits& limits, RecordSink& sink) : sink_(sink) {
  if (plan.costs.size() != plan.packs.size()) throw InternalError("the plan has not one cost for each pack");
  for (const ExperimentPlan& planned : plan.experiments) {
    Experiment& experiment = experiments_.emplace_back();
    experiment.name = planned.name;
    experiment.limits = planned.limits.value_or(limits);
    if (experiment.limits.max_tries == 0 || experiment.limits.max_deaths == 0)
      throw InternalError("a cell must have one try at least");
    for (const std::string& model : planned.models) experiment.models.push_back({model});
    experiment.left.resize(experiment.models.size());
  }
  for (const Pack& pack : plan.packs) {
    if (pack.experiment >= experiments_.size() || pack.width == 0 ||
        pack.model >= experiments_[pack.experiment].models.size())
      throw InternalError("the plan has an impossible pack");
    packs_.push_back({pack, cells_.size(), pack.width});
    cells_.resize(cells_.size() + pack.width);
    Experiment& experiment = experiments_[pack.experiment];
    experiment.models[pack.model].cells += pack.width;
    experiment.missing += pack.width;
    missing_ += pack.width;
    auto& left = experiment.left[pack.model];
    left.resize(std::max<std::size_t>(left.size(), pack.fraction + 1));
    left[pack.fraction] += pack.width;
    const auto& start = plan.experiments[pack.experiment].start;
    for (std::uint32_t slot = 0; slot < pack.width; ++slot)
      take_over(packs_.size() - 1, slot, start(pack.cell(slot)));
  }
  if (suspects_ > 0)
    spdlog::warn("{} cells were running when an earlier run or its worker died; they run singly, at the end",
                 suspects_);
}

/// The cell as an earlier run left it.
void Ledger::take_over(std::size_t pack, std::uint32_t slot, const CellStart& start) {
  Cell& known = cell(pack, slot);
  const Limits& limits = limits_of(pack);
  known.attempt = start.attempt;
  known.failures = start.failures;
  known.deaths = start.suspicion.deaths;
  if (start.state == CellState::done) {
    model(pack).solutions += start.solution;
    return settle(pack, slot, CellState::done);
  }
  const bool given_up = known.deaths >= limits.max_deaths || known.failures >= limits.max_tries;
  if (start.state == CellState::failed && given_up) return settle(pack, slot, CellState::failed);
  // Killed while its last failure, or that it was given up, was being recorded.
  known.failures = std::min(known.failures, limits.max_tries - 1);

  known.level = static_cast<std::uint8_t>(std::min<std::uint32_t>(start.suspicion.level, downed_job));
  suspects_ += known.level > 0;
  if (start.state == CellState::leased)
    accuse(known, known.level > 0 ? downed_job : suspect, start.suspicion.alone);
  else if (start.state == CellState::lost)
    accuse(known, suspect, false);
  // Its last try may have been singly, and begun: see fail().
  const bool last_try = known.failures + 1 >= limits.max_tries;
  known.apart = known.level > 0 || (last_try && (start.state == CellState::failed || known.attempt > 1));
  judged_now_ += known.level != start.suspicion.level || known.deaths != start.suspicion.deaths;
  if (known.deaths >= limits.max_deaths) return give_up(pack, slot, -1, start.host);
  if (start.state != CellState::leased) return;
  const CellKey key = packs_[pack].pack.cell(slot);
  sink_.set_states(std::span(&key, 1), CellState::lost, known.attempt, suspicion(known));
}

void Ledger::close(std::uint32_t number) {
  Experiment& experiment = experiments_[number];
  if (experiment.closed) return;
  experiment.closed = true;
  missing_ -= experiment.missing;
}

std::string Ledger::name(std::uint32_t experiment) const {
  return experiments_.size() > 1 ? experiments_[experiment].name : std::string();
}

std::string Ledger::describe(const Pack& pack) const {
  const std::string experiment = name(pack.experiment);
  return fmt::format("{}{}model {}, fraction {}, trials {} to {}", experiment, experiment.empty() ? "" : ", ",
                     experiments_[pack.experiment].models[pack.model].name, pack.fraction, pack.first_trial,
                     pack.first_trial + pack.width - 1);
}

std::string Ledger::name_of_model(const Pack& pack) const {
  const std::string experiment = name(pack.experiment);
  const std::string& model = experiments_[pack.experiment].models[pack.model].name;
  return experiment.empty() ? model : fmt::format("{}, {}", experiment, model);
}

// ---- questions ----------------------------------------------------------------------------------

std::vector<std::uint32_t> Ledger::together(std::size_t pack) const {
  std::vector<std::uint32_t> slots;
  for (std::uint32_t slot = 0; slot < packs_[pack].pack.width; ++slot)
    if (cell(pack, slot).state == CellState::pending && !cell(pack, slot).apart) slots.push_back(slot);
  return slots;
}

std::vector<std::uint32_t> Ledger::apart(std::size_t pack) const {
  std::vector<std::uint32_t> slots;
  for (std::uint32_t slot = 0; slot < packs_[pack].pack.width; ++slot)
    if (cell(pack, slot).state == CellState::pending && cell(pack, slot).apart) slots.push_back(slot);
  return slots;
}

bool Ledger::tried(std::size_t pack) const {
  return std::ranges::any_of(together(pack),
                             [&](std::uint32_t slot) { return cell(pack, slot).failures > 0; });
}

bool Ledger::exclusive(std::size_t pack, std::uint32_t slot) const {
  return cell(pack, slot).level == downed_job;
}

std::vector<std::uint32_t> Ledger::filled(std::size_t pack, const std::vector<std::uint32_t>& wanted) const {
  const bool single = wanted.size() == 1 && cell(pack, wanted.front()).apart;
  std::vector<std::uint32_t> slots;
  for (std::uint32_t slot = 0; slot < packs_[pack].pack.width; ++slot) {
    if (std::ranges::binary_search(wanted, slot)) continue;
    if (single || cell(pack, slot).state != CellState::done) slots.push_back(slot);
  }
  return slots;
}

// ---- changes ------------------------------------------------------------------------------------

std::uint32_t Ledger::lease(std::size_t pack, const std::vector<std::uint32_t>& wanted, bool alone,
                            const std::string& host) {
  std::uint32_t attempt = 0;
  std::vector<CellKey> keys;
  for (const std::uint32_t slot : wanted) {
    attempt = std::max(attempt, cell(pack, slot).attempt + 1);
    keys.push_back(packs_[pack].pack.cell(slot));
  }
  // Several cells run together only as long as none of them is a suspect: one suspicion fits them all.
  sink_.lease(keys, attempt, suspicion(cell(pack, wanted.front()), alone), host);
  for (const std::uint32_t slot : wanted) {
    cell(pack, slot).state = CellState::leased;
    cell(pack, slot).attempt = attempt;
  }
  return attempt;
}

void Ledger::record(std::size_t pack, std::uint32_t slot, CellReport report) {
  report.run.failures = cell(pack, slot).failures;
  report.run.suspicion = suspicion(cell(pack, slot));
  model(pack).solutions += sink_.write(report);
  ++recorded_now_;
  ++experiment(pack).recorded_now;
  settle(pack, slot, CellState::done);
}

bool Ledger::fail(std::size_t pack, std::uint32_t slot, CellReport report, bool in_company) {
  Cell& known = cell(pack, slot);
  const std::uint32_t max_tries = limits_of(pack).max_tries;
  ++known.failures;
  if (in_company && known.failures >= max_tries) known.failures = max_tries - 1;
  // The last try shows whether it is this cell that fails.
  if (in_company && known.failures + 1 >= max_tries) known.apart = true;
  const bool last = known.failures >= max_tries;
  spdlog::warn("{}, trial {}: failed ({} of {} tries): {}", name_of_model(packs_[pack].pack),
               report.key.trial, known.failures, max_tries, report.run.message);
  report.state = CellState::failed;
  report.run.attempt = known.attempt;
  report.run.failures = known.failures;
  report.run.suspicion = suspicion(known);
  sink_.write(report);
  known.state = CellState::pending;
  if (!last) return false;
  ++failed_now_;
  ++experiment(pack).failed_now;
  settle(pack, slot, CellState::failed);
  return true;
}

Ledger::Leased Ledger::leased(std::size_t pack, const std::vector<std::uint32_t>& wanted) const {
  Leased some;
  for (const std::uint32_t slot : wanted) {
    if (cell(pack, slot).state != CellState::leased) continue;
    some.keys.push_back(packs_[pack].pack.cell(slot));
    some.one = &cell(pack, slot);
  }
  return some;
}

void Ledger::excuse(std::size_t pack, const std::vector<std::uint32_t>& wanted) {
  const auto [keys, one] = leased(pack, wanted);
  if (one) sink_.excuse(keys, one->attempt, suspicion(*one));
}

void Ledger::take_back(std::size_t pack, const std::vector<std::uint32_t>& wanted) {
  const auto [keys, one] = leased(pack, wanted);
  if (!one) return;
  for (const CellKey key : keys)
    cell(pack, key.trial - packs_[pack].pack.first_trial).state = CellState::pending;
  preempted_ += keys.size();
  sink_.set_states(keys, CellState::preempted, one->attempt, suspicion(*one));
}

void Ledger::lose(std::size_t pack, const std::vector<std::uint32_t>& wanted, bool singly, Peer peer,
                  const std::string& host) {
  std::vector<CellKey> keys;
  const Cell* one = nullptr;
  for (const std::uint32_t slot : wanted) {
    Cell& known = cell(pack, slot);
    if (known.state != CellState::leased) continue;
    known.state = CellState::pending;
    accuse(known, suspect, singly);
    known.apart = true;
    if (known.deaths >= limits_of(pack).max_deaths) {
      give_up(pack, slot, peer, host);
      continue;
    }
    keys.push_back(packs_[pack].pack.cell(slot));
    one = &known;
  }
  if (one) sink_.set_states(keys, CellState::lost, one->attempt, suspicion(*one));
}

void Ledger::refund(std::size_t pack, const std::vector<std::uint32_t>& slots, const std::string& host) {
  for (const std::uint32_t slot : slots) {
    Cell& known = cell(pack, slot);
    if (is_final(known.state) || known.failures == 0) continue;
    --known.failures;
    if (known.state != CellState::pending) continue;  // its next report says so
    CellReport report{packs_[pack].pack.cell(slot), CellState::failed, {}, {}};
    report.run.attempt = known.attempt;
    report.run.failures = known.failures;
    report.run.suspicion = suspicion(known);
    report.run.host = host;
    report.run.message = "failed on a worker that was taken out; not counted";
    sink_.write(report);
  }
}

/// Its worker has died, or its job; `counts`: nothing but this cell can be why.
void Ledger::accuse(Cell& known, std::uint8_t level, bool counts) {
  suspects_ += known.level == 0;
  known.level = std::max(known.level, level);
  known.deaths += counts;
}

void Ledger::give_up(std::size_t pack, std::uint32_t slot, Peer peer, const std::string& host) {
  const Cell& known = cell(pack, slot);
  CellReport report{packs_[pack].pack.cell(slot), CellState::failed, {}, {}};
  report.run.attempt = known.attempt;
  report.run.failures = known.failures;
  report.run.suspicion = suspicion(known);
  report.run.rank = peer;
  report.run.host = host;
  report.run.message = killer_message(known.deaths, host);
  spdlog::error("{}, trial {}: {}", name_of_model(packs_[pack].pack), report.key.trial, report.run.message);
  sink_.write(report);
  ++failed_now_;
  ++experiment(pack).failed_now;
  settle(pack, slot, CellState::failed);
}

/// The cell has reached a final state.
void Ledger::settle(std::size_t pack, std::uint32_t slot, CellState state) {
  Cell& known = cell(pack, slot);
  suspects_ -= known.level > 0;
  known.state = state;
  ++(state == CellState::done ? model(pack).done : model(pack).failed);
  --packs_[pack].missing;
  Experiment& of = experiment(pack);
  --of.missing;
  --of.left[packs_[pack].pack.model][packs_[pack].pack.fraction];
  if (!of.closed) --missing_;
}

}  // namespace seldon::orchestrator
