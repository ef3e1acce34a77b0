// The text of `seldon check`.

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "experiment/plan.h"
#include "experiment/text.h"

namespace seldon::experiment {

namespace {

constexpr std::uint64_t small_group = 100;
constexpr double long_loss_seconds = 600;

/// Rows in aligned columns, the first ones flush left, the others, numbers, flush right.
class TextTable {
 public:
  explicit TextTable(std::size_t left) : left_(left) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  std::string str() const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()));
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string out;
    for (const auto& row : rows_) {
      std::string line = " ";
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string gap(widths[i] - row[i].size(), ' ');
        line += (i == 0 ? " " : "  ") + (i < left_ ? row[i] + gap : gap + row[i]);
      }
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return out;
  }

 private:
  std::size_t left_;
  std::vector<std::vector<std::string>> rows_;
};

std::string number(double value, const char* format) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::string duration(double seconds) {
  if (seconds < 1e-3) return "under 1 ms";
  if (seconds < 1) return number(seconds * 1e3, "%.0f ms");
  if (seconds < 120) return number(seconds, "%.1f s");
  if (seconds < 7200) return number(seconds / 60, "%.0f min");
  return number(seconds / 3600, "%.1f h");
}

std::string size(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 10'000) return std::to_string(bytes) + " bytes";
  if (value < 1e7) return number(value / 1e3, "%.0f kB");
  if (value < 1e10) return number(value / 1e6, "%.0f MB");
  return number(value / 1e9, "%.1f GB");
}

std::string models_table(const Description& description, const Plan& plan, const PlanFacts& facts) {
  TextTable table(3);
  table.row({"model", "kind", "architecture", "packs", "cells/pack", "bytes/cell"});
  for (std::size_t m = 0; m < description.models.size(); ++m) {
    const ModelSection& model = description.models[m];
    const auto packs = std::count_if(plan.packs.begin(), plan.packs.end(),
                                     [&](const Pack& pack) { return pack.model == m; });
    table.row({model.name, model.kind, model.architecture.value, std::to_string(packs),
               std::to_string(std::min(plan.pack_sizes[m], description.n_trials)),
               m < facts.bytes_per_cell.size() ? std::to_string(facts.bytes_per_cell[m]) : "?"});
  }
  return table.str();
}

std::string fractions_table(const Description& description, const Plan& plan) {
  TextTable table(1);
  std::vector<std::string> head = {"data fraction", "rows", "candidate", "safety"};
  for (const ModelSection& model : description.models) head.push_back(model.name);
  table.row(head);
  for (std::size_t f = 0; f < plan.rows.size(); ++f) {
    const std::uint64_t n = plan.rows[f], candidate = candidate_rows(n, description.frac_in_safety);
    std::vector<std::string> row = {shortest(description.data_fracs[f]), std::to_string(n),
                                    std::to_string(candidate), std::to_string(n - candidate)};
    for (const auto& schedules : plan.schedules) {
      const Schedule& s = schedules[f];
      row.push_back(s.iterations == 0 ? "-" : std::to_string(s.iterations));
    }
    table.row(row);
  }
  return table.str();
}

/// What runs where, and what is not known before the store is created.
std::string networks(const Description& description, const Plan& plan, const PlanFacts& facts) {
  const std::uint32_t k = description.gpus_per_trial;
  const auto is_network = [&](std::size_t m) { return m < facts.networks.size() && facts.networks[m]; };
  const bool cpu = description.device == "cpu", gpu = description.device == "cuda";
  TextTable table(3);
  std::vector<std::string> head = {"model", "precision", "convolutions", "workers/pack"};
  if (!cpu) head.insert(head.end(), {"GPU memory/trial", "GPU memory/pack"});
  table.row(head);
  std::string open, names;
  for (std::size_t m = 0; m < description.models.size(); ++m) {
    if (!is_network(m)) continue;
    const ModelSection& model = description.models[m];
    names += (names.empty() ? "" : ", ") + model.name;
    const bool measured = gpu && model.convolutions == "auto";
    const bool size_open = gpu && model.pack_size == 0;
    if (size_open) open += (open.empty() ? "" : ", ") + model.name + " " + std::to_string(plan.pack_sizes[m]);
    std::vector<std::string> row = {model.name, model.precision,
                                    measured                              ? "measured"
                                    : cpu && model.convolutions == "auto" ? "grouped"
                                                                          : model.convolutions,
                                    std::to_string(k)};
    if (!cpu) {
      const double bytes = m < facts.gpu_bytes_per_trial.size() ? facts.gpu_bytes_per_trial[m] : 0;
      const auto shown = [&](double value) {
        return bytes > 0 ? size(static_cast<std::uint64_t>(value)) : std::string("?");
      };
      row.push_back(shown(bytes));
      row.push_back(size_open ? "measured" : shown(bytes * plan.pack_sizes[m]));
    }
    table.row(row);
  }
  if (names.empty())
    return k > 1 ? "warning: gpus_per_trial is " + std::to_string(k) +
                       ", but concerns networks only, and there is none\n\n"
                 : "";
  std::string out = "Networks, on ";
  out += cpu   ? "the CPU"
         : gpu ? "GPUs"
               : "GPUs where the machine of rank 0 has one when the store is created, else on the CPU (so "
                 "planned here)";
  out += "\n" + table.str();
  if (!open.empty())
    out += "  pack_size is measured when the store is created, and guessed here: " + open + "\n";
  if (k > 1)
    out += "  each of their packs takes " + std::to_string(k) +
           " workers: start a multiple of that many, and one rank more under mpirun\n";
  return out + "\n";
}

