#pragma once
// The face CNN written with LibTorch's own modules, layer by layer as published: what the engine's network is
// compared with, in the tests (numbers) and in bench_cnn (speed).

#include <torch/nn.h>

namespace seldon::testing {

struct PlainFaceCnnImpl : torch::nn::Module {
  /// `pool_first`: maximum before rectifier, the same function in less time.
  explicit PlainFaceCnnImpl(bool pool_first = false) : pool_first_(pool_first) {
    const int channels[] = {1, 16, 32, 64, 128};
    for (int i = 0; i < 4; ++i) {
      auto options = torch::nn::Conv2dOptions(channels[i], channels[i + 1], 3).padding(i == 0 ? 1 : 0);
      convolutions_.push_back(register_module("convolution" + std::to_string(i), torch::nn::Conv2d(options)));
      norms_.push_back(register_module("norm" + std::to_string(i), torch::nn::BatchNorm2d(channels[i + 1])));
    }
    const int sizes[] = {128, 128, 256, 2};
    for (int i = 0; i < 3; ++i)
      linears_.push_back(
          register_module("linear" + std::to_string(i), torch::nn::Linear(sizes[i], sizes[i + 1])));
  }

  /// [B, 1, 48, 48] to p of class 1, [B].
  torch::Tensor forward(const torch::Tensor& pictures) {
    torch::Tensor x = norms_[3](before_norm(3, pictures)).flatten(1);
    for (auto& linear : linears_) x = linear(x);
    return torch::softmax(x, 1).select(1, 1);
  }

  /// What the BatchNorm of stage k (0 .. 3) gets.
  torch::Tensor before_norm(std::size_t k, torch::Tensor x) {
    for (std::size_t i = 0; i <= k; ++i) {
      if (i > 0) x = norms_[i - 1](x);
      x = convolutions_[i](x);
      x = pool_first_ ? torch::max_pool2d(x, 2).relu_() : torch::max_pool2d(torch::relu(x), 2);
    }
    return x;
  }

  /// Calls f for each module with parameters, in the order of the forward pass.
  template <class F>
  void for_each_stage(F f) {
    for (std::size_t i = 0; i < 4; ++i) {
      f(*convolutions_[i]);
      f(*norms_[i]);
    }
    for (auto& linear : linears_) f(*linear);
  }

  std::vector<torch::nn::BatchNorm2d>& norms() { return norms_; }

 private:
  bool pool_first_;
  std::vector<torch::nn::Conv2d> convolutions_;
  std::vector<torch::nn::BatchNorm2d> norms_;
  std::vector<torch::nn::Linear> linears_;
};
TORCH_MODULE(PlainFaceCnn);

}  // namespace seldon::testing
