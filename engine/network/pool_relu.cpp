#include "engine/network/pool_relu.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/max_pool2d_with_indices.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/threshold_backward.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"

namespace seldon::engine::network {
namespace {

/// Sizes of one call; both tensors are channels-last: [batch][row][column][channel] in memory.
struct Extent {
  std::int64_t batch, channels, height, width, size;
  std::int64_t pooled_height() const { return height / size; }
  std::int64_t pooled_width() const { return width / size; }
  std::vector<std::int64_t> pooled_shape() const {
    return {batch, channels, pooled_height(), pooled_width()};
  }

  // From a forward pass to its backward pass.
  void save(torch::autograd::AutogradContext& context) const {
    context.saved_data["extent"] = std::vector<std::int64_t>{batch, channels, height, width, size};
  }
  static Extent saved(torch::autograd::AutogradContext& context) {
    const auto sizes = context.saved_data["extent"].toIntVector();
    return {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]};
  }

  /// From the first value of a square to that of its place k.
  std::int64_t offset(std::int64_t k) const { return (k / size * width + k % size) * channels; }

  /// Calls f(index of the square's first value) for every square, in the order of the output.
  template <class F>
  void for_each_square(F f) const {
    for (std::int64_t b = 0; b < batch; ++b)
      for (std::int64_t y = 0; y < pooled_height(); ++y)
        for (std::int64_t x = 0; x < pooled_width(); ++x)
          f(((b * height + y * size) * width + x * size) * channels);
  }
};

/// Where the rectifier lets nothing through; larger than any place in a square.
constexpr std::uint8_t nowhere = 0xFF;

// The innermost loops run over the channels of one place, side by side in memory. Without __restrict the
// bytes could alias the floats, and the compiler would not vectorise; nor
// would it where a load depends on a condition.

/// Takes `values` where they are larger than `best`, from place k.
void take_larger(std::int64_t channels, const float* __restrict values, std::int32_t k,
                 float* __restrict best, std::int32_t* __restrict place) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const bool larger = values[c] > best[c] || values[c] != values[c];
    best[c] = larger ? values[c] : best[c];
    place[c] = larger ? k : place[c];
  }
}

void rectify(std::int64_t channels, const float* __restrict best, const std::int32_t* __restrict place,
             float* __restrict out, std::uint8_t* __restrict places) {
  for (std::int64_t c = 0; c < channels; ++c) {
    out[c] = best[c] <= 0 ? 0.0F : best[c];
    // All bits set, which is `nowhere`, where the output is zero.
    places[c] = static_cast<std::uint8_t>(place[c] | -static_cast<std::int32_t>(best[c] <= 0));
  }
}

void hand_back(std::int64_t channels, const float* __restrict d_out, const std::uint8_t* __restrict places,
               std::uint8_t k, float* __restrict d_values) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const float value = d_out[c];
    d_values[c] = places[c] == k ? value : 0.0F;
  }
}

/// `places` gets the place of each maximum in its square (0 .. size^2 - 1), or `nowhere`.
void pool(const float* in, const Extent& e, float* out, std::uint8_t* places) {
  std::vector<float> best(static_cast<std::size_t>(e.channels));
  std::vector<std::int32_t> place(best.size());
  e.for_each_square([&](std::int64_t first) {
    std::copy_n(in + first, e.channels, best.data());
    std::fill(place.begin(), place.end(), 0);
    for (std::int64_t k = 1; k < e.size * e.size; ++k)
      take_larger(e.channels, in + first + e.offset(k), static_cast<std::int32_t>(k), best.data(),
                  place.data());
    rectify(e.channels, best.data(), place.data(), out, places);
    out += e.channels;
    places += e.channels;
  });
}

/// Each output's derivative goes to the input it was taken from, zero to the others of its square.
void unpool(const float* d_out, const std::uint8_t* places, const Extent& e, float* d_in) {
  e.for_each_square([&](std::int64_t first) {
    for (std::int64_t k = 0; k < e.size * e.size; ++k)
      hand_back(e.channels, d_out, places, static_cast<std::uint8_t>(k), d_in + first + e.offset(k));
    d_out += e.channels;
    places += e.channels;
  });
}

