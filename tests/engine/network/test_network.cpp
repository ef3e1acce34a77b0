#include <algorithm>
#include <cmath>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/network/architectures.h"
#include "engine/network/network.h"
#include "toy.h"

namespace seldon::engine::network {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

const Shape face{1, 48, 48};

TEST(Network, FaceCnnHasTheShapesOfThePublishedOne) {
  const Network network(face_cnn(), face);
  std::vector<std::string> shapes;
  for (const Layer& layer : network.layers())
    if (std::holds_alternative<MaxPoolRelu>(layer.stage))
      shapes.push_back(std::to_string(layer.out.channels) + "x" + std::to_string(layer.out.height));
  EXPECT_THAT(shapes, ::testing::ElementsAre("16x24", "32x11", "64x4", "128x1"));
  EXPECT_EQ(network.outputs(), 2U);
}

// The count that PyTorch gives for that network: 160 + 4640 + 18496 + 73856 (convolutions), 480 (BatchNorm),
// 16512 + 33024 + 514 (linear).
TEST(Network, FaceCnnHasAsManyParametersAsThePublishedOne) {
  const Network network(face_cnn(), face);
  EXPECT_EQ(network.parameter_count(), 147682U);
  EXPECT_EQ(network.statistic_count(), 2U * (16 + 32 + 64 + 128));
}

TEST(Network, CountsMultiplyAdds) {
  const Network network({Convolution{.channels = 2, .kernel = 3}, MaxPoolRelu{2}, Linear{5}}, Shape{3, 8, 8});
  // 6 x 6 places of 2 channels from 3 x 3 x 3 inputs; then 2 x 3 x 3 inputs to 5 outputs.
  EXPECT_EQ(network.multiply_adds(), 36 * 2 * 27 + 18 * 5);
}

TEST(Network, ParametersFollowEachOtherWithoutGaps) {
  const Network network(face_cnn(), face);
  std::size_t end = 0;
  for (const Parameter& parameter : network.parameters()) {
    EXPECT_EQ(parameter.offset, end);
    end += parameter.size;
  }
  EXPECT_EQ(end, network.parameter_count());
}

TEST(Network, InitialWeightsAreUniformWithinTheInverseRootOfTheInputs) {
  const Network network(face_cnn(), face);
  const std::vector<float> values = network.initial(Stream(Purpose::initial_weights, 1));
  const auto slice = [&](std::size_t i) {
    const Parameter& p = network.parameters()[i];
    return std::vector<float>(values.begin() + static_cast<std::ptrdiff_t>(p.offset),
                              values.begin() + static_cast<std::ptrdiff_t>(p.offset + p.size));
  };
  // The fourth convolution: 73,728 weights from 64 x 3 x 3 = 576 inputs, 1 / sqrt(576) = 1 / 24.
  const std::vector<float> weights = slice(12);
  ASSERT_EQ(weights.size(), 73728U);
  EXPECT_THAT(weights, Each(::testing::AllOf(::testing::Ge(-1.0F / 24), ::testing::Le(1.0F / 24))));
  double mean = 0, square = 0;
  for (float w : weights) {
    mean += w;
    square += static_cast<double>(w) * w;
  }
  mean /= 73728;
  square /= 73728;
  // Uniform on +-b: variance b^2 / 3; five standard errors of each.
  const double b = 1.0 / 24, variance = b * b / 3;
  EXPECT_NEAR(mean, 0, 5 * std::sqrt(variance / 73728));
  EXPECT_NEAR(square, variance, 5 * variance * std::sqrt(0.8 / 73728));
  EXPECT_GT(*std::ranges::max_element(weights), 0.999 / 24);

  EXPECT_THAT(slice(0), Each(::testing::Ge(-1.0F / 3))) << "9 inputs";
  EXPECT_THAT(slice(0), ::testing::Contains(::testing::Gt(0.9F / 3)));
  EXPECT_THAT(slice(13), Each(::testing::AllOf(::testing::Ge(-1.0F / 24), ::testing::Le(1.0F / 24))))
      << "biases";
  EXPECT_THAT(slice(14), Each(1.0F)) << "scales";
  EXPECT_THAT(slice(15), Each(0.0F)) << "shifts";
}

TEST(Network, PicturesThatAreTooSmallAreRefused) {
  EXPECT_NO_THROW(Network(face_cnn(), Shape{1, 44, 44}));
  try {
    Network(face_cnn(), Shape{1, 43, 44});
    FAIL() << "43 rows are one too few";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("too small"));
  }
}

TEST(Architectures, AreRegisteredWithTheirSizes) {
  ArchitectureRegistry& registry = ArchitectureRegistry::instance();
  register_networks(registry);
  const testing::Toy faces = testing::Toy::pictures(1, {1, 48, 48}), table = testing::Toy::table(1, 7);

  const Architecture* cnn = registry.find("face_cnn");
  ASSERT_NE(cnn, nullptr);
  EXPECT_TRUE(cnn->network);
  EXPECT_EQ(cnn->solution_size(faces.data), 147682U + 480U);
  EXPECT_GT(cnn->cost_per_row(faces.data), 4e6);
  EXPECT_THROW(cnn->solution_size(table.data), InputError);

  const Architecture* mlp = registry.find("mlp");
  ASSERT_NE(mlp, nullptr);
  EXPECT_EQ(mlp->solution_size(table.data), 7U * 32 + 32 + 64 + 2);
  const auto request = testing::request_for(table.data, {0, 1});
  EXPECT_EQ(mlp->make(request)->trials(), 2U);
}

}  // namespace
}  // namespace seldon::engine::network
