#include "collective/mpi.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include <mpi.h>

#if defined(OPEN_MPI) && __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

#include "collective/orders.h"
#include "core/backoff.h"
#include "core/error.h"

namespace seldon::collective {
namespace {

/// Longest piece of a message: MPI counts in int.
constexpr std::size_t piece_bytes = std::size_t{1} << 30;
/// Up to this many bytes everybody sends everything to everybody and sums for itself: half the messages one
/// after the other, and the same bits.
constexpr std::size_t short_bytes = std::size_t{16} << 10;

constexpr const char* different_counts = "members of a group have made a call with different counts";

int class_of(int code) {
  int kind = MPI_SUCCESS;
  MPI_Error_class(code, &kind);
  return kind;
}

bool speaks_of_a_death([[maybe_unused]] int code) {
#ifdef OMPI_HAVE_MPI_EXT_FTMPI
  return class_of(code) == MPIX_ERR_PROC_FAILED || class_of(code) == MPIX_ERR_PROC_FAILED_PENDING;
#else
  return false;
#endif
}

/// False if it failed because a rank is dead; throws if it failed for any other reason.
bool done_unless_dead(int code, const char* what) {
  if (code == MPI_SUCCESS) return true;
  if (speaks_of_a_death(code)) return false;
  if (class_of(code) == MPI_ERR_TRUNCATE) throw InternalError(different_counts);
  std::array<char, MPI_MAX_ERROR_STRING> text = {};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw IncompleteError(std::string(what) + " failed: " + text.data() +
                        "; the same command goes on from what is recorded");
}

/// Memory that MPI reads or writes, and the requests that do.
struct Exchange {
  Bytes outgoing, incoming;
  std::vector<MPI_Request> requests;
};

/// A buffer of at least so many bytes. It never shrinks, as growing again would clear it first.
std::byte* at_least(std::size_t bytes, Bytes& buffer) {
  if (buffer.size() < bytes) buffer.resize(bytes);
  return buffer.data();
}

/// The r-th of `parts` nearly equal parts of `count` elements.
struct Part {
  std::size_t first, count;
};
Part part_of(std::size_t count, std::size_t parts, std::size_t r) {
  const std::size_t first = count / parts * r + std::min(count % parts, r);
  return {first, count / parts + (r < count % parts ? 1 : 0)};
}

template <class T>
void add_to(std::byte* sum, const std::byte* more, std::size_t count) {
  auto* to = reinterpret_cast<T*>(sum);
  const auto* from = reinterpret_cast<const T*>(more);
  for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<T>(to[i] + from[i]);
}

void add_to(std::byte* sum, const std::byte* more, std::size_t count, Element element) {
  switch (element) {
    case Element::float32:
      return add_to<float>(sum, more, count);
    case Element::float64:
      return add_to<double>(sum, more, count);
    case Element::uint8:
      return add_to<std::uint8_t>(sum, more, count);
  }
}

}  // namespace

/// The communicator of all groups, and what stopped ones have left behind.
struct MpiGroups::Wire {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0;
  int tags = 0;  ///< group numbers are told apart modulo this
  std::vector<std::unique_ptr<Exchange>> left;

