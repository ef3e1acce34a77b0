// Ranks die while others talk to them. Needs an MPI that survives deaths; a scenario for each start, because
// what is dead stays dead:
//
//   mpirun --with-ft ulfm -n RANKS test_mpi_deaths SCENARIO [SEED]
//
// Rank 0 kills, watches and judges: the exit status is its own. The others echo what they are sent.

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "core/backoff.h"
#include "transport/mpi.h"

namespace seldon::transport {
namespace {

constexpr std::size_t chunk_bytes = 10'000;
constexpr std::size_t large = 30'000'000;
enum Tag { hello, echo, control, flood, quit };  // control: an echo too

using Seconds = std::chrono::duration<double>;

double now() {
  return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "test_mpi_deaths: not so: %s\n", what.c_str());
  _exit(1);
}

Bytes contents(std::size_t length, std::uint32_t key) {
  Bytes bytes(length);
  std::uint32_t state = key * 2654435761u + 1;
  for (auto& byte : bytes) byte = static_cast<std::byte>((state = state * 1664525u + 1013904223u) >> 24);
  return bytes;
}

bool equal(const SharedBytes& got, const Bytes& wanted) {
  return std::ranges::equal(got.view(), wanted);
}

// ---- the others -----------------------------------------------------------------------------------------

/// Echoes; sends as many large messages as asked; ends when told to, or at once without rank 0, or when rank
/// 0 has said nothing for long: it has found a fault.
int follow(Mpi& mpi) {
  double heard = now();
  const std::int64_t pid = getpid();
  const auto pid_bytes = std::as_bytes(std::span(&pid, 1));
  mpi.send(0, hello, Bytes(pid_bytes.begin(), pid_bytes.end()));
  for (Backoff backoff;;) {
    const auto arrival = mpi.poll();
    if (mpi.lost(0)) _exit(3);
    if (!arrival) {
      if (now() > heard + 15) _exit(3);
      backoff.pause();
      continue;
    }
    heard = now();
    backoff.reset();
    if (arrival->tag == quit) return 0;
    if (arrival->tag == echo || arrival->tag == control) mpi.send(0, arrival->tag, arrival->bytes);
    if (arrival->tag == flood)
      for (std::uint32_t i = 0; i < arrival->bytes.view().size(); ++i) mpi.send(0, flood, contents(large, i));
  }
}

// ---- rank 0 ---------------------------------------------------------------------------------------------

class Manager {
 public:
  explicit Manager(Mpi& mpi) : mpi_(mpi), pids_(static_cast<std::size_t>(mpi.size())) {
    for (int missing = mpi.size() - 1; missing > 0; --missing) {
      const auto arrival = wait();
      expect(arrival.tag == hello && arrival.bytes.view().size() == sizeof(std::int64_t),
             "every rank says hello");
      std::memcpy(&pids_[index(arrival.from)], arrival.bytes.view().data(), sizeof(std::int64_t));
    }
  }

  void kill(Peer peer) { ::kill(static_cast<pid_t>(pids_[index(peer)]), SIGKILL); }
  void stop(Peer peer) { ::kill(static_cast<pid_t>(pids_[index(peer)]), SIGSTOP); }

  /// Takes in everything for so long.
  void listen(double seconds, const std::function<void(const Transport::Arrival&)>& take) {
    for (const double end = now() + seconds; now() < end; note_losses())
      if (const auto arrival = mpi_.poll()) take(*arrival);
  }

  /// Until these and no others have been told as lost, each once.
  void await_losses(
      std::vector<Peer> peers,
      const std::function<void(const Transport::Arrival&)>& take = [](const auto&) {}) {
    std::ranges::sort(peers);
    const double start = now();
    while (losses_.size() < peers.size() && now() < start + 10) listen(0.01, take);
    listen(0.2, take);  // room for one told twice
    std::vector<Peer> told = losses_;
    std::ranges::sort(told);
    expect(told == peers, "exactly the killed are lost, each once");
    for (Peer peer = 1; peer < mpi_.size(); ++peer)
      expect(mpi_.lost(peer) == std::ranges::binary_search(peers, peer), "lost() agrees");
    for (const Peer peer : peers) mpi_.send(peer, echo, contents(large, 1));
    expect(drains(), "what is sent to the dead vanishes");
  }

  bool drains() {
    for (const double end = now() + 10; !mpi_.drained() && now() < end;) listen(0.001, [](const auto&) {});
    return mpi_.drained();
  }

  /// Every living rank still answers, on both sides of the chunks' size.
  void talk_to_the_rest() {
    for (const std::size_t length : {std::size_t{0}, std::size_t{8}, 10 * chunk_bytes + 1})
      for (Peer peer = 1; peer < mpi_.size(); ++peer) {
        if (mpi_.lost(peer)) continue;
        const Bytes bytes = contents(length, static_cast<std::uint32_t>(peer));
        mpi_.send(peer, control, bytes);
        for (;;) {
          const auto arrival = wait();
          if (arrival.from != peer || arrival.tag != control) continue;  // of an earlier question
          expect(equal(arrival.bytes, bytes), "the rest still talk");
          break;
        }
      }
  }

  void dismiss() {
    for (Peer peer = 1; peer < mpi_.size(); ++peer) mpi_.send(peer, quit, {});
    expect(drains(), "the last words leave");
  }

