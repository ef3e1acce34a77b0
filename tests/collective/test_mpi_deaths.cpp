// A member of a group dies in the middle of its calls. Needs an MPI that survives deaths:
//
//   mpirun --with-ft ulfm -n 4 test_collective_deaths
//
// Rank 0 tells the others of a group what to do, as in a run; the exit status is its own.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "collective/mpi.h"
#include "core/backoff.h"
#include "transport/mpi.h"

namespace seldon::collective {
namespace {

using transport::Mpi;

constexpr double seconds_to_wait = 20;
constexpr int calls_before_death = 30;
enum Tag { stopped, go_on, done };

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "test_collective_deaths: not so: %s\n", what);
  _exit(1);
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Told to stop by a message of rank 0's.
class Obedient final : public Progress {
 public:
  explicit Obedient(Mpi& mpi) : mpi_(&mpi) {}
  Order tick() override {
    if (const auto arrival = mpi_->poll()) stop_ = stop_ || arrival->tag == stopped;
    expect(!mpi_->lost(0), "rank 0 lives");
    return stop_ ? Order::stop : Order::go;
  }

 private:
  Mpi* mpi_;
  bool stop_ = false;
};

int receive(Mpi& mpi) {
  const double end = now() + seconds_to_wait;
  for (Backoff backoff; now() < end; backoff.pause())
    if (const auto arrival = mpi.poll()) return arrival->tag;
  expect(false, "a message comes");
  return -1;
}

/// What is on its way goes out before the process ends.
void drain(Mpi& mpi) {
  for (Backoff backoff; !mpi.drained(); backoff.pause()) mpi.poll();
}

void follow(Mpi& mpi, MpiGroups& groups) {
  Obedient obedient(mpi);
  const auto three = groups.join({1, {1, 2, 3}}, obedient);
  std::vector<double> data(100000, 1);
  try {
    for (int call = 0;; ++call) {
      if (mpi.self() == 3 && call == calls_before_death) raise(SIGKILL);
      three->all_reduce(data.data(), data.size(), Element::float64);
      data.assign(data.size(), 1);
    }
  } catch (const Stopped&) {
  }
  mpi.send(0, stopped, Bytes(1));

  expect(receive(mpi) == go_on, "rank 0 names another group");
  Unhindered go;
  const auto two = groups.join({2, {1, 2}}, go);
  data.assign(data.size(), mpi.self());
  for (int call = 0; call < 10; ++call) {
    std::vector<double> sum = data;
    two->all_reduce(sum.data(), sum.size(), Element::float64);
    for (const double value : sum) expect(value == 3, "those who are left compute as if nothing had been");
  }
  mpi.send(0, done, Bytes(1));
  drain(mpi);
}

void lead(Mpi& mpi) {
  const double end = now() + seconds_to_wait;
  for (Backoff backoff; !mpi.lost(3); backoff.pause()) {
    expect(now() < end, "the death becomes known");
    expect(!mpi.poll(), "nobody stops by himself");
  }
  for (const Peer rank : {1, 2}) mpi.send(rank, stopped, Bytes(1));
  for (int count = 0; count < 2; ++count) expect(receive(mpi) == stopped, "both stop");
  for (const Peer rank : {1, 2}) mpi.send(rank, go_on, Bytes(1));
  for (int count = 0; count < 2; ++count) expect(receive(mpi) == done, "both go on together");
  drain(mpi);
}

}  // namespace
}  // namespace seldon::collective

int main() {
  using namespace seldon;
  const transport::MpiSession session;
  collective::expect(session.fault_tolerant() && session.size() == 4, "four ranks under --with-ft ulfm");
  collective::MpiGroups groups;
  transport::Mpi mpi(session);
  if (session.rank() == 0)
    collective::lead(mpi);
  else
    collective::follow(mpi, groups);
}