  void leave(std::unique_ptr<Exchange> exchange) {
    if (!exchange->requests.empty()) left.push_back(std::move(exchange));
  }
  /// Lets go of what MPI has done with.
  void finish() {
    for (auto& exchange : left) {
      for (auto& request : exchange->requests) {
        int done = 0;
        if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) request = MPI_REQUEST_NULL;
      }
      std::erase(exchange->requests, MPI_REQUEST_NULL);
    }
    std::erase_if(left, [](const auto& exchange) { return exchange->requests.empty(); });
  }
  /// What MPI still has goes on using its memory, so that stays until the process ends.
  void give_up() {
    static auto* const kept = new std::vector<std::unique_ptr<Exchange>>;  // never destroyed
    std::ranges::move(left, std::back_inserter(*kept));
    left.clear();
  }
  /// Takes in what earlier groups have left on its way from `peer`, so that its memory there becomes free.
  void discard(Peer peer, int tag) {
    while (true) {
      int here = 0;
      MPI_Status status;
      if (!done_unless_dead(MPI_Iprobe(peer, MPI_ANY_TAG, comm, &here, &status), "MPI_Iprobe") || !here)
        return;
      // Of an earlier group: up to half the tags back. The other member may be in this group or a later one.
      const int back = (tag - status.MPI_TAG + tags) % tags;
      if (back == 0 || back > tags / 2) return;
      int bytes = 0;
      MPI_Get_count(&status, MPI_BYTE, &bytes);
      auto late = std::make_unique<Exchange>();
      late->incoming.resize(static_cast<std::size_t>(bytes));
      late->requests.push_back(MPI_REQUEST_NULL);
      const int code = MPI_Irecv(late->incoming.data(), bytes, MPI_BYTE, peer, status.MPI_TAG, comm,
                                 &late->requests.back());
      if (!done_unless_dead(code, "MPI_Irecv")) return;
      leave(std::move(late));
    }
  }
};

namespace {

class MpiCollective final : public Collective {
 public:
  MpiCollective(std::shared_ptr<MpiGroups::Wire> wire, const RankGroup& group, Progress& progress)
      : wire_(std::move(wire)),
        ranks_(group.ranks),
        tag_(static_cast<int>(group.number % static_cast<std::uint64_t>(wire_->tags))),
        progress_(&progress),
        exchange_(std::make_unique<Exchange>()) {
    const auto self = std::ranges::find(ranks_, wire_->rank);
    if (self == ranks_.end())
      throw InternalError("rank " + std::to_string(wire_->rank) + " was told to join a group without it");
    self_ = static_cast<std::size_t>(self - ranks_.begin());
    for (const Peer rank : ranks_)
      if (rank != wire_->rank) wire_->discard(rank, tag_);
    wire_->finish();
  }
  ~MpiCollective() override {
    call_off();
    wire_->leave(std::move(exchange_));
  }
  MpiCollective(const MpiCollective&) = delete;
  MpiCollective& operator=(const MpiCollective&) = delete;

  int rank() const override { return static_cast<int>(self_); }
  int size() const override { return static_cast<int>(ranks_.size()); }
  bool on_device() const override { return false; }
  void check() override {
    if (stopped_ || progress_->tick() == Order::stop) stop();
  }

  void all_reduce(void* data, std::size_t count, Element element) override;
  void all_gather(const void* in, void* out, std::size_t count, Element element) override;
  void broadcast(void* data, std::size_t count, Element element, int root) override;

 private:
  void all_reduce_short(void* data, std::size_t count, Element element);
  std::byte* share(const void* own, std::size_t bytes);
  void send(std::size_t to, const std::byte* data, std::size_t bytes);
  void receive(std::size_t from, std::byte* data, std::size_t bytes);
  void complete();
  void call_off();
  [[noreturn]] void stop();
  [[noreturn]] void mourn(std::size_t member);

  /// Calls f(member) for each member but this one, beginning with the next: not all with the same.
  template <class F>
  void each_other(const F& f) {
    for (std::size_t i = 1; i < ranks_.size(); ++i) f((self_ + i) % ranks_.size());
  }

