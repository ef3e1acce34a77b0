#include "counted.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace seldon::analysis::counted {

RecordShape shape(std::vector<std::string> subgroups) {
  RecordShape shape;
  shape.performance = {"accuracy"};
  shape.constraints = {"parity"};
  shape.subgroups = std::move(subgroups);
  shape.truths = {"original"};
  shape.rules = {"soft", "hard"};
  return shape;
}

CellRecord record(const RecordLayout& layout, const std::vector<Row>& rows) {
  CellRecord record(layout);
  record.set_outcome(Outcome::solution, NsfReason::none);
  for (const auto field :
       {Field::hard_counts, Field::soft_sums, Field::soft_squares, Field::log_loss, Field::histogram})
    std::ranges::fill(record.doubles(field), 0.0);
  double hits = 0;
  for (const auto& row : rows) {
    auto subgroups = row.subgroups;
    subgroups.push_back(0);
    const double p[] = {1 - row.score, row.score};
    const std::size_t decided = row.score >= 0.5 ? 1 : 0;
    const double loss = -std::log(p[row.label]);
    hits += decided == row.label ? 1 : 0;
    for (const auto s : subgroups) {
      const auto at = (s * 2 + row.label) * 2;
      record.doubles(Field::hard_counts)[at + decided] += 1;
      for (std::size_t k = 0; k < 2; ++k) {
        record.doubles(Field::soft_sums)[at + k] += p[k];
        record.doubles(Field::soft_squares)[at + k] += p[k] * p[k];
      }
      record.doubles(Field::log_loss)[s * 2] += loss;
      record.doubles(Field::log_loss)[s * 2 + 1] += loss * loss;
      const auto bin = static_cast<std::size_t>(std::min(63.0, row.score * 64));
      record.doubles(Field::histogram)[((s * 2 + row.label) * 64 + bin) * 2] += 1;
      record.doubles(Field::histogram)[((s * 2 + row.label) * 64 + bin) * 2 + 1] += row.score;
    }
  }
  record.doubles(Field::performance)[0] = hits / static_cast<double>(rows.size());
  std::ranges::fill(record.doubles(Field::g), -0.1);
  return record;
}

CellRecord refused(const RecordLayout& layout) {
  CellRecord record(layout);
  record.set_outcome(Outcome::no_solution_found, NsfReason::safety_test);
  std::ranges::fill(record.doubles(Field::g), -std::numeric_limits<double>::infinity());
  return record;
}

void Trials::add(const CellRecord& record, CellState state) {
  states_.push_back(state);
  const auto bytes = record.bytes().first(layout_.compound_bytes());
  compounds_.insert(compounds_.end(), bytes.begin(), bytes.end());
  const auto bins = record.doubles(Field::histogram);
  histograms_.insert(histograms_.end(), bins.begin(), bins.end());
}

Block Trials::block(std::size_t first, std::size_t end) const {
  const auto part = [&](const auto& all) {
    const std::size_t each = all.size() / states_.size();
    return std::span(all).subspan(first * each, (end - first) * each);
  };
  return {
      0, 0, static_cast<std::uint32_t>(first), &layout_, part(states_), part(compounds_), part(histograms_)};
}

store::Header header(const RecordShape& shape, std::vector<std::string> models, std::vector<double> fractions,
                     std::uint32_t trials, std::uint64_t rows) {
  store::Header header;
  header.name = "counted";
  header.version = "test";
  header.n_trials = trials;
  header.total_rows = rows;
  for (const double fraction : fractions)
    header.rows.push_back(static_cast<std::uint64_t>(std::lround(fraction * static_cast<double>(rows))));
  header.data_fracs = std::move(fractions);
  header.identity = header.numerics = "{}";
  header.constraints = {{"parity", "abs((PR | [M]) - (PR | [F])) <= 0.2", "soft", "student_t", 0.05}};
  for (auto& model : models) header.models.push_back({std::move(model), "seldonian", shape});
  for (std::uint32_t m = 0; m < header.models.size(); ++m)
    for (std::uint32_t f = 0; f < header.data_fracs.size(); ++f) header.packs.push_back({0, m, f, 0, trials});
  return header;
}

AccumulationPlan plan(const RecordShape& shape) {
  const auto described = header(shape, {"model"}, {1.0}, 1, 1);
  const auto subgroups = subgroups_of(described);
  return {shape, 0, streams_of(shape, true, true, true),
          SlotPlan(subgroups.size(), families_of(described, subgroups)), true};
}

}  // namespace seldon::analysis::counted
