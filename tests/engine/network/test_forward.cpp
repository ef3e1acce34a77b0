#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/network/forward.h"

namespace seldon::engine::network {
namespace {

constexpr std::int64_t batch = 6;

struct Case {
  const char* name;
  std::vector<Stage> stages;
  Shape input;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// In parts of the largest value.
double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return largest_difference(a, b) / b.abs().max().item<double>();
}

/// Value, gradient by parameters and gradient by input of one stage list.
struct Pass {
  at::Tensor value, d_parameters, d_input;
};

Pass run(const Network& network, const at::Tensor& input, const at::Tensor& flat, const at::Tensor& direction,
         const Method& method) {
  const at::Tensor x = input.clone().set_requires_grad(true), p = flat.clone().set_requires_grad(true);
  const auto views = parameter_views(network, p);
  const at::Tensor value = run_layers(network, 0, network.layers().size(), x, views, {}, method);
  const auto gradients =
      torch::autograd::grad({value}, {p, x}, {direction}, {}, false, /*allow_unused=*/true);
  return {value.detach(), gradients[0], gradients[1]};
}

using Packed = std::tuple<Case, std::int64_t, Convolutions>;
class PackedStages : public ::testing::TestWithParam<Packed> {};

TEST_P(PackedStages, EqualSingles) {
  at::manual_seed(1);
  const auto& [tested, trials, convolutions] = GetParam();
  const Network network(tested.stages, tested.input);
  const Shape in = network.input(), out = network.layers().back().out;
  const auto extent = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  const auto channels = extent(in.channels), outputs = extent(out.channels);
  const at::Tensor input = at::randn({batch, trials * channels, extent(in.height), extent(in.width)})
                               .contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor flat = at::randn({trials, extent(network.parameter_count())});
  const at::Tensor direction = at::randn({batch, trials * outputs, extent(out.height), extent(out.width)});

  const Pass packed = run(network, input, flat, direction, {.convolutions = convolutions});
  for (std::int64_t t = 0; t < trials; ++t) {
    const Pass single = run(network, input.narrow(1, t * channels, channels), flat.narrow(0, t, 1),
                            direction.narrow(1, t * outputs, outputs), {});
    EXPECT_LT(relative_difference(packed.value.narrow(1, t * outputs, outputs), single.value), 2e-6) << t;
    EXPECT_LT(relative_difference(packed.d_input.narrow(1, t * channels, channels), single.d_input), 2e-6)
        << t;
    if (network.parameter_count() > 0) {
      EXPECT_LT(relative_difference(packed.d_parameters.narrow(0, t, 1), single.d_parameters), 2e-6) << t;
    }
  }
}

// Stages without parameters get a linear one first: the number of trials is read off the parameters.
INSTANTIATE_TEST_SUITE_P(
    Every, PackedStages,
    ::testing::Combine(
        ::testing::Values(
            Case{"Convolution", {Convolution{.channels = 4, .kernel = 3}}, {2, 7, 6}},
            Case{"PaddedConvolutionOfOneChannel",
                 {Convolution{.channels = 16, .kernel = 3, .padding = 1}},
                 {1, 8, 8}},
            Case{"WideConvolution", {Convolution{.channels = 32, .kernel = 3}}, {16, 6, 6}},
            Case{"MaxPoolRelu", {Convolution{.channels = 3, .kernel = 1}, MaxPoolRelu{2}}, {2, 5, 6}},
            Case{"BatchNorm", {BatchNorm{}}, {3, 4, 4}}, Case{"BatchNormOfVectors", {BatchNorm{}}, {5, 1, 1}},
            Case{"Linear", {Linear{4}}, {6, 1, 1}}, Case{"LinearOfPictures", {Linear{4}}, {3, 2, 4}},
            Case{"Relu", {Linear{8}, Relu{}}, {4, 1, 1}}),
        ::testing::Values(1, 3, 16), ::testing::Values(Convolutions::grouped, Convolutions::unfolded)),
    [](const auto& tested) {
      return std::string(std::get<0>(tested.param).name) + std::to_string(std::get<1>(tested.param)) +
             (std::get<2>(tested.param) == Convolutions::grouped ? "Grouped" : "Unfolded");
    });

// Factors in bfloat16 have eight bits, so that sums of some dozen products are off by some thousandths.
TEST(Bfloat16, IsNearFloat32) {
  at::manual_seed(1);
  const Network network({Convolution{.channels = 4, .kernel = 3}, MaxPoolRelu{2}, BatchNorm{}, Linear{3}},
                        {2, 8, 8});
  const at::Tensor input = at::randn({batch, 4, 8, 8}), direction = at::randn({batch, 6, 1, 1});
  const at::Tensor flat = at::randn({2, static_cast<std::int64_t>(network.parameter_count())});
  const Pass exact = run(network, input, flat, direction, {});
  for (const auto convolutions : {Convolutions::grouped, Convolutions::unfolded}) {
    const Pass rough = run(network, input, flat, direction,
                           {.convolutions = convolutions, .precision = Precision::bfloat16});
    EXPECT_EQ(rough.value.scalar_type(), at::kFloat);
    EXPECT_LT(relative_difference(rough.value, exact.value), 0.03);
    EXPECT_GT(relative_difference(rough.value, exact.value), 1e-4);
    EXPECT_LT(relative_difference(rough.d_parameters, exact.d_parameters), 0.05);
    EXPECT_LT(relative_difference(rough.d_input, exact.d_input), 0.1);
  }
}

TEST(ToPredictors, TakesTheDifferenceOfTwoOutputsAndElseTheOutputs) {
  at::manual_seed(1);
  const at::Tensor activation = at::randn({4, 6, 1, 1});
  const at::Tensor odds = to_predictors(activation, 3);
  ASSERT_EQ(odds.sizes(), (std::vector<std::int64_t>{3, 4, 1}));
  const double o0 = activation[1][4][0][0].item<double>(), o1 = activation[1][5][0][0].item<double>();
  EXPECT_EQ(odds[2][1][0].item<double>(), o1 - o0);

  const at::Tensor logits = to_predictors(activation, 2);
  ASSERT_EQ(logits.sizes(), (std::vector<std::int64_t>{2, 4, 3}));
  EXPECT_EQ(logits[1][2][0].item<double>(), activation[2][3][0][0].item<double>());
}

TEST(ChannelMoments, AreExactOverChunks) {
  at::manual_seed(1);
  const at::Tensor a = at::rand({3, 4, 5, 2}), b = at::rand({2, 4, 5, 2}) + 1000;
  ChannelMoments moments(4);
  for (const auto& x : {a, b}) moments.add_to_mean(x);
  moments.end_mean();
  for (const auto& x : {a, b}) moments.add_to_variance(x);
  const Statistics statistics = moments.end();
  const at::Tensor all = at::cat({a, b}).to(at::kDouble).transpose(0, 1).reshape({4, -1});
  EXPECT_LT(largest_difference(statistics.mean.to(at::kDouble), all.mean(1)), 1e-4);
  const at::Tensor variance = all.var(1, /*unbiased=*/false);
  EXPECT_LT(largest_difference(statistics.variance.to(at::kDouble), variance) / variance.max().item<double>(),
            1e-6);
}

TEST(DeviceMoments, EqualThoseOfTheHost) {
  at::manual_seed(1);
  const at::Tensor a = at::rand({3, 4, 5, 2}), b = at::rand({2, 4, 5, 2}) + 1000;
  const Ranks alone(nullptr);
  ChannelMoments host(4);
  DeviceMoments device(4, 50, at::kCPU, alone);
  for (const auto& x : {a, b}) host.add_to_mean(x), device.add_to_mean(x);
  host.end_mean(), device.end_mean();
  for (const auto& x : {a, b}) host.add_to_variance(x), device.add_to_variance(x);
  const Statistics wanted = host.end(), got = device.end();
  EXPECT_LT(relative_difference(got.mean, wanted.mean), 1e-7);
  EXPECT_LT(relative_difference(got.variance, wanted.variance), 1e-7);
}

}  // namespace
}  // namespace seldon::engine::network