  std::shared_ptr<MpiGroups::Wire> wire_;
  std::vector<Peer> ranks_;
  std::size_t self_ = 0;
  int tag_;
  Progress* progress_;
  bool stopped_ = false;
  std::unique_ptr<Exchange> exchange_;
  struct Pending {
    std::size_t member;
    std::size_t expected;  ///< bytes of a receive
    bool receives;
  };
  std::vector<Pending> pending_;  ///< of each request
};

void MpiCollective::all_reduce(void* data, std::size_t count, Element element) {
  check();
  if (ranks_.size() == 1 || count == 0) return;
  const std::size_t width = size_of(element), bytes = count * width;
  if (bytes <= short_bytes) return all_reduce_short(data, count, element);

  // Everybody gets its own part of all data, sums it, and sends the sum to all.
  const Part mine = part_of(count, ranks_.size(), self_);
  const std::size_t part_bytes = mine.count * width;
  std::byte* const whole = at_least(bytes, exchange_->outgoing);
  std::byte* const parts = at_least(part_bytes * ranks_.size(), exchange_->incoming);
  std::memcpy(whole, data, bytes);
  each_other([&](std::size_t m) { receive(m, parts + m * part_bytes, part_bytes); });
  each_other([&](std::size_t m) {
    const Part theirs = part_of(count, ranks_.size(), m);
    send(m, whole + theirs.first * width, theirs.count * width);
  });
  std::memcpy(parts + self_ * part_bytes, whole + mine.first * width, part_bytes);
  complete();
  for (std::size_t m = 1; m < ranks_.size(); ++m) add_to(parts, parts + m * part_bytes, mine.count, element);

  // What was in `whole` has left: from here on it gathers the sums.
  each_other([&](std::size_t m) {
    const Part theirs = part_of(count, ranks_.size(), m);
    receive(m, whole + theirs.first * width, theirs.count * width);
  });
  each_other([&](std::size_t m) { send(m, parts, part_bytes); });
  std::memcpy(whole + mine.first * width, parts, part_bytes);
  complete();
  std::memcpy(data, whole, bytes);
}

void MpiCollective::all_reduce_short(void* data, std::size_t count, Element element) {
  const std::size_t bytes = count * size_of(element);
  std::byte* const all = share(data, bytes);
  for (std::size_t m = 1; m < ranks_.size(); ++m) add_to(all, all + m * bytes, count, element);
  std::memcpy(data, all, bytes);
}

void MpiCollective::all_gather(const void* in, void* out, std::size_t count, Element element) {
  check();
  const std::size_t bytes = count * size_of(element);
  if (bytes == 0) return;
  std::memcpy(out, share(in, bytes), bytes * ranks_.size());
}

/// What all members hold, one after the other.
std::byte* MpiCollective::share(const void* own, std::size_t bytes) {
  std::byte* const outgoing = at_least(bytes, exchange_->outgoing);
  std::byte* const all = at_least(bytes * ranks_.size(), exchange_->incoming);
  std::memcpy(outgoing, own, bytes);
  std::memcpy(all + self_ * bytes, own, bytes);
  each_other([&](std::size_t m) { receive(m, all + m * bytes, bytes); });
  each_other([&](std::size_t m) { send(m, outgoing, bytes); });
  complete();
  return all;
}

void MpiCollective::broadcast(void* data, std::size_t count, Element element, int root) {
  check();
  if (root < 0 || root >= size())
    throw InternalError("a broadcast names member " + std::to_string(root) + " of " + std::to_string(size()));
  const std::size_t bytes = count * size_of(element);
  if (bytes == 0 || ranks_.size() == 1) return;
  if (root == rank()) {
    std::byte* const outgoing = at_least(bytes, exchange_->outgoing);
    std::memcpy(outgoing, data, bytes);
    each_other([&](std::size_t m) { send(m, outgoing, bytes); });
    complete();
  } else {
    std::byte* const incoming = at_least(bytes, exchange_->incoming);
    receive(static_cast<std::size_t>(root), incoming, bytes);
    complete();
    std::memcpy(data, incoming, bytes);
  }
}

void MpiCollective::send(std::size_t to, const std::byte* data, std::size_t bytes) {
  for (std::size_t first = 0; first < bytes; first += piece_bytes) {
    const auto piece = static_cast<int>(std::min(piece_bytes, bytes - first));
    MPI_Request request = MPI_REQUEST_NULL;
    if (!done_unless_dead(MPI_Isend(data + first, piece, MPI_BYTE, ranks_[to], tag_, wire_->comm, &request),
                          "MPI_Isend"))
      mourn(to);
    exchange_->requests.push_back(request);
    pending_.push_back({to, static_cast<std::size_t>(piece), false});
  }
}

void MpiCollective::receive(std::size_t from, std::byte* data, std::size_t bytes) {
  for (std::size_t first = 0; first < bytes; first += piece_bytes) {
    const auto piece = static_cast<int>(std::min(piece_bytes, bytes - first));
    MPI_Request request = MPI_REQUEST_NULL;
    if (!done_unless_dead(MPI_Irecv(data + first, piece, MPI_BYTE, ranks_[from], tag_, wire_->comm, &request),
                          "MPI_Irecv"))
      mourn(from);
    exchange_->requests.push_back(request);
    pending_.push_back({from, static_cast<std::size_t>(piece), true});
  }
}

/// Waits for all that is on its way, and asks meanwhile whether to stop.
void MpiCollective::complete() {
  auto& requests = exchange_->requests;
  std::vector<int> indices(requests.size());
  std::vector<MPI_Status> statuses(requests.size());
  std::size_t left = requests.size();
  for (Backoff backoff; left > 0; backoff.pause()) {
    int count = 0;
    const int code = MPI_Testsome(static_cast<int>(requests.size()), requests.data(), &count, indices.data(),
                                  statuses.data());
    if (code != MPI_ERR_IN_STATUS && !done_unless_dead(code, "MPI_Testsome")) count = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const Pending& done = pending_[static_cast<std::size_t>(indices[i])];
      if (code == MPI_ERR_IN_STATUS && !done_unless_dead(statuses[i].MPI_ERROR, "MPI_Testsome"))
        mourn(done.member);
      int bytes = 0;
      if (done.receives) MPI_Get_count(&statuses[i], MPI_BYTE, &bytes);
      if (done.receives && static_cast<std::size_t>(bytes) != done.expected)
        throw InternalError(different_counts);
    }
    left -= static_cast<std::size_t>(count);
    if (left == 0) break;
    if (count > 0) backoff.reset();
    if (progress_->tick() == Order::stop) stop();
  }
  requests.clear();
  pending_.clear();
}

