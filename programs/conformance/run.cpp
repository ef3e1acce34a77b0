#include "programs/conformance/run.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>

#include "programs/conformance/check.h"

namespace seldon::conformance {
namespace {

using Category = std::function<void(const Json&, const Setting&, Check&)>;

const std::map<std::string, Category>& categories() {
  static const std::map<std::string, Category> all = {
      {"interval", check_interval},
      {"tree", check_tree},
      {"parse_error", check_parse_error},
      {"stats", check_stats},
      {"ttest_bound", check_ttest_bound},
      {"fairness_bound", check_fairness_bound},
      {"constraint_value", check_constraint_value},
      {"safety", check_safety},
      {"primary", check_primary},
      {"measure", check_measure},
      {"model", check_model},
      {"split", check_split},
      {"batching", check_batching},
      {"experiments", check_experiments},
      {"kkt_trace", check_kkt_trace},
      {"kkt_solution", check_kkt_solution},
      {"end_to_end", check_end_to_end},
  };
  return all;
}

const std::map<std::string, std::string>& skipped_categories() {
  static const std::map<std::string, std::string> all = {
      {"rl_bound", "bounds on returns of policies belong to a later regime, reinforcement learning"},
      {"rl_policy", "policies belong to a later regime, reinforcement learning"},
      {"cvar", "the conditional value at risk, a base node that is no mean, comes with a later regime"},
  };
  return all;
}

const std::map<std::string, std::string>& skipped_cases() {
  static const std::map<std::string, std::string> all = {
      {"kkt_solution-004", "optimises a policy (reinforcement learning)"},
      {"kkt_solution-005", "optimises a policy (reinforcement learning)"},
      {"kkt_solution-006", "bounds the conditional value at risk"},
      {"primary-005", "the return of a policy (reinforcement learning)"},
  };
  return all;
}

constexpr std::size_t shown_differences = 5;

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (std::size_t i = 0; i < std::min(lines.size(), shown_differences); ++i)
    all += (all.empty() ? "" : "; ") + lines[i];
  if (lines.size() > shown_differences)
    all += "; and " + std::to_string(lines.size() - shown_differences) + " more";
  return all;
}

/// The differences of one case; an exception is one.
std::vector<std::string> differences(const Json& c, const Category& category, const Setting& setting) {
  const double rtol = c.contains("rtol") && !c["rtol"].is_null() ? number(c["rtol"]) : 0;
  Check check(rtol);
  try {
    category(c, setting, check);
  } catch (const std::exception& error) {
    check.differ("case", "to run", error.what());
  }
  return check.differences();
}

class Run {
 public:
  explicit Run(const Setting& setting) : setting_(setting) {}

  void one(const Json& c) {
    const auto id = c.at("id").get<std::string>(), name = c.at("category").get<std::string>();
    if (skipped_categories().contains(name)) {
      ++skipped_[name + ": " + skipped_categories().at(name)];
    } else if (skipped_cases().contains(id)) {
      ++skipped_[name + " (" + id + "): " + skipped_cases().at(id)];
    } else if (!categories().contains(name)) {
      fail(id, "the category '" + name + "' is not known here");
    } else {
      const std::vector<std::string> found = differences(c, categories().at(name), setting_);
      if (found.empty())
        ++passed_;
      else
        fail(id, joined(found));
    }
  }

  ExitCode summary() const {
    std::size_t skipped = 0;
    for (const auto& [line, count] : skipped_) {
      std::printf("skipped %zu of %s\n", count, line.c_str());
      skipped += count;
    }
    std::printf("%zu passed, %zu failed, %zu skipped\n", passed_, failed_, skipped);
    return failed_ == 0 ? ExitCode::complete : ExitCode::internal;
  }

 private:
  void fail(const std::string& id, const std::string& why) {
    ++failed_;
    std::printf("FAILED %s: %s\n", id.c_str(), why.c_str());
  }

  const Setting& setting_;
  std::size_t passed_ = 0, failed_ = 0;
  std::map<std::string, std::size_t> skipped_;
};

Json read_cases(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw InputError({path, 0}, "cannot be opened; give the file with the cases");
  try {
    return Json::parse(in).at("cases");
  } catch (const Json::exception& error) {
    throw InputError({path, 0}, std::string("is not a file of cases: ") + error.what());
  }
}

}  // namespace

ExitCode run(const std::string& path, const std::vector<std::string>& folders, engine::Variant variant) {
  const Json cases = read_cases(path);
  std::vector<std::filesystem::path> places(folders.begin(), folders.end());
  const std::filesystem::path own = std::filesystem::path(path).parent_path();
  places.push_back(own.empty() ? "." : own);
  const DataFolders data(places);
  const Setting setting{data, variant};
  Run all(setting);
  try {
    for (const Json& c : cases) all.one(c);
  } catch (const Json::exception& error) {
    throw InputError({path, 0}, std::string("a case lacks what every case has: ") + error.what());
  }
  return all.summary();
}

}  // namespace seldon::conformance
