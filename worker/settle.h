#pragma once
// What a config leaves open, settled when its store is created: the device, and on GPUs the pack sizes of
// networks and the form of their convolutions (docs/config.md, "Settled once").

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "experiment/description.h"
#include "worker/accelerator.h"
#include "worker/pack_size.h"
#include "worker/translate.h"

namespace seldon::worker {

/// What was measured already, by what it depends on: the experiments of a sweep are much alike.
using Measurements = std::map<std::string, std::vector<PackPoint>>;

/// Settles device = "auto": "cuda" where `machine` has a GPU and a model would use one, else "cpu"; there,
/// and for models that are no networks, convolutions are grouped. InputError where the config asks for a GPU
/// and there is none.
void settle_device(experiment::Description& description, const std::function<Machine()>& machine);

/// Settles pack sizes and convolutions of networks by measurement on the machine's first GPU, which `workers`
/// of its node share among its GPUs. Returns a line for each model that was measured, saying what was found;
/// they are logged too. InputError where not one trial fits.
std::vector<std::string> settle_packs(Workspace& workspace, const Machine& machine, std::uint32_t workers,
                                      Measurements& known);

/// Bytes of a GPU's memory that one trial takes at the model's largest batch, an estimate; 0: unknown.
double gpu_bytes_per_trial(const Workspace& workspace, std::size_t model);

/// The rows of the largest batch that a model trains on, at any data fraction.
std::uint64_t largest_batch(const experiment::ModelSection& model,
                            const std::vector<experiment::Schedule>& schedules);

}  // namespace seldon::worker
