#pragma once
// Results to test with: small ones made by hand, and the published loan experiment.

#include <filesystem>
#include <string>
#include <vector>

#include "analysis/results.h"

namespace seldon::analysis::example {

/// Models "qsa" (Seldonian), then "baseline_1" ... ; one constraint "parity"; truths original and held_out;
/// rules soft and hard; measures log_loss and accuracy; every cell pending.
Results empty(std::size_t models, std::vector<double> fractions, std::uint32_t trials,
              std::uint64_t total_rows = 1000);

/// Sets a cell to a recorded solution. `g` is that of soft decisions and original data; hard is g + 1, held
/// out g + 10.
void solve(Results& results, std::size_t model, std::size_t fraction, std::size_t trial, double performance,
           double g);
/// Sets a cell to a recorded "no solution found".
void refuse(Results& results, std::size_t model, std::size_t fraction, std::size_t trial, NsfReason reason);
void set_state(Results& results, std::size_t model, std::size_t fraction, std::size_t trial, CellState state,
               const std::string& message = "");

/// Two models, four fractions, ten trials, every kind of curve.
Results small();

/// Writes results into a new store and returns its path.
std::string write_store(const Results& results, const std::filesystem::path& folder);

/// Flips the last bit of a number, wherever the file holds it. Choose one that it holds once.
void damage(const std::string& path, double number);

/// A folder of the developers' conformance data; empty where there is none (docs/testing.md).
std::filesystem::path shared_folder();

/// The published loan experiment, models qsa, logistic_regression and uniform_random, from the toolkit's
/// result files.
Results loans(const std::filesystem::path& reference_results);

std::string read_file(const std::filesystem::path& file);

/// A folder that lives as long as this.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace seldon::analysis::example