std::string times(const Plan& plan, const PlanFacts& facts) {
  if (!(facts.cost_per_second > 0) || plan.packs.empty()) return "";
  // What a pack computes between two records: all of it, or one trial after the other.
  const auto unrecorded = [&](const Pack& pack) {
    const bool together = pack.model < facts.together.size() && facts.together[pack.model];
    return plan.cost(pack) / (together ? 1 : pack.width) / facts.cost_per_second;
  };
  double total = 0, most = 0;
  for (const Pack& pack : plan.packs) {
    total += plan.cost(pack) / facts.cost_per_second;
    most = std::max(most, unrecorded(pack));
  }
  std::string out = "Times (estimated, one worker): about " + duration(total) +
                    " in all; the first record after " + duration(unrecorded(plan.packs.front())) +
                    "; the death of one worker loses at most " + duration(most) + "\n";
  if (most > long_loss_seconds)
    out += "warning: the death of one worker can lose " + duration(most) +
           " of work, over 10 minutes; a smaller pack_size of networks loses less\n";
  return out;
}

/// Groups that the safety test of some fraction sees too rarely: the t bound is asymptotic.
std::string small_groups(const Description& description, const Plan& plan, const PlanFacts& facts) {
  std::string out;
  for (const PlanFacts::Group& group : facts.groups) {
    std::string fractions;
    std::size_t count = 0;
    for (const std::uint64_t n : plan.rows) {
      const double safety = static_cast<double>(n - candidate_rows(n, description.frac_in_safety));
      const std::uint64_t expected =
          round_half_even(safety * static_cast<double>(group.rows) / static_cast<double>(plan.total_rows));
      if (expected >= small_group) continue;
      ++count;
      fractions += (fractions.empty() ? "" : ", ") + std::to_string(expected) + " of " + std::to_string(n);
    }
    if (count > 0)
      out += "warning: group " + group.name + " has under " + std::to_string(small_group) +
             " rows in the safety set at " + std::to_string(count) + " of " +
             std::to_string(plan.rows.size()) + " data fractions (expected: " + fractions +
             "); the Student t bound is only asymptotic there\n";
  }
  return out;
}

}  // namespace

std::string describe(const Description& description, const Plan& plan, const PlanFacts& facts) {
  std::string out = "Experiment " + description.name + " (" + std::string(name_of(description.regime)) +
                    ", seed " + std::to_string(description.seed) + ", " + std::to_string(plan.total_rows) +
                    " rows)\n";
  out += std::to_string(plan.cells) + " cells: " + std::to_string(description.models.size()) + " models x " +
         std::to_string(plan.rows.size()) + " data fractions x " + std::to_string(description.n_trials) +
         " trials, in " + std::to_string(plan.packs.size()) + " packs\n\n";
  out += "Models\n" + models_table(description, plan, facts) + "\n";
  out += networks(description, plan, facts);
  out += "Rows, and iterations of each model\n" + fractions_table(description, plan) + "\n";
  if (!facts.constraint_lines.empty()) {
    out += "Constraints\n";
    for (const std::string& line : facts.constraint_lines) out += "  " + line + "\n";
    out += "\n";
  }
  out +=
      "Store: " + size(facts.store_bytes) + " (store.max_bytes: " + size(description.store_max_bytes) + ")\n";
  return out + times(plan, facts) + small_groups(description, plan, facts);
}

}  // namespace seldon::experiment
