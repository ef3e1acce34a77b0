#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/synthetic_faces.h"
#include "tests/table/expect_input_error.h"

namespace seldon::table {
namespace {

using ::testing::ElementsAre;

SyntheticOptions faces(std::uint64_t rows, std::uint64_t seed = 1) {
  SyntheticOptions options;
  options.rows = rows;
  options.seed = seed;
  return options;
}

TEST(SyntheticFaces, AreImagesWithLabelsAndGroups) {
  const Frame frame = synthetic_faces(faces(300));
  EXPECT_EQ(frame.rows(), 300U);
  EXPECT_EQ(frame.image()->height, 48U);
  EXPECT_EQ(frame.pixels().size(), 300U * 2304);
  EXPECT_THAT(frame.attributes(), ElementsAre("gender", "ethnicity", "age"));
  EXPECT_EQ(frame.groups().size(), 10U);
  for (std::size_t row = 0; row < 300; ++row) {
    const SyntheticFace face = synthetic_face(faces(300), row);
    EXPECT_EQ(frame.labels()[row], face.gender);
    EXPECT_EQ(frame.find_group("F")->member[row], face.gender);
    EXPECT_EQ(frame.find_group("E3")->member[row], face.ethnicity == 3);
    EXPECT_EQ(frame.find_group("middle")->member[row], face.age >= 30 && face.age < 60);
  }
}

TEST(SyntheticFaces, DependOnTheSeedAndNotOnTheNumberOfRows) {
  const Frame many = synthetic_faces(faces(50)), few = synthetic_faces(faces(20)),
              other = synthetic_faces(faces(50, 2));
  EXPECT_TRUE(std::equal(few.pixels().begin(), few.pixels().end(), many.pixels().begin()));
  EXPECT_TRUE(std::equal(few.labels().begin(), few.labels().end(), many.labels().begin()));
  EXPECT_EQ(many.content_hash(), synthetic_faces(faces(50)).content_hash());
  EXPECT_NE(many.content_hash(), other.content_hash());
}

TEST(SyntheticFaces, FollowTheirLaw) {
  SyntheticOptions options = faces(0, 7);
  options.difficulty = {0.2, 0.5};
  constexpr int n = 40000;
  double count[2] = {0, 0}, sum[2] = {0, 0}, squares[2] = {0, 0}, ethnicity[5] = {0, 0, 0, 0, 0};
  double age = 0, right[2] = {0, 0};
  for (std::uint64_t row = 0; row < n; ++row) {
    const SyntheticFace face = synthetic_face(options, row);
    const double deviation = face.cue - face.gender;
    ++count[face.gender], sum[face.gender] += deviation, squares[face.gender] += deviation * deviation;
    ++ethnicity[face.ethnicity], age += face.age;
    // The roots of equal densities of N(0, .2^2) and N(1, .5^2), by SciPy's brentq.
    const bool decided_1 = face.cue < -0.7508538788280085 || face.cue > 0.3699014978756275;
    right[face.gender] += decided_1 == (face.gender == 1);
  }
  EXPECT_NEAR(count[1] / n, 0.5, 4 * 0.5 / std::sqrt(n));
  EXPECT_NEAR(age / n, 45.5, 4 * 26 / std::sqrt(n));
  for (double e : ethnicity) EXPECT_NEAR(e / n, 0.2, 4 * 0.4 / std::sqrt(n));
  const auto best = bayes_accuracy(options.difficulty);
  for (int g : {0, 1}) {
    const double d = options.difficulty[static_cast<std::size_t>(g)];
    EXPECT_NEAR(sum[g] / count[g], 0, 4 * d / std::sqrt(count[g]));
    EXPECT_NEAR(std::sqrt(squares[g] / count[g]), d, 4 * d / std::sqrt(2 * count[g]));
    EXPECT_NEAR(right[g] / count[g], best[static_cast<std::size_t>(g)], 4 * 0.3 / std::sqrt(count[g]));
  }
}

// Independent numbers: scipy.stats.norm between the roots that scipy.optimize.brentq finds.
TEST(SyntheticFaces, KnowTheBestAccuracy) {
  const auto expect = [](double d0, double d1, double accuracy_0, double accuracy_1) {
    const auto got = bayes_accuracy({d0, d1});
    EXPECT_NEAR(got[0], accuracy_0, 1e-12) << d0 << " " << d1;
    EXPECT_NEAR(got[1], accuracy_1, 1e-12) << d0 << " " << d1;
  };
  expect(0, 0, 1, 1);
  expect(0, .3, 1, 1);
  expect(.3, .3, 0.9522096477271853, 0.9522096477271853);
  expect(.2, .5, 0.9677207924089545, 0.8964319915484441);
  expect(.5, .2, 0.8964319915484441, 0.9677207924089545);
  expect(.3, .30001, 0.9522078792811526, 0.9522058896462688);
}

/// The mean shade of a rectangle of one picture.
double mean_shade(const Frame& frame, std::size_t row, std::size_t top, std::size_t bottom, std::size_t left,
                  std::size_t right) {
  double sum = 0;
  for (std::size_t y = top; y < bottom; ++y)
    for (std::size_t x = left; x < right; ++x) sum += frame.pixels()[row * 2304 + y * 48 + x];
  return sum / static_cast<double>((bottom - top) * (right - left));
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) mean_a += a[i] / n, mean_b += b[i] / n;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

TEST(SyntheticFaces, ShowTheCueAndTheSkin) {
  const SyntheticOptions options = faces(1000);
  const Frame frame = synthetic_faces(options);
  std::vector<double> cue, ethnicity, beard, nose;
  for (std::size_t row = 0; row < frame.rows(); ++row) {
    const SyntheticFace face = synthetic_face(options, row);
    cue.push_back(face.cue);
    ethnicity.push_back(face.ethnicity);
    const double cheek = mean_shade(frame, row, 26, 29, 17, 31);
    beard.push_back(mean_shade(frame, row, 37, 41, 19, 29) / cheek);
    nose.push_back(cheek);
  }
  EXPECT_GT(correlation(cue, beard), 0.5);        // a beard fades as the cue grows
  EXPECT_LT(correlation(ethnicity, nose), -0.7);  // the skin's shade
  EXPECT_LT(std::abs(correlation(cue, nose)), 0.15);
}

TEST(SyntheticFaces, TakeConditionsForGroups) {
  SyntheticOptions options = faces(200);
  options.groups = {{"age", "child", "age < 18", {"c.toml", 4}},
                    {"age", "grown", "18 <= age", {"c.toml", 5}}};
  const Frame frame = synthetic_faces(options);
  EXPECT_THAT(frame.attributes(), ElementsAre("age"));
  options.groups[1].where = "age > 18 and gender == 1";
  EXPECT_THAT(input_error([&] { synthetic_faces(options); }), ::testing::StartsWith("generated row "));
  options.groups[1].where = "height > 3";
  EXPECT_THAT(input_error([&] { synthetic_faces(options); }),
              ::testing::HasSubstr("c.toml:5: where: the generated table has no column 'height'"));
}

TEST(SyntheticFaces, RefuseImpossibleOptions) {
  SyntheticOptions options = faces(0);
  options.location = {"c.toml", 3};
  EXPECT_EQ(input_error([&] { synthetic_faces(options); }),
            "c.toml:3: data.rows is 0; generated tables have from 1 to 10000000 rows");
  options.rows = 10;
  options.difficulty = {0.3, std::nan("")};
  EXPECT_EQ(input_error([&] { synthetic_faces(options); }),
            "c.toml:3: a difficulty of generated faces is nan; it is a standard deviation from 0 to 100");
}

}  // namespace
}  // namespace seldon::table