class MaxPoolReluFunction : public torch::autograd::Function<MaxPoolReluFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input,
                            std::int64_t size) {
    const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
    const Extent e{x.size(0), x.size(1), x.size(2), x.size(3), size};
    const std::vector<std::int64_t> shape = e.pooled_shape();
    at::Tensor out = at::empty(shape, x.options(), at::MemoryFormat::ChannelsLast);
    at::Tensor places = at::empty(shape, x.options().dtype(at::kByte), at::MemoryFormat::ChannelsLast);
    pool(x.data_ptr<float>(), e, out.data_ptr<float>(), places.data_ptr<std::uint8_t>());
    e.save(*context);
    context->saved_data["places"] = places;
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& d_outputs) {
    const Extent e = Extent::saved(*context);
    const at::Tensor d_out = d_outputs[0].contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor places = context->saved_data["places"].toTensor();
    const std::vector<std::int64_t> shape{e.batch, e.channels, e.height, e.width};
    // Rows and columns that no square covers keep a derivative of zero.
    const bool covered = e.height % e.size == 0 && e.width % e.size == 0;
    at::Tensor d_in = at::empty(shape, d_out.options(), at::MemoryFormat::ChannelsLast);
    if (!covered) d_in.zero_();
    unpool(d_out.data_ptr<float>(), places.data_ptr<std::uint8_t>(), e, d_in.data_ptr<float>());
    return {d_in, at::Tensor()};
  }
};

/// Values of one call of LibTorch's kernel, which counts in 32 bits.
constexpr std::int64_t most_values = std::int64_t{1} << 30;

class MaxPoolReluOperations : public torch::autograd::Function<MaxPoolReluOperations> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input,
                            std::int64_t size) {
    const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
    const Extent e{x.size(0), x.size(1), x.size(2), x.size(3), size};
    const std::vector<std::int64_t> shape = e.pooled_shape();
    at::Tensor largest = at::empty(shape, x.options(), at::MemoryFormat::ChannelsLast);
    at::Tensor places = at::empty(shape, x.options().dtype(at::kLong), at::MemoryFormat::ChannelsLast);
    const std::int64_t rows = std::max<std::int64_t>(most_values / (x.numel() / e.batch), 1);
    for (std::int64_t first = 0; first < e.batch; first += rows) {
      const std::int64_t count = std::min(rows, e.batch - first);
      at::Tensor values = largest.narrow(0, first, count), indices = places.narrow(0, first, count);
      at::max_pool2d_with_indices_out(values, indices, x.narrow(0, first, count), {size, size});
    }
    at::relu_(largest);
    e.save(*context);
    context->saved_data["places"] = places;
    context->save_for_backward({largest});
    return largest;
  }

  /// Each place of the input looks whether its square's maximum was taken from it. LibTorch's own backward
  /// kernel lets squares add to places, in no certain order.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& d_outputs) {
    const Extent e = Extent::saved(*context);
    const at::Tensor out = context->get_saved_variables()[0];
    const at::Tensor places = context->saved_data["places"].toTensor();
    const at::Tensor d_out =
        at::threshold_backward(d_outputs[0].contiguous(at::MemoryFormat::ChannelsLast), out, 0);
    const std::int64_t height = e.pooled_height() * e.size, width = e.pooled_width() * e.size;
    at::Tensor d_in =
        at::empty({e.batch, e.channels, e.height, e.width}, d_out.options(), at::MemoryFormat::ChannelsLast);
    if (height != e.height || width != e.width) d_in.zero_();
    at::Tensor squares =
        d_in.narrow(2, 0, height)
            .narrow(3, 0, width)
            .view({e.batch, e.channels, e.pooled_height(), e.size, e.pooled_width(), e.size});
    const auto whole = d_out.options().dtype(at::kLong);
    const at::Tensor numbers = at::arange(height, whole)
                                   .mul_(e.width)
                                   .unsqueeze(1)
                                   .add(at::arange(width, whole))
                                   .view({e.pooled_height(), e.size, e.pooled_width(), e.size});
    const at::Tensor taken = places.unsqueeze(3).unsqueeze(5).eq(numbers);
    at::where_out(squares, taken, d_out.unsqueeze(3).unsqueeze(5), at::zeros({1}, d_out.options()));
    return {d_in, at::Tensor()};
  }
};

void check_size(std::size_t size) {
  if (size < 1 || size > 15)
    throw InternalError("max-pooling over squares of " + std::to_string(size) + " is not provided");
}

}  // namespace

at::Tensor max_pool_relu(const at::Tensor& input, std::size_t size) {
  if (!input.device().is_cpu()) return max_pool_relu_by_operations(input, size);
  check_size(size);
  return MaxPoolReluFunction::apply(input, static_cast<std::int64_t>(size));
}

at::Tensor max_pool_relu_by_operations(const at::Tensor& input, std::size_t size) {
  check_size(size);
  return MaxPoolReluOperations::apply(input, static_cast<std::int64_t>(size));
}

}  // namespace seldon::engine::network
