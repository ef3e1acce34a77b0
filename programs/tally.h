#pragma once
// What an experiment's cells have come to, kept up to date as they are recorded: the numbers of summary.csv.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/record.h"
#include "store/store.h"

namespace seldon::programs {

/// One model at the largest data fraction. NaN where there is nothing to take it from. As in
/// analysis/aggregate.h: performance by the experiment's first measure, over solutions for which it is a
/// number; a solution fails if it violates any constraint by that constraint's own kind of decisions.
struct ModelTally {
  std::string model, measure;
  std::uint32_t trials = 0;                    ///< recorded
  double performance = 0;                      ///< mean
  double performance_error = 0;                ///< its standard error, s / sqrt(n), s with ddof 1
  double solution_rate = 0, failure_rate = 0;  ///< over the recorded trials
};

class Tally {
 public:
  Tally(const store::Header& header, const std::vector<RecordLayout>& layouts);

  /// A cell has become DONE, with this record: its compound at least.
  void add(CellKey key, std::span<const std::byte> record);

  /// DONE cells without a solution, at all data fractions.
  std::uint64_t no_solution() const { return no_solution_; }
  /// Sums go over the trials in their order, whatever the order in which they came.
  std::vector<ModelTally> models() const;

 private:
  enum class End : std::uint8_t { unknown, no_solution, kept, violated };
  struct Place {
    std::size_t constraint, rule;
  };
  struct Model {
    std::string name, measure;
    RecordLayout layout;
    std::size_t truth = 0;
    std::vector<Place> places;  ///< of the constraints in the records
    bool judged = false;        ///< the records have all constraints
    std::vector<End> ends;      ///< [trial]
    std::vector<double> performance;
  };
  bool violates(const Model& model, const RecordView& record) const;

  std::uint32_t fraction_ = 0;  ///< the largest
  std::uint64_t no_solution_ = 0;
  std::vector<Model> models_;
};

}  // namespace seldon::programs
