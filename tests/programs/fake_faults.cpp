#include "tests/programs/fake_faults.h"

#include <atomic>
#include <charconv>
#include <csignal>
#include <deque>
#include <string_view>

#include "core/error.h"
#include "core/fault_point.h"
#include "tests/programs/fake_engine.h"

namespace seldon::fake {
namespace {

/// A death that this process has before it.
struct Armed {
  explicit Armed(Death of) : death(std::move(of)) {}
  Death death;
  std::atomic<std::uint64_t> passed = 0;  // points are passed by several threads
};

// The hook is a plain function, so what it knows is kept here.
std::deque<Armed> armed;
std::string journal_path;

void die_here(std::string_view point) {
  for (Armed& one : armed) {
    if (one.death.point != point || ++one.passed != one.death.count) continue;
    note(journal_path, "die " + one.death.point);
    std::raise(SIGKILL);
  }
}

template <class Number>
Number number(std::string_view text, const std::string& whole) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw InputError("'" + whole + "' is not POINT[:COUNT[:RANK]]");
  return value;
}

}  // namespace

Death Death::parse(const std::string& text) {
  Death death;
  const std::size_t first = text.find(':');
  death.point = text.substr(0, first);
  if (first == std::string::npos) return death;
  const std::size_t second = text.find(':', first + 1);
  const std::string_view rest(text);
  death.count = number<std::uint64_t>(rest.substr(first + 1, second - first - 1), text);
  if (second != std::string::npos) death.rank = number<int>(rest.substr(second + 1), text);
  return death;
}

void arm(const std::vector<Death>& deaths, int rank, const std::string& journal) {
  for (const Death& death : deaths)
    if (death.rank == -1 || death.rank == rank) armed.emplace_back(death);
  journal_path = journal;
  if (!armed.empty()) fault_hook = die_here;
}

}  // namespace seldon::fake