  Mpi& mpi() { return mpi_; }

 private:
  static std::size_t index(Peer peer) { return static_cast<std::size_t>(peer); }
  void note_losses() {
    while (const auto peer = mpi_.poll_loss()) losses_.push_back(*peer);
  }
  Transport::Arrival wait() {
    Backoff backoff;
    for (const double end = now() + 10; now() < end; backoff.pause())
      if (auto arrival = mpi_.poll()) return std::move(*arrival);
    expect(false, "a message within ten seconds");
    return {};
  }

  Mpi& mpi_;
  std::vector<std::int64_t> pids_;
  std::vector<Peer> losses_;
};

void idle(Manager& manager) {
  manager.kill(1);
  manager.await_losses({1});
}

void two_at_once(Manager& manager) {
  manager.kill(1);
  manager.kill(2);
  manager.await_losses({1, 2});
}

void all(Manager& manager) {
  std::vector<Peer> peers;
  for (Peer peer = 1; peer < manager.mpi().size(); ++peer) peers.push_back(peer);
  for (const Peer peer : peers) manager.kill(peer);
  manager.await_losses(peers);
}

/// A long message on its way to a rank that takes in only a part of it, or none.
void receiving(Manager& manager) {
  manager.stop(1);
  manager.mpi().send(1, echo, contents(large, 1));
  manager.mpi().send(2, echo, contents(large, 2));
  manager.listen(0.005, [](const auto&) {});
  expect(!manager.mpi().drained(), "the message is still on its way");
  manager.kill(1);
  manager.kill(2);
  manager.await_losses({1, 2});
}

/// Long messages on their way from a rank: what comes before the loss is told comes in order and whole.
void sending(Manager& manager) {
  const std::vector<Peer> peers{1, 2};
  std::map<Peer, std::uint32_t> received;
  const auto take = [&](const Transport::Arrival& arrival) {
    expect(arrival.tag == flood && !manager.mpi().lost(arrival.from),
           "nothing comes after the loss was told");
    expect(equal(arrival.bytes, contents(large, received[arrival.from]++)), "a message that comes is whole");
  };
  for (const Peer peer : peers) manager.mpi().send(peer, flood, Bytes(5));
  manager.listen(0.05, take);
  manager.kill(1);
  manager.listen(0.02, take);
  manager.kill(2);
  manager.await_losses(peers, take);
  expect(received[1] < 5 || received[2] < 5, "they died in the middle");
}

/// Traffic with all, one death after another at random times, until one rank is left.
void at_random(Manager& manager, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::size_t n) { return random() % n; };
  Mpi& mpi = manager.mpi();
  std::vector<Peer> living, killed;
  for (Peer peer = 1; peer < mpi.size(); ++peer) living.push_back(peer);
  std::map<Peer, std::uint32_t> keys;
  std::map<Peer, std::size_t> lengths;
  std::size_t answers = 0;
  const auto ask = [&](Peer peer) {
    lengths[peer] = below(4) == 0 ? below(20 * chunk_bytes) : below(200);
    mpi.send(peer, echo, contents(lengths[peer], ++keys[peer]));
  };
  const auto take = [&](const Transport::Arrival& arrival) {
    expect(!mpi.lost(arrival.from), "nothing comes after the loss was told");
    expect(equal(arrival.bytes, contents(lengths[arrival.from], keys[arrival.from])), "the answer fits");
    ++answers;
    ask(arrival.from);
  };
  for (const Peer peer : living) ask(peer);
  while (living.size() > 1) {
    manager.listen(0.001 * static_cast<double>(below(50)), take);
    const std::size_t victim = below(living.size());
    killed.push_back(living[victim]);
    living.erase(living.begin() + static_cast<std::ptrdiff_t>(victim));
    manager.kill(killed.back());
    if (below(3) == 0) continue;  // the next one at the same time
    const double start = now();
    while (!mpi.lost(killed.back()) && now() < start + 10) manager.listen(0.001, take);
    std::printf("rank %d: killed, known after %.3f s\n", killed.back(), now() - start);
  }
  manager.await_losses(killed, take);
  std::printf("seed %u: %zu deaths, %zu answers\n", seed, killed.size(), answers);
}

int lead(Mpi& mpi, const std::string& scenario, unsigned seed) {
  Manager manager(mpi);
  if (scenario == "idle")
    idle(manager);
  else if (scenario == "two_at_once")
    two_at_once(manager);
  else if (scenario == "all")
    all(manager);
  else if (scenario == "receiving")
    receiving(manager);
  else if (scenario == "sending")
    sending(manager);
  else if (scenario == "at_random")
    at_random(manager, seed);
  else if (scenario == "rank_0")
    raise(SIGKILL);
  else
    expect(false, "'" + scenario + "' is a scenario");
  manager.talk_to_the_rest();
  manager.dismiss();
  return 0;
}

}  // namespace
}  // namespace seldon::transport

int main(int argc, char** argv) {
  using namespace seldon::transport;
  expect(argc >= 2, "a scenario is given");
  const unsigned seed = argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : std::random_device{}();
  const MpiSession session;
  expect(session.fault_tolerant(), "MPI survives deaths");
  expect(session.size() >= 4, "there are four ranks");
  Mpi mpi(session, chunk_bytes);
  return session.rank() == 0 ? lead(mpi, argv[1], seed) : follow(mpi);
}
