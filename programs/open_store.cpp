#include "programs/open_store.h"

#include <string>
#include <vector>

#include <spdlog/spdlog.h>

#include "programs/signals.h"

namespace seldon::programs {
namespace {

/// What --extend may change.
const std::vector<std::string> extendable = {"experiment.n_trials", "experiment.data_fracs"};

std::string lines(const std::vector<std::string>& differences) {
  std::string text;
  for (const std::string& line : differences) text.append("\n  ").append(line);
  return text;
}

void refuse_other_experiment(const RunRequest& request, const store::Header& held,
                             const store::Header& wanted) {
  const auto differences = request.identity_difference(held.identity, wanted.identity, {});
  if (differences.empty()) return;
  const auto others = request.identity_difference(held.identity, wanted.identity, extendable);
  if (!others.empty())
    throw InputError("'" + request.store_path + "' holds another experiment:" + lines(differences) +
                     "\nname another --store, or make the config agree");
  if (!request.extend)
    throw InputError("'" + request.store_path + "' holds this experiment with other trials or fractions:" +
                     lines(differences) + "\nmake it larger with --extend, or make the config agree");
}

void refuse_other_numerics(const RunRequest& request, const store::Header& held,
                           const store::Header& wanted) {
  if (held.numerics == wanted.numerics) return;
  const std::string differences = lines(request.identity_difference(held.numerics, wanted.numerics, {}));
  if (!request.mixed_hardware)
    throw InputError("'" + request.store_path + "' was begun where numbers come out differently:" +
                     differences + "\ngo on where it was begun, or accept the mixture with --mixed-hardware");
  spdlog::warn("numbers of two kinds will stand in this store:{}", differences);
}

bool same_grid(const store::Header& a, const store::Header& b) {
  return a.n_trials == b.n_trials && a.data_fracs == b.data_fracs;
}

store::Writer open_existing(const RunRequest& request, const store::Header& wanted,
                            const store::LockOptions& lock) {
  store::Writer writer = store::Writer::open(request.store_path, lock);
  refuse_other_experiment(request, writer.header(), wanted);
  refuse_other_numerics(request, writer.header(), wanted);
  if (writer.header().models != wanted.models || writer.header().constraints != wanted.constraints)
    throw InputError("'" + request.store_path + "' was made by version " + writer.header().version +
                     " of this program, whose records look different; name another --store");
  if (request.extend && !same_grid(writer.header(), wanted)) writer.extend(wanted);
  return writer;
}

}  // namespace

store::Writer open_store(const RunRequest& request, const store::Header& wanted) {
  const store::LockOptions lock{.take_over = request.take_over,
                                .told_to_end = [] { return asked_by_signal() != Asked::nothing; }};
  if (!store::name_taken(request.store_path)) return store::Writer::create(request.store_path, wanted, lock);
  store::Writer writer = open_existing(request, wanted, lock);
  writer.lose_torn_records();
  if (request.retry_failed)
    if (const auto failed = writer.retry_failed()) spdlog::info("{} failed cells are tried again", failed);
  return writer;
}

}  // namespace seldon::programs
