#include "programs/member.h"

#include "programs/open_store.h"

namespace seldon::programs {
namespace {

/// What a cell of each model and fraction costs, by the plan that was made of the config.
std::map<std::pair<std::uint32_t, std::uint32_t>, double> cell_costs(const Experiment& experiment) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, double> costs;
  for (std::size_t i = 0; i < experiment.header.packs.size(); ++i) {
    const Pack& pack = experiment.header.packs[i];
    costs[{pack.model, pack.fraction}] = experiment.pack_costs[i] / pack.width;
  }
  return costs;
}

std::vector<RecordLayout> layouts_of(const store::Writer& writer) {
  std::vector<RecordLayout> layouts;
  for (std::uint32_t model = 0; model < writer.header().models.size(); ++model)
    layouts.push_back(writer.layout(model));
  return layouts;
}

}  // namespace

Member::Member(std::string name, const RunRequest& request, Experiment experiment)
    : name_(std::move(name)),
      store_path_(request.store_path),
      shard_(request.shard),
      experiment_(std::move(experiment)),
      writer_(open_store(request, experiment_.header)),
      pack_log_(store_path_),
      tally_(writer_.header(), layouts_of(writer_)),
      sink_(writer_, pack_log_, tally_),
      live_file_(store_path_) {}

void Member::add_to(orchestrator::Plan& plan, std::uint32_t index) {
  const auto costs = cell_costs(experiment_);
  // The cut that was made when the store was created, whatever the config says now.
  for (std::size_t i = 0; i < header().packs.size(); ++i) {
    if (shard_ && i % shard_->count != shard_->index) continue;
    Pack pack = header().packs[i];
    pack.experiment = index;
    const auto cost = costs.find({pack.model, pack.fraction});
    plan.costs.push_back(pack.width * (cost == costs.end() ? 1 : cost->second));
    plan.packs.push_back(pack);
    packs_.push_back(pack);
  }
  orchestrator::ExperimentPlan own;
  own.name = name_;
  own.together = experiment_.together;
  own.ranks = experiment_.ranks;
  for (const auto& model : header().models) own.models.push_back(model.name);
  StoreFacts facts = store_facts(store_path_, tally_);
  own.start = std::move(facts.start);
  own.known_seconds = std::move(facts.seconds);
  own.limits = experiment_.limits;
  plan.experiments.push_back(std::move(own));
}

std::array<std::uint64_t, 6> Member::counts_by_state() const {
  std::array<std::uint64_t, 6> counts{};
  for (const Pack& pack : packs_)
    for (std::uint32_t slot = 0; slot < pack.width; ++slot)
      ++counts[static_cast<std::size_t>(writer_.state(pack.cell(slot)))];
  return counts;
}

}  // namespace seldon::programs
