#include "table/synthetic_faces.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "core/random.h"
#include "core/sha256.h"
#include "table/groups.h"

namespace seldon::table {
namespace {

constexpr std::uint32_t side = 48;
constexpr std::size_t pixels_per_face = std::size_t{side} * side;
constexpr int ethnicities = 5;
constexpr int oldest = 90;

/// Which draw of a row's stream is what. Part of every published result: never renumber.
enum Draw : std::uint64_t {
  draw_gender = 0,
  draw_ethnicity = 1,
  draw_age = 2,
  draw_shift_x = 3,
  draw_shift_y = 4,
  draw_size = 5,
  draw_background = 6,
  draw_hair = 7,
  draw_skin = 8,
  draw_cue = 10,  // a normal: uses the draws 20 and 21
};

Stream stream_of(const SyntheticOptions& options, std::uint64_t row, std::string_view name) {
  return Stream(Purpose::synthetic_data, options.seed, {row}, name);
}

// ---- drawing
// -------------------------------------------------------------------------------------------------------
// Lengths are in units of half the picture, x to the right, y down, shades 0..255.

/// 1 well inside (distance < 0), 0 well outside, linear over the edge.
double coverage(double distance) {
  constexpr double edge = 0.06;
  return std::clamp(0.5 - distance / edge, 0.0, 1.0);
}

/// About the signed distance to an ellipse around (cx, cy).
double ellipse(double x, double y, double cx, double cy, double rx, double ry) {
  const double dx = (x - cx) / rx, dy = (y - cy) / ry;
  return (std::sqrt(dx * dx + dy * dy) - 1) * std::min(rx, ry);
}

void paint(double& shade, double colour, double alpha) {
  shade += alpha * (colour - shade);
}

/// All that a picture is drawn from.
struct Sitter {
  double t;         ///< the cue, squeezed into (0, 1) by a strictly increasing function
  double wrinkles;  ///< 0..1
  double skin, hair, background;
  double shift_x, shift_y, size;
};

Sitter sitter_of(const SyntheticFace& face, const Stream& stream) {
  const auto between = [&stream](Draw draw, double low, double high) {
    return low + (high - low) * stream.uniform(draw);
  };
  Sitter s{};
  s.t = 1 / (1 + std::exp(-3 * (face.cue - 0.5)));
  s.wrinkles = std::clamp((face.age - 35) / 55.0, 0.0, 1.0);
  s.skin = 215 - 25 * face.ethnicity + between(draw_skin, -8, 8);
  const double greyness = std::clamp((face.age - 50) / 40.0, 0.0, 1.0);
  s.hair = std::lerp(between(draw_hair, 15, 70), 185.0, greyness);
  s.background = between(draw_background, 90, 250);
  s.shift_x = between(draw_shift_x, -0.08, 0.08);
  s.shift_y = between(draw_shift_y, -0.08, 0.08);
  s.size = between(draw_size, 0.92, 1.08);
  return s;
}

/// The shade at (x, y), measured from the middle of the face; painted from the back to the front.
double shade_at(const Sitter& s, double x, double y) {
  double shade = s.background;
  const double hair_end = -0.15 + 1.0 * s.t;
  paint(shade, s.hair, coverage(ellipse(x, y, 0, -0.02, 0.76, 0.92)) * coverage(y - hair_end));
  paint(shade, 0.85 * s.skin, coverage(std::max(std::abs(x) - 0.24, 0.3 - y)));

  const double jaw = y > 0 ? 1 - 0.35 * s.t * y * y : 1;
  const double face = coverage(ellipse(x, y, 0, 0.05, 0.58 * jaw, 0.74));
  paint(shade, s.skin, face);
  paint(shade, s.hair, face * coverage(y + 0.42 + 0.1 * std::abs(x)));
  paint(shade, 0.7 * s.skin, 0.8 * (1 - s.t) * face * coverage(0.3 - y));
  for (double line : {-0.36, -0.30})
    paint(shade, 0.6 * s.skin, 0.6 * s.wrinkles * coverage(ellipse(x, y, 0, line, 0.3, 0.02)));

  const double beside = std::abs(x) - 0.23;
  paint(shade, s.hair, coverage(ellipse(beside, y, 0, -0.2, 0.14, 0.02 + 0.05 * (1 - s.t))));
  paint(shade, 245, coverage(ellipse(beside, y, 0, -0.07, 0.11, 0.06)));
  paint(shade, 20, coverage(ellipse(beside, y, 0, -0.07, 0.05, 0.05)));
  paint(shade, 0.8 * s.skin, coverage(ellipse(x, y, 0, 0.13, 0.06, 0.13)));
  paint(shade, (0.75 - 0.45 * s.t) * s.skin, coverage(ellipse(x, y, 0, 0.42, 0.2, 0.03 + 0.04 * s.t)));
  return shade;
}

void draw(const Sitter& s, const Stream& noise, std::uint8_t* pixels) {
  constexpr double noise_amplitude = 8;
  std::uint64_t bits = 0;
  for (std::uint32_t k = 0; k < pixels_per_face; ++k) {
    if (k % 8 == 0) bits = noise.bits(k / 8);
    const double uniform = static_cast<double>(bits >> (8 * (k % 8)) & 255) / 127.5 - 1;
    const std::uint32_t row = k / side, column = k % side;
    const double x = ((column + 0.5) / (side / 2.0) - 1 - s.shift_x) / s.size;
    const double y = ((row + 0.5) / (side / 2.0) - 1 - s.shift_y) / s.size;
    const double shade = shade_at(s, x, y) + noise_amplitude * uniform;
    pixels[k] = static_cast<std::uint8_t>(std::lround(std::clamp(shade, 0.0, 255.0)));
  }
}

// ---- groups
// --------------------------------------------------------------------------------------------------------

std::vector<GroupOptions> default_groups(const Location& location) {
  std::vector<GroupOptions> groups = {{"gender", "M", "gender == 0", location},
                                      {"gender", "F", "gender == 1", location}};
  for (int e = 0; e < ethnicities; ++e) {
    const std::string number = std::to_string(e);
    groups.push_back({"ethnicity", "E" + number, "ethnicity == " + number, location});
  }
  groups.push_back({"age", "young", "age < 30", location});
  groups.push_back({"age", "middle", "30 <= age < 60", location});
  groups.push_back({"age", "old", "age >= 60", location});
  return groups;
}

/// The columns gender, ethnicity and age of one face.
class FaceValues final : public RowValues {
 public:
  explicit FaceValues(const SyntheticFace& face)
      : numbers_{face.gender, face.ethnicity, face.age},
        texts_{std::to_string(face.gender), std::to_string(face.ethnicity), std::to_string(face.age)} {}
  std::string_view text(std::size_t column) const override { return texts_.at(column); }
  double number(std::size_t column) const override { return numbers_.at(column); }

