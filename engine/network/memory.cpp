#include "engine/network/memory.h"

#include <algorithm>
#include <cstdio>

#include "engine/network/unfolded_convolution.h"

namespace seldon::engine::network {
namespace {

constexpr double float_bytes = 4, index_bytes = 8;

/// Tensors of all parameters: themselves, gradient, velocity, square; six kept iterates, the last and a spare
/// slot; the gradient in parts and at most four temporary ones of a step.
constexpr double tensors_of_parameters = 4 + 8 + 5;

double values(const Shape& shape) {
  return static_cast<double>(shape.size());
}

/// What a layer adds to a row's memory: for the backward pass, and while its own forward or backward step
/// runs.
struct LayerMemory {
  double kept = 0, passing = 0;
};

LayerMemory layer_memory(const Layer& layer, const Execution& execution) {
  const double narrow = execution.precision == Precision::bfloat16 ? 0.5 : 0;
  const double in = float_bytes * values(layer.in), out = float_bytes * values(layer.out);
  if (const auto* convolution = std::get_if<Convolution>(&layer.stage)) {
    // Its input is kept by the stage before; the output goes, and comes again as a derivative.
    const bool unfolded = execution.convolutions == Convolutions::unfolded;
    // Patches are laid out for a few trials at a time, in a small pack for all of them.
    const double patches =
        unfolded ? patch_bytes(layer.out.height * layer.out.width, layer.in.channels, convolution->kernel)
                 : 0;
    return {narrow * in, (1 + narrow) * (in + out) + patches};
  }
  if (std::holds_alternative<MaxPoolRelu>(layer.stage))
    return {out * (1 + index_bytes / float_bytes), in * (1 + 1 / float_bytes) + 2 * out};
  return {out * (1 + narrow), 2 * out + in};
}

/// The most that a row needs at any time. The backward pass frees what it has used, so that a layer's own
/// needs meet only what the layers up to it keep.
double row_memory(const Network& network, const Execution& execution) {
  double kept = values(network.input()) * (float_bytes + 1), most = 0;
  for (const Layer& layer : network.layers()) {
    const LayerMemory memory = layer_memory(layer, execution);
    kept += memory.kept;
    most = std::max(most, kept + memory.passing);
  }
  return most;
}

std::string in_mebibytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f MiB", bytes / (1 << 20));
  return text;
}

}  // namespace

double memory_per_trial(const Network& network, std::size_t batch, const Execution& execution) {
  const double parameters =
      tensors_of_parameters * float_bytes * static_cast<double>(network.parameter_count());
  return parameters + static_cast<double>(batch) * row_memory(network, execution);
}

InputError pack_too_large(const Network& network, std::size_t trials, std::size_t batch,
                          const Execution& execution, const std::string& reason) {
  const double each = memory_per_trial(network, batch, execution);
  std::string text = "a pack of ";
  text += std::to_string(trials) + " trial" + (trials == 1 ? "" : "s");
  text += " does not fit into the memory of " + execution.device + ": about " + in_mebibytes(each) +
          " for each of its trials with " + std::to_string(batch) + " rows at once are expected; ";
  if (trials > 1) {
    text += "set pack_size = " + std::to_string(trials / 2) + " or less for this model";
  } else {
    text += "use smaller batches, gpus_per_trial over several GPUs, or a device with more memory";
  }
  return InputError(text + " (" + reason + ")");
}

bool is_out_of_memory(const c10::Error& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error)) return true;
  const std::string text = error.what_without_backtrace();
  return text.find("not enough memory") != std::string::npos ||
         text.find("can't allocate memory") != std::string::npos;
}

}  // namespace seldon::engine::network
