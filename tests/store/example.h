#pragma once
// A small experiment with everything that a store can hold, and records with recognisable numbers.

#include <bit>
#include <filesystem>
#include <stdlib.h>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/record.h"
#include "store/store.h"

namespace seldon::store::example {

inline RecordShape shape() {
  RecordShape shape;
  shape.performance = {"log_loss", "accuracy"};
  shape.constraints = {"disparate_impact"};
  shape.base_nodes = {"disparate_impact: PR | [M]", "disparate_impact: PR | [F]"};
  shape.subgroups = {"all", "gender=M", "gender=F"};
  shape.truths = {"original", "held_out"};
  shape.rules = {"soft", "hard"};
  return shape;
}

/// Two models (one with trace and parameters, one a baseline without histograms), `fractions` x `trials`.
inline Header header(std::uint32_t fractions = 3, std::uint32_t trials = 4) {
  Header header;
  header.name = "example";
  header.seed = 0xFEDCBA9876543210;
  header.n_trials = trials;
  for (std::uint32_t i = 0; i < fractions; ++i) {
    header.data_fracs.push_back(1.0 / (1 << (fractions - 1 - i)));
    header.rows.push_back(1000 >> (fractions - 1 - i));
  }
  header.total_rows = 1000;
  header.config = "[experiment]\nname = \"example\"  # Größe\n";
  header.identity = R"({"experiment.seed":1})";
  header.numerics = R"({"blas":"none"})";
  header.constraints = {{"disparate_impact", "0.8 - min((PR | [M])/(PR | [F]))", "soft", "student_t", 0.05}};
  RecordShape full = shape(), plain = shape();
  full.trace_iterations = 5;
  full.parameters = 7;
  plain.histograms = false;
  header.models = {{"qsa", "seldonian", full}, {"logistic", "baseline", plain}};
  for (std::uint32_t model = 0; model < 2; ++model)
    for (std::uint32_t fraction = 0; fraction < fractions; ++fraction)
      header.packs.push_back({0, model, fraction, 0, trials});
  header.version = "0.1.0";
  return header;
}

/// A sealed record whose every number follows from the model's name, the fraction's value, the trial and
/// `salt`.
inline std::vector<std::byte> record(const RecordLayout& layout, const Header& header, CellKey key,
                                     std::uint64_t salt = 0) {
  const std::string& name = header.models[key.model].name;
  const double fraction = header.data_fracs[key.fraction];
  const Stream draws(Purpose::synthetic_data, salt, {std::bit_cast<std::uint64_t>(fraction), key.trial},
                     name);
  CellRecord record(layout);
  std::uint64_t next = 0;
  for (const auto* list : {&layout.members(), &layout.arrays()})
    for (const auto& member : *list)
      if (member.type == ScalarType::float64)
        for (double& value : record.doubles(member.field)) value = draws.uniform(next++);
  record.set_outcome(Outcome::solution, NsfReason::none);
  record.view<std::int64_t>(Field::rows)[0] = static_cast<std::int64_t>(header.rows[key.fraction]);
  record.seal(name, fraction, key.trial);
  return std::move(record).take_bytes();
}

inline CellReport report(const Writer& writer, CellKey key, std::uint64_t salt = 0) {
  CellReport report;
  report.key = key;
  report.record = record(writer.layout(key.model), writer.header(), key, salt);
  report.run = {
      .attempt = 1, .rank = 3, .width = 2, .host = "node1", .device = "cpu", .start = 1e9, .message = {}};
  return report;
}

inline std::vector<CellKey> all_cells(const Header& header) {
  std::vector<CellKey> cells;
  for (std::uint32_t model = 0; model < header.models.size(); ++model)
    for (std::uint32_t fraction = 0; fraction < header.data_fracs.size(); ++fraction)
      for (std::uint32_t trial = 0; trial < header.n_trials; ++trial)
        cells.push_back({0, model, fraction, trial});
  return cells;
}

/// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "seldon-store-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw InternalError("no temporary folder");
    path_ = pattern;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  std::string file(const std::string& name = "store.h5") const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  /// Of the files in it.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      names.push_back(entry.path().filename());
    return names;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace seldon::store::example
