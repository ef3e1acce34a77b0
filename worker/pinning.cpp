#include "worker/pinning.h"

#include <algorithm>
#include <fstream>
#include <sched.h>
#include <set>
#include <string>
#include <unistd.h>

namespace seldon::worker {
namespace {

std::vector<int> members(const cpu_set_t& mask) {
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &mask)) cpus.push_back(cpu);
  return cpus;
}

/// A list of the kernel's: "0-3,8,10-11".
std::vector<int> read_list(const std::string& path) {
  std::vector<int> cpus;
  std::ifstream file(path);
  int first = 0;
  while (file >> first) {
    int last = first;
    if (file.peek() == '-') file.ignore() >> last;
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    file.ignore();  // the comma, or the end
  }
  return cpus;
}

const std::string cpu_folder = "/sys/devices/system/cpu/";

}  // namespace

Cores cores_of_machine() {
  Cores cores;
  std::set<int> seen;
  for (int cpu : read_list(cpu_folder + "online")) {
    if (seen.contains(cpu)) continue;
    std::vector<int> core =
        read_list(cpu_folder + "cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    if (core.empty()) core = {cpu};
    seen.insert(core.begin(), core.end());
    cores.push_back(std::move(core));
  }
  return cores;
}

std::vector<int> cpus_for(const Cores& cores, const LocalRank& place, std::uint32_t threads) {
  const std::size_t width = std::max(threads, 1U), slots = cores.size() / width;
  if (place.count < 2 || place.count > slots + 1) return {};
  std::vector<int> cpus;
  const std::size_t first = place.index % slots * width;
  for (std::size_t core = first; core < first + width; ++core)
    cpus.insert(cpus.end(), cores[core].begin(), cores[core].end());
  return cpus;
}

std::vector<int> pin(const LocalRank& place, std::uint32_t threads, const Lookup& lookup) {
  const char* const wish = lookup("SELDON_PINNING");
  if (wish && std::string(wish) == "off") return {};
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return {};
  const Cores cores = cores_of_machine();
  std::size_t online = 0;
  for (const auto& core : cores) online += core.size();
  if (members(mask).size() < online) return {};
  const std::vector<int> cpus = cpus_for(cores, place, threads);
  if (cpus.empty()) return {};
  CPU_ZERO(&mask);
  for (int cpu : cpus) CPU_SET(static_cast<unsigned>(cpu), &mask);
  return sched_setaffinity(0, sizeof mask, &mask) == 0 ? cpus : std::vector<int>{};
}

}  // namespace seldon::worker
