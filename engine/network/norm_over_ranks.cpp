#include "engine/network/norm_over_ranks.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/var_mean.h>
#include <ATen/ops/zeros_like.h>

namespace seldon::engine::network {
namespace {

/// [C] beside [n, C, H, W], in its type.
at::Tensor per_channel(const at::Tensor& values, const at::Tensor& x) {
  return values.to(x.scalar_type()).view({1, -1, 1, 1});
}

}  // namespace

NormOverRanks::NormOverRanks(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                             double epsilon, const Ranks& ranks, std::int64_t rows, bool counts)
    : ranks_(&ranks),
      places_(static_cast<double>(rows * x.size(2) * x.size(3))),
      counts_(counts),
      x_(x.detach()),
      scale_(scale.detach()) {
  const at::NoGradGuard no_grad;
  take_statistics(epsilon);
  const at::Tensor factor = scale_.to(at::kDouble).mul(inverse_deviation_);
  const at::Tensor offset = shift.detach().to(at::kDouble).sub(mean_.mul(factor));
  value_ = at::addcmul(per_channel(offset, x_), x_, per_channel(factor, x_));
}

/// One exchange: sums of values and of squares, in double so that their difference loses nothing that float32
/// holds. Each rank's own come from its mean and variance, which LibTorch takes without cancellation.
void NormOverRanks::take_statistics(double epsilon) {
  const auto own = static_cast<double>(x_.numel() / x_.size(1));
  const auto [variance, mean] = at::var_mean(x_, at::IntArrayRef({0, 2, 3}), /*unbiased=*/false);
  const at::Tensor m = mean.to(at::kDouble);
  const at::Tensor sums = at::stack({m, m.square().add(variance.to(at::kDouble))}).mul_(own);
  if (!counts_) sums.zero_();
  ranks_->sum(sums);
  sums.div_(places_);
  mean_ = sums[0];
  inverse_deviation_ = sums[1].sub(mean_.square()).clamp_min(0.0).add(epsilon).rsqrt();
}

/// With h = (x - mean) / deviation and N places: dx = factor (d - sum(d) / N - h sum(d h) / N).
NormOverRanks::Gradient NormOverRanks::backward(const at::Tensor& d) const {
  const at::NoGradGuard no_grad;
  const at::Tensor products = x_.sub(per_channel(mean_, x_)).mul_(d);
  const at::Tensor sums = at::stack({d.sum({0, 2, 3}, false, at::kDouble),
                                     products.sum({0, 2, 3}, false, at::kDouble).mul(inverse_deviation_)});
  if (!counts_) sums.zero_();
  Gradient gradient;
  gradient.shift = sums[0].to(x_.scalar_type());
  gradient.scale = sums[1].to(x_.scalar_type());
  ranks_->sum(sums);
  if (!counts_) {
    gradient.x = at::zeros_like(x_);
    return gradient;
  }
  const at::Tensor factor = scale_.to(at::kDouble).mul(inverse_deviation_);
  const at::Tensor slope = factor.mul(inverse_deviation_).mul(sums[1]).div(-places_);
  const at::Tensor offset = factor.mul(sums[0]).div(-places_).sub(mean_.mul(slope));
  gradient.x =
      at::addcmul(per_channel(offset, x_), x_, per_channel(slope, x_)).addcmul_(d, per_channel(factor, x_));
  return gradient;
}

}  // namespace seldon::engine::network
