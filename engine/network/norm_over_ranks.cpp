#include "engine/network/norm_over_ranks.h"

#include <ATen/ops/addcmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/var_mean.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

namespace seldon::engine::network {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// [C] beside [n, C, H, W].
at::Tensor per_channel(const at::Tensor& values) {
  return values.view({1, -1, 1, 1});
}

class NormOverRanks : public torch::autograd::Function<NormOverRanks> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& scale,
                            const at::Tensor& shift, double epsilon, const Ranks* ranks, std::int64_t rows,
                            bool counts) {
    const auto places = static_cast<double>(rows * x.size(2) * x.size(3));
    const auto [mean, inverse_deviation] = statistics(x, epsilon, *ranks, places, counts);
    const at::Tensor factor = scale.to(at::kDouble).mul(inverse_deviation);
    const at::Tensor offset = shift.to(at::kDouble).sub(mean.mul(factor));
    context->save_for_backward({x, scale});
    context->saved_data["mean"] = mean;
    context->saved_data["inverse_deviation"] = inverse_deviation;
    context->saved_data["ranks"] = reinterpret_cast<std::int64_t>(ranks);
    context->saved_data["places"] = places;
    context->saved_data["counts"] = counts;
    return at::addcmul(per_channel(offset.to(x.scalar_type())), x, per_channel(factor.to(x.scalar_type())));
  }

  /// With h = (x - mean) / deviation and N places: dx = factor (d - sum(d) / N - h sum(d h) / N).
  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &scale = saved[1], &d = d_outputs[0];
    const at::Tensor mean = context->saved_data["mean"].toTensor();
    const at::Tensor inverse_deviation = context->saved_data["inverse_deviation"].toTensor();
    const auto* const ranks = reinterpret_cast<const Ranks*>(context->saved_data["ranks"].toInt());
    const double places = context->saved_data["places"].toDouble();
    const bool counts = context->saved_data["counts"].toBool();

    const auto type = x.scalar_type();
    const at::Tensor centred = x.sub(per_channel(mean.to(type)));
    const at::Tensor sums =
        at::stack({d.sum({0, 2, 3}, false, at::kDouble),
                   centred.mul_(d).sum({0, 2, 3}, false, at::kDouble).mul(inverse_deviation)});
    if (!counts) sums.zero_();
    const at::Tensor d_shift = sums[0].to(type, /*non_blocking=*/false, /*copy=*/true);
    const at::Tensor d_scale = sums[1].to(type, /*non_blocking=*/false, /*copy=*/true);
    ranks->sum(sums);

    variable_list gradients(7);
    gradients[1] = d_scale;
    gradients[2] = d_shift;
    if (!counts) {
      gradients[0] = at::zeros_like(x);
      return gradients;
    }
    const at::Tensor factor = scale.to(at::kDouble).mul(inverse_deviation);
    const at::Tensor slope = factor.mul(inverse_deviation).mul(sums[1]).div(-places);
    const at::Tensor offset = factor.mul(sums[0]).div(-places).sub(mean.mul(slope));
    gradients[0] = at::addcmul(per_channel(offset.to(type)), x, per_channel(slope.to(type)))
                       .addcmul_(d, per_channel(factor.to(type)));
    return gradients;
  }

 private:
  struct Moments {
    at::Tensor mean, inverse_deviation;  ///< [C] in double
  };
  /// One exchange: sums of values and of squares, in double so that their difference loses nothing that
  /// float32 holds. Each rank's own come from its mean and variance, which LibTorch takes without
  /// cancellation.
  static Moments statistics(const at::Tensor& x, double epsilon, const Ranks& ranks, double places,
                            bool counts) {
    const auto own = static_cast<double>(x.numel() / x.size(1));
    const auto [variance, mean] = at::var_mean(x, at::IntArrayRef({0, 2, 3}), /*unbiased=*/false);
    const at::Tensor m = mean.to(at::kDouble);
    const at::Tensor sums = at::stack({m, m.square().add(variance.to(at::kDouble))}).mul_(own);
    if (!counts) sums.zero_();
    ranks.sum(sums);
    sums.div_(places);
    const at::Tensor whole = sums[1].sub(sums[0].square()).clamp_min(0.0);
    return {sums[0], whole.add(epsilon).rsqrt()};
  }
};

}  // namespace

at::Tensor norm_over_ranks(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                           double epsilon, const Ranks& ranks, std::int64_t rows, bool counts) {
  return NormOverRanks::apply(x, scale, shift, epsilon, &ranks, rows, counts);
}

}  // namespace seldon::engine::network
