#pragma once
// Drawn faces, 48 x 48, grey, so that experiments on pictures need no data and the truth is known.
//
// The law, for row i of a seed (independent of all other rows):
//   gender ~ Bernoulli(1/2), the label; ethnicity ~ uniform on 0..4; age ~ uniform on 1..90, all independent;
//   cue    = gender + difficulty[gender] * N(0, 1);
//   the picture is drawn from the cue (length of the hair, jaw, brows, lips, beard), ethnicity (shade of the
//   skin), age (wrinkles, grey hair) and nuisances that depend on nothing (place, size, background, noise of
//   the pixels).
// Gender enters the picture only through the cue, by a strictly increasing function, so the best classifier
// of the cue bounds every classifier of the pictures; bayes_accuracy gives its accuracy.

#include <array>
#include <cstdint>
#include <vector>

#include "table/frame.h"
#include "table/read_options.h"

namespace seldon::table {

struct SyntheticOptions {
  std::uint64_t rows = 5000;
  std::uint64_t seed = 0;
  std::array<double, 2> difficulty = {0.3, 0.3};  ///< sd of the cue of gender 0 and of gender 1
  Location location;                              ///< of the data section, for messages
  /// Conditions on gender, ethnicity and age. Empty: gender M (0), F (1); ethnicity E0 .. E4; age young (<
  /// 30), middle
  /// (< 60), old.
  std::vector<GroupOptions> groups;
};

struct SyntheticFace {
  int gender = 0, ethnicity = 0, age = 1;
  double cue = 0;
};

/// What the picture of a row is drawn from; the same whatever the number of rows.
SyntheticFace synthetic_face(const SyntheticOptions& options, std::uint64_t row);

/// An image of 1 x 48 x 48 per row, labels, groups. InputError if an option or a group is impossible.
Frame synthetic_faces(const SyntheticOptions& options);

/// Of the best classifier that sees the cue: the probability that it is right about a row of gender 0, and of
/// gender
/// 1. It decides for the gender whose normal density is larger; for equal difficulties d both are Phi(1 / (2
/// d)).
std::array<double, 2> bayes_accuracy(std::array<double, 2> difficulty);

}  // namespace seldon::table
