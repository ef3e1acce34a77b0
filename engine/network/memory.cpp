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

/// Of one row: what a forward pass keeps, and the largest that is there for a moment only.
struct RowMemory {
  double kept = 0, passing = 0;
};

RowMemory row_memory(const Network& network, const Execution& execution) {
  const double narrow = execution.precision == Precision::bfloat16 ? 0.5 : 0;
  RowMemory row;
  row.kept = values(network.input()) * (float_bytes + 1);
  for (const Layer& layer : network.layers()) {
    const double in = float_bytes * values(layer.in), out = float_bytes * values(layer.out);
    if (const auto* convolution = std::get_if<Convolution>(&layer.stage)) {
      // Its input is kept by the stage before; the output goes, and comes again as a derivative.
      row.kept += narrow * in;
      double patches = 0;
      if (execution.convolutions == Convolutions::unfolded) {
        const double of_row =
            patch_bytes(layer.out.height * layer.out.width, layer.in.channels, convolution->kernel);
        patches = 2 * of_row;  // and their derivatives; a few trials at a time
      }
      row.passing = std::max(row.passing, 2 * out + in + patches);
    } else if (std::holds_alternative<MaxPoolRelu>(layer.stage)) {
      row.kept += out * (1 + index_bytes / float_bytes);
      row.passing = std::max(row.passing, 2 * in + in / float_bytes + out);
    } else {
      row.kept += out * (1 + narrow);
      row.passing = std::max(row.passing, 2 * out + in);
    }
  }
  return row;
}

std::string in_mebibytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f MiB", bytes / (1 << 20));
  return text;
}

}  // namespace

double memory_per_trial(const Network& network, std::size_t batch, const Execution& execution) {
  const RowMemory row = row_memory(network, execution);
  const double parameters =
      tensors_of_parameters * float_bytes * static_cast<double>(network.parameter_count());
  return parameters + static_cast<double>(batch) * (row.kept + row.passing);
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