/// Receives take no later message any more; sends stay MPI's.
void MpiCollective::call_off() {
  for (std::size_t i = 0; i < pending_.size(); ++i)
    if (pending_[i].receives && exchange_->requests[i] != MPI_REQUEST_NULL)
      MPI_Cancel(&exchange_->requests[i]);
  pending_.clear();
}

/// No other call can follow.
void MpiCollective::stop() {
  stopped_ = true;
  call_off();
  throw Stopped{};
}

void MpiCollective::mourn(std::size_t member) {
  try {
    await_stop(*progress_, "rank " + std::to_string(ranks_[member]) + " has died");
  } catch (const Stopped&) {
    stop();
  }
}

}  // namespace

MpiGroups::MpiGroups() : wire_(std::make_shared<Wire>()) {
  MPI_Comm_rank(MPI_COMM_WORLD, &wire_->rank);
  if (!done_unless_dead(MPI_Comm_dup(MPI_COMM_WORLD, &wire_->comm), "MPI_Comm_dup")) {
    wire_->comm = MPI_COMM_NULL;
    return;
  }
  MPI_Comm_set_errhandler(wire_->comm, MPI_ERRORS_RETURN);
  int* highest = nullptr;
  int known = 0;
  MPI_Comm_get_attr(wire_->comm, MPI_TAG_UB, static_cast<void*>(&highest), &known);
  wire_->tags = known != 0 ? *highest : 32767;  // what any MPI has
}

/// Freeing the communicator would wait for the other ranks.
MpiGroups::~MpiGroups() {
  wire_->finish();
  wire_->give_up();
}

void MpiGroups::check_available() const {
  if (wire_->comm == MPI_COMM_NULL)
    throw IncompleteError(
        "a rank died while this run started, so that its ranks cannot form groups; start it again");
}

std::unique_ptr<Collective> MpiGroups::join(const RankGroup& group, Progress& progress) {
  check_available();
  return std::make_unique<MpiCollective>(wire_, group, progress);
}

std::size_t MpiGroups::unfinished() const {
  wire_->finish();
  std::size_t count = 0;
  for (const auto& exchange : wire_->left) count += exchange->requests.size();
  return count;
}

}  // namespace seldon::collective
