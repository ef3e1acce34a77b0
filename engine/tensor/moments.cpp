#include "engine/tensor/moments.h"

#include <limits>

#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>

#include "engine/tensor/constants.h"

namespace seldon::engine::tensor {

MomentProgram::MomentProgram(bool extremes, const at::Device& device)
    : extremes_(extremes),
      zero_(constant(0, device)),
      infinity_(constant(std::numeric_limits<double>::infinity(), device)),
      minus_infinity_(constant(-std::numeric_limits<double>::infinity(), device)) {}

Moments MomentProgram::operator()(const at::Tensor& z, const at::Tensor& member) const {
  Moments moments;
  moments.n = at::sum(member, -1, /*keepdim=*/false, at::kDouble);
  moments.mean = at::where(member, z, zero_).sum(-1).div_(moments.n);
  moments.centred = at::where(member, z.sub(moments.mean.unsqueeze(-1)), zero_);
  moments.sd = moments.centred.mul(moments.centred).sum(-1).div_(moments.n.sub(1)).sqrt_();
  if (extremes_) {
    moments.min = at::amin(at::where(member, z, infinity_), -1);
    moments.max = at::amax(at::where(member, z, minus_infinity_), -1);
  }
  return moments;
}

}  // namespace seldon::engine::tensor
