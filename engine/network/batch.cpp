#include "engine/network/batch.h"

#include <ATen/ops/empty.h>

namespace seldon::engine::network {
namespace {

/// One picture into its trial's channels; `stride` floats lie between neighbouring places.
void copy_picture(const std::uint8_t* pixels, const ImageShape& image, std::size_t stride, float* out) {
  const std::size_t places = std::size_t{image.height} * image.width;
  for (std::size_t c = 0; c < image.channels; ++c)
    for (std::size_t i = 0; i < places; ++i)
      out[i * stride + c] = static_cast<float>(pixels[c * places + i]) / 255.0F;
}

}  // namespace

at::Tensor gather(const Dataset& data, std::span<const std::span<const std::uint32_t>> rows) {
  const ImageShape& image = data.image;
  const bool pictures = image.channels > 0;
  const std::size_t trials = rows.size(), batch = rows[0].size();
  const std::size_t channels = pictures ? image.channels : data.width;
  const std::size_t height = pictures ? image.height : 1, width = pictures ? image.width : 1;
  const auto extent = [](std::size_t n) { return static_cast<std::int64_t>(n); };
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

}  // namespace seldon::engine::network
