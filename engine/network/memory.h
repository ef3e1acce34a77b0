#pragma once
// How much of a device's memory networks take, and what to say where it is not enough.

#include <cstddef>
#include <string>

#include <c10/util/Exception.h>

#include "core/error.h"
#include "engine/execution.h"
#include "engine/network/network.h"

namespace seldon::engine::network {

/// Bytes that one trial of a pack takes while it trains with batches of `batch` rows: parameters, gradient,
/// Adam's state, kept iterates and what one step needs besides; activations as the backward pass finds them,
/// layer by layer. An estimate from the layers' shapes, as they are computed on devices other than the CPU;
/// data set and libraries (about a GiB) come on top.
double memory_per_trial(const Network& network, std::size_t batch, const Execution& execution);

/// The error for a pack that does not fit.
InputError pack_too_large(const Network& network, std::size_t trials, std::size_t batch,
                          const Execution& execution, const std::string& reason);

/// Whether LibTorch says by this that memory ran out, on a GPU or on the host.
bool is_out_of_memory(const c10::Error& error);

}  // namespace seldon::engine::network
