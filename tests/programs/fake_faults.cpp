#include "tests/programs/fake_faults.h"

#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <deque>
#include <sstream>
#include <string_view>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

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

void die(const Death& death) {
  note(journal_path, "die " + death.point);
  kill(getpid(), SIGKILL);
}

void die_here(std::string_view point) {
  for (Armed& one : armed) {
    if (one.death.point != point || ++one.passed != one.death.count) continue;
    if (one.death.microseconds == 0) die(one.death);
    std::thread([&death = one.death] {
      std::this_thread::sleep_for(std::chrono::microseconds(death.microseconds));
      die(death);
    }).detach();
  }
}

template <class Number>
void read(const std::string& text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw InputError("'" + text + "' in --die-at is no number");
}

}  // namespace

Death Death::parse(const std::string& text) {
  Death death;
  std::istringstream stream(text);
  std::string part;
  std::getline(stream, death.point, ':');
  if (std::getline(stream, part, ':')) read(part, death.count);
  if (std::getline(stream, part, ':')) read(part, death.rank);
  if (std::getline(stream, part)) read(part, death.microseconds);
  return death;
}

void arm(const std::vector<Death>& deaths, int rank, const std::string& journal) {
  for (const Death& death : deaths)
    if (death.rank == -1 || death.rank == rank) armed.emplace_back(death);
  journal_path = journal;
  if (!armed.empty()) fault_hook = die_here;
}

}  // namespace seldon::fake