 private:
  std::array<int, 3> numbers_;
  std::array<std::string, 3> texts_;
};

void check(const SyntheticOptions& options) {
  constexpr std::uint64_t most_rows = 10'000'000;
  if (options.rows == 0 || options.rows > most_rows)
    throw InputError(options.location, "data.rows is " + std::to_string(options.rows) +
                                           "; generated tables have from 1 to 10000000 rows");
  for (double d : options.difficulty)
    if (!(d >= 0 && d <= 100))
      throw InputError(options.location, "a difficulty of generated faces is " + std::to_string(d) +
                                             "; it is a standard deviation from 0 to 100");
}

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

}  // namespace

SyntheticFace synthetic_face(const SyntheticOptions& options, std::uint64_t row) {
  const Stream stream = stream_of(options, row, "face");
  SyntheticFace face;
  face.gender = static_cast<int>(stream.below(draw_gender, 2));
  face.ethnicity = static_cast<int>(stream.below(draw_ethnicity, ethnicities));
  face.age = 1 + static_cast<int>(stream.below(draw_age, oldest));
  face.cue = face.gender + options.difficulty[face.gender == 0 ? 0 : 1] * stream.normal(draw_cue);
  return face;
}

Frame synthetic_faces(const SyntheticOptions& options) {
  check(options);
  const std::vector<std::string> columns = {"gender", "ethnicity", "age"};
  GroupBuilder groups(options.groups.empty() ? default_groups(options.location) : options.groups, columns,
                      "the generated table");
  FrameParts parts;
  parts.rows = options.rows;
  parts.preprocessing.label = "gender";
  parts.preprocessing.image = ImageColumn{"pixels", 1, side, side};
  parts.pixels.resize(options.rows * pixels_per_face);
  for (std::uint64_t row = 0; row < options.rows; ++row) {
    const SyntheticFace face = synthetic_face(options, row);
    const Sitter sitter = sitter_of(face, stream_of(options, row, "face"));
    draw(sitter, stream_of(options, row, "pixels"), parts.pixels.data() + row * pixels_per_face);
    parts.labels.push_back(face.gender);
    groups.add(FaceValues(face), Location{"generated row " + std::to_string(row), 0});
  }
  parts.groups = std::move(groups).finish();
  Sha256 hash;
  hash.add(std::as_bytes(std::span(parts.labels))).add(std::as_bytes(std::span(parts.pixels)));
  parts.content_hash = hash.hex();
  return Frame(parts);
}

std::array<double, 2> bayes_accuracy(std::array<double, 2> difficulty) {
  const double d0 = difficulty[0], d1 = difficulty[1];
  const auto cdf_0 = [&](double x) { return normal_cdf(x / d0); };
  const auto cdf_1 = [&](double x) { return normal_cdf((x - 1) / d1); };
  if (d0 == 0 || d1 == 0) return {1, 1};  // the cue of one gender is a single point, which tells all
  if (d0 == d1) return {cdf_0(0.5), 1 - cdf_1(0.5)};
  // log f1 - log f0 = a x^2 + b x + c; the wider density wins outside the two roots, the narrower one between
  // them.
  const double a = 0.5 / (d0 * d0) - 0.5 / (d1 * d1), b = 1 / (d1 * d1),
               c = -0.5 / (d1 * d1) - std::log(d1 / d0);
  const double root = std::sqrt(b * b - 4 * a * c);
  const double q = -0.5 * (b + root);  // the two roots without cancellation, since b > 0
  const auto [low, high] = std::minmax({q / a, c / q});
  const double inside_0 = cdf_0(high) - cdf_0(low), inside_1 = cdf_1(high) - cdf_1(low);
  return d1 > d0 ? std::array{inside_0, 1 - inside_1} : std::array{1 - inside_0, inside_1};
}

}  // namespace seldon::table
