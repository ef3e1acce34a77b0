#include "engine/network/unfolded_convolution.h"

#include <algorithm>

#include <ATen/ops/bmm.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

namespace seldon::engine::network {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Extent {
  std::int64_t trials, batch, channels, height, width, kernel, padding, outputs;

  std::int64_t padded_height() const { return height + 2 * padding; }
  std::int64_t padded_width() const { return width + 2 * padding; }
  std::int64_t out_height() const { return padded_height() - kernel + 1; }
  std::int64_t out_width() const { return padded_width() - kernel + 1; }
  std::int64_t places() const { return batch * out_height() * out_width(); }
  std::int64_t taps() const { return kernel * kernel * channels; }

  /// Trials whose patches are laid out at once.
  std::int64_t trials_at_once(std::int64_t element_size) const {
    return std::clamp<std::int64_t>(most_patch_bytes / (places() * taps() * element_size), 1, trials);
  }
  /// Calls f(first trial, number of trials) for all trials in turn.
  template <class F>
  void for_each_part(std::int64_t element_size, F f) const {
    const std::int64_t step = trials_at_once(element_size);
    for (std::int64_t first = 0; first < trials; first += step) f(first, std::min(step, trials - first));
  }
};

/// [T, k * k * C, O]: rows in the order of the patches, which keeps neighbours in memory together.
at::Tensor kernels_as_matrices(const at::Tensor& weight, const Extent& e) {
  return weight.view({e.trials, e.outputs, e.channels, e.kernel, e.kernel})
      .permute({0, 3, 4, 2, 1})
      .reshape({e.trials, e.taps(), e.outputs});
}

at::Tensor matrices_as_kernels(const at::Tensor& matrices, const Extent& e) {
  return matrices.view({e.trials, e.kernel, e.kernel, e.channels, e.outputs})
      .permute({0, 4, 3, 1, 2})
      .reshape({e.trials, e.outputs * e.channels * e.kernel * e.kernel});
}

at::Tensor padded(const at::Tensor& x, const Extent& e) {
  if (e.padding == 0) return x;
  return at::constant_pad_nd(x, {e.padding, e.padding, e.padding, e.padding}, 0);
}

/// Patches [count, places, k * k * C] of some trials of the padded input.
at::Tensor patches(const at::Tensor& x, const Extent& e, std::int64_t first, std::int64_t count) {
  return x.view({e.batch, e.trials, e.channels, e.padded_height(), e.padded_width()})
      .narrow(1, first, count)
      .permute({1, 0, 3, 4, 2})
      .unfold(2, e.kernel, 1)
      .unfold(3, e.kernel, 1)  // [count, B, H', W', C, k, k]
      .permute({0, 1, 2, 3, 5, 6, 4})
      .reshape({count, e.places(), e.taps()});
}

/// A channels-last [B, T * O, H', W'] as one matrix [places, O] per trial, in place.
at::Tensor as_matrices(const at::Tensor& out, const Extent& e) {
  return out.permute({0, 2, 3, 1}).view({e.places(), e.trials, e.outputs}).transpose(0, 1);
}

class UnfoldedConvolution : public torch::autograd::Function<UnfoldedConvolution> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            std::int64_t kernel, std::int64_t padding) {
    const std::int64_t trials = weight.size(0), channels = x.size(1) / trials;
    const Extent e{trials,    x.size(0), channels, x.size(2),
                   x.size(3), kernel,    padding,  weight.size(1) / (channels * kernel * kernel)};
    context->save_for_backward({x, weight});
    context->saved_data["extent"] = std::vector<std::int64_t>{e.trials, e.batch,  e.channels, e.height,
                                                              e.width,  e.kernel, e.padding,  e.outputs};
    context->saved_data["input"] = x.requires_grad();

    const at::Tensor out = at::empty({e.batch, e.trials * e.outputs, e.out_height(), e.out_width()},
                                     x.options(), at::MemoryFormat::ChannelsLast);
    const at::Tensor results = as_matrices(out, e), matrices = kernels_as_matrices(weight, e),
                     input = padded(x, e);
    e.for_each_part(x.element_size(), [&](std::int64_t first, std::int64_t count) {
      at::Tensor result = results.narrow(0, first, count);
      at::bmm_out(result, patches(input, e, first, count), matrices.narrow(0, first, count));
    });
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const auto sizes = context->saved_data["extent"].toIntVector();
    const Extent e{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6], sizes[7]};
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor d = as_matrices(d_outputs[0].contiguous(at::MemoryFormat::ChannelsLast), e);

    const at::Tensor input = padded(x, e);
    const at::Tensor d_matrices = at::empty({e.trials, e.taps(), e.outputs}, weight.options());
    e.for_each_part(x.element_size(), [&](std::int64_t first, std::int64_t count) {
      at::Tensor result = d_matrices.narrow(0, first, count);
      at::bmm_out(result, patches(input, e, first, count).transpose(1, 2), d.narrow(0, first, count));
    });
    variable_list gradients(4);
    gradients[1] = matrices_as_kernels(d_matrices, e);
    if (context->saved_data["input"].toBool())
      gradients[0] = by_input(d, kernels_as_matrices(weight, e), e, x.element_size()).to(x.scalar_type());
    return gradients;
  }

 private:
  /// The derivative by each patch, added up where patches overlap: tap by tap, each tap's places being
  /// disjoint.
  static at::Tensor by_input(const at::Tensor& d, const at::Tensor& matrices, const Extent& e,
                             std::int64_t element_size) {
    const at::Tensor sums = at::zeros({e.batch, e.padded_height(), e.padded_width(), e.trials, e.channels},
                                      matrices.options().dtype(at::kFloat));
    e.for_each_part(element_size, [&](std::int64_t first, std::int64_t count) {
      const at::Tensor by_patch =
          at::bmm(d.narrow(0, first, count), matrices.narrow(0, first, count).transpose(1, 2))
              .view({count, e.batch, e.out_height(), e.out_width(), e.kernel, e.kernel, e.channels})
              .permute({4, 5, 1, 2, 3, 0, 6});
      const at::Tensor place = sums.narrow(3, first, count);
      for (std::int64_t i = 0; i < e.kernel; ++i)
        for (std::int64_t j = 0; j < e.kernel; ++j)
          place.narrow(1, i, e.out_height()).narrow(2, j, e.out_width()).add_(by_patch[i][j]);
    });
    return sums.narrow(1, e.padding, e.height)
        .narrow(2, e.padding, e.width)
        .permute({0, 3, 4, 1, 2})
        .reshape({e.batch, e.trials * e.channels, e.height, e.width});
  }
};

}  // namespace

at::Tensor unfolded_convolution(const at::Tensor& x, const at::Tensor& weight, std::int64_t kernel,
                                std::int64_t padding) {
  return UnfoldedConvolution::apply(x, weight, kernel, padding);
}

double patch_bytes(std::size_t places, std::size_t channels, std::size_t kernel) {
  return 4.0 * static_cast<double>(places * channels * kernel * kernel);
}

}  // namespace seldon::engine::network
