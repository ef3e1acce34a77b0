#include "engine/network/batch.h"

#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

namespace seldon::engine::network {
namespace {

/// One picture into its trial's channels; `stride` floats lie between neighbouring places.
void copy_picture(const std::uint8_t* pixels, const ImageShape& image, std::size_t stride, float* out) {
  const std::size_t places = std::size_t{image.height} * image.width;
  for (std::size_t c = 0; c < image.channels; ++c)
    for (std::size_t i = 0; i < places; ++i)
      out[i * stride + c] = static_cast<float>(pixels[c * places + i]) / 255.0F;
}

std::int64_t extent(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

}  // namespace

at::Tensor gather(const Dataset& data, std::span<const std::span<const std::uint32_t>> rows) {
  const ImageShape& image = data.image;
  const bool pictures = image.channels > 0;
  const std::size_t trials = rows.size(), batch = rows[0].size();
  const std::size_t channels = pictures ? image.channels : data.width;
  const std::size_t height = pictures ? image.height : 1, width = pictures ? image.width : 1;
  at::Tensor out = at::empty({extent(batch), extent(trials * channels), extent(height), extent(width)},
                             at::kFloat, at::MemoryFormat::ChannelsLast);
  float* const first = out.data_ptr<float>();
  const std::size_t stride = trials * channels;
  for (std::size_t b = 0; b < batch; ++b)
    for (std::size_t t = 0; t < trials; ++t) {
      const std::size_t row = rows[t][b];
      float* const place = first + b * height * width * stride + t * channels;
      if (pictures) {
        copy_picture(data.pixels.data() + row * image.pixels(), image, stride, place);
      } else {
        for (std::size_t c = 0; c < channels; ++c)
          place[c] = static_cast<float>(data.features[row * channels + c]);
      }
    }
  return out;
}

at::Tensor gather(const tensor::DeviceTable& table, const Shape& input, const at::Tensor& rows,
                  at::MemoryFormat order) {
  const bool pictures = table.pixels.defined();
  // Row by row, all trials: then a trial's channels lie where they belong.
  const at::Tensor values = (pictures ? table.pixels : table.features)
                                .index_select(0, rows.t().reshape({-1}))
                                .view({rows.size(1), rows.size(0) * extent(input.channels),
                                       extent(input.height), extent(input.width)});
  if (!pictures) return values.contiguous(order);
  at::Tensor out = at::empty(values.sizes(), values.options().dtype(at::kFloat), order);
  // By a tensor: on a GPU, LibTorch divides by a number by multiplying with its inverse.
  return at::div_out(out, values, at::full({1}, 255.0, out.options()));
}

}  // namespace seldon::engine::network
