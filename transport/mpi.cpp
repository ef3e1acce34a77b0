#include "transport/mpi.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <functional>
#include <iterator>
#include <numeric>
#include <unistd.h>
#include <utility>

#if defined(OPEN_MPI) && __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

#include "core/error.h"
#include "core/last_resort.h"

namespace seldon::transport {
namespace {

// An MPI tag says what a piece is: a whole message of tag t, the announcement of one in chunks (its length),
// a chunk.
constexpr int announced = 1000;
constexpr int chunk = 2000;

// Chunks to one peer that MPI has at a time. Hundreds for a peer that takes nothing in would use up what Open
// MPI has for all: measured, a dead peer then blocks the messages to the living.
constexpr int chunks_at_a_time = 4;

constexpr double seconds_for_abort = 10;

// What MPI offers for the death of a rank, and nothing where it has no such thing.
#ifdef OMPI_HAVE_MPI_EXT_FTMPI
bool survives_deaths() {
  int* on = nullptr;
  int found = 0;
  MPI_Comm_get_attr(MPI_COMM_WORLD, MPIX_FT, static_cast<void*>(&on), &found);
  return found != 0 && *on != 0;
}

bool speaks_of_a_death(int code) {
  int kind = MPI_SUCCESS;
  MPI_Error_class(code, &kind);
  return kind == MPIX_ERR_PROC_FAILED || kind == MPIX_ERR_PROC_FAILED_PENDING;
}

/// The ranks that have died so far. From here on MPI no longer refuses to look at the messages of all because
/// of them.
std::vector<Peer> acknowledge_deaths() {
  MPI_Group dead = MPI_GROUP_NULL, world = MPI_GROUP_NULL;
  int count = 0;
  MPIX_Comm_failure_ack(MPI_COMM_WORLD);
  MPIX_Comm_failure_get_acked(MPI_COMM_WORLD, &dead);
  MPI_Comm_group(MPI_COMM_WORLD, &world);
  MPI_Group_size(dead, &count);
  std::vector<int> within(static_cast<std::size_t>(count));
  std::iota(within.begin(), within.end(), 0);
  std::vector<Peer> ranks(within.size());
  MPI_Group_translate_ranks(dead, count, within.data(), world, ranks.data());
  MPI_Group_free(&dead);
  MPI_Group_free(&world);
  return ranks;
}
#else
bool survives_deaths() {
  return false;
}
bool speaks_of_a_death(int) {
  return false;
}
std::vector<Peer> acknowledge_deaths() {
  return {};
}
#endif

/// False if it failed because a peer is dead; throws if it failed for any other reason. (A revoked
/// communicator is such a reason: nobody here revokes one, and nothing could be sent any more.)
bool done_unless_dead(int code, const char* what) {
  if (code == MPI_SUCCESS) return true;
  if (speaks_of_a_death(code)) return false;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw IncompleteError(std::string(what) +
                        " failed: " + std::string(text, static_cast<std::size_t>(length)) +
                        "; the same command goes on from what is recorded");
}

/// "Open MPI v5.0.11" -> "Open MPI v5": within one of these the library file may be exchanged.
std::string family(const std::string& library) {
  return library.substr(0, library.find('.'));
}

}  // namespace

// ---- the library and its start --------------------------------------------------------------------------

std::string compiled_library() {
#ifdef OPEN_MPI
  const auto number = [](int part) { return std::to_string(part); };
  return "Open MPI v" + number(OMPI_MAJOR_VERSION) + "." + number(OMPI_MINOR_VERSION) + "." +
         number(OMPI_RELEASE_VERSION);
#else
  return loaded_library();  // the others keep one library file exchangeable for another
#endif
}

std::string loaded_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text = {};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string all(text.data());
  return all.substr(0, all.find_first_of(",\n"));
}

void check_library(const std::string& compiled, const std::string& loaded) {
  if (family(compiled) == family(loaded)) return;
  throw InputError(
      "this program was built with " + compiled + " but has loaded " + loaded +
      ", usually because it was started by the mpirun of the latter; start it with the mpirun of " +
      compiled +
      " (here it was " SELDON_MPIEXEC
      ") and take other MPIs out of LD_LIBRARY_PATH, or build it with the MPI that you want to use");
}

MpiSession::MpiSession() {
  check_library(compiled_library(), loaded_library());
  int provided = MPI_THREAD_SINGLE;
  done_unless_dead(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);  // of calls that name no communicator
  if (provided < MPI_THREAD_FUNNELED)
    throw InputError("this MPI offers no MPI_THREAD_FUNNELED; use one that was built with thread support");
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  fault_tolerant_ = survives_deaths();
}

MpiSession::~MpiSession() {
  // Measured with Open MPI 5.0.11: once two ranks have died at about the same time, MPI_Finalize hangs in
  // every fourth run; ranks that leave without it end in time, and mpirun cleans up and reports their status.
  if (!fault_tolerant_) MPI_Finalize();
}

void MpiSession::abort(int exit_code) const {
  if (fault_tolerant_) {
    // Measured with Open MPI 5.0.11: MPI_Abort ends no other rank, and mpirun waits for them. The others are
    // told of a rank that dies by a signal or leaves with status 0, never of one with another status, which
    // mpirun reports for the whole job.
    if (rank_ != 0) _exit(0);
    const bool last = acknowledge_deaths().size() + 1 >= static_cast<std::size_t>(size_);
    if (!last) raise(SIGKILL);
    _exit(exit_code);
  }
  const LastResort guard(seconds_for_abort, static_cast<ExitCode>(exit_code), "MPI_Abort hangs");
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  _exit(exit_code);
}

// ---- sending ----------------------------------------------------------------------------------------------

Mpi::Mpi(const MpiSession& session, std::size_t chunk_bytes)
    : rank_(session.rank()),
      size_(session.size()),
      chunk_bytes_(chunk_bytes),
      life_(static_cast<std::size_t>(session.size()), Life::alive) {}

Mpi::~Mpi() {
  for (auto& message : incoming_) abandon(std::move(message));
  outgoing_.leave();
  abandoned_.leave();
}

void Mpi::send(Peer to, int tag, SharedBytes bytes) {
  if (!alive(to)) return;
  const auto all = bytes.view();
  if (all.size() <= chunk_bytes_) return post_send(to, tag, all, bytes);
  const std::uint64_t length = all.size();
  const auto length_bytes = std::as_bytes(std::span(&length, 1));
  const SharedBytes announcement(Bytes(length_bytes.begin(), length_bytes.end()));
  post_send(to, announced + tag, announcement.view(), announcement);
  for (std::size_t first = 0; first < all.size(); first += chunk_bytes_)
    waiting_[to].push_back({all.subspan(first, std::min(chunk_bytes_, all.size() - first)), bytes});
  post_chunks();
}

void Mpi::post_chunks() {
  for (auto& [peer, chunks] : waiting_)
    while (!chunks.empty() && outgoing_.of_peer[peer] < chunks_at_a_time) {
      const Chunk next = std::move(chunks.front());
      chunks.pop_front();
      post_send(peer, chunk, next.bytes, next.owner);
    }
  std::erase_if(waiting_, [](const auto& entry) { return entry.second.empty(); });
}

void Mpi::post_send(Peer to, int tag, std::span<const std::byte> bytes, const SharedBytes& owner) {
  MPI_Request request = MPI_REQUEST_NULL;
  const int code =
      MPI_Isend(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, tag, MPI_COMM_WORLD, &request);
  if (!done_unless_dead(code, "MPI_Isend")) return;
  int done = 0;
  if (!done_unless_dead(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test") || done) return;
  outgoing_.add(request, to, owner);
}

void Mpi::Pending::add(MPI_Request request, Peer peer, SharedBytes bytes) {
  requests.push_back(request);
  peers.push_back(peer);
  held.push_back(std::move(bytes));
  ++of_peer[peer];
}

void Mpi::Pending::remove(std::size_t index) {
  if (--of_peer[peers[index]] == 0) of_peer.erase(peers[index]);
  requests[index] = requests.back();
  peers[index] = peers.back();
  std::swap(held[index], held.back());
  requests.pop_back();
  peers.pop_back();
  held.pop_back();
}

void Mpi::Pending::finish() {
  if (requests.empty()) return;
  // One call for all: each call lets MPI make progress, which takes its time.
  int count = 0;
  std::vector<int> indices(requests.size());
  std::vector<MPI_Status> statuses(requests.size());
  const int code = MPI_Testsome(static_cast<int>(requests.size()), requests.data(), &count, indices.data(),
                                statuses.data());
  if (code != MPI_ERR_IN_STATUS && !done_unless_dead(code, "MPI_Testsome")) return;
  if (count == MPI_UNDEFINED) return;
  indices.resize(static_cast<std::size_t>(count));
  if (code == MPI_ERR_IN_STATUS)
    for (std::size_t i = 0; i < indices.size(); ++i) done_unless_dead(statuses[i].MPI_ERROR, "MPI_Testsome");
  std::ranges::sort(indices, std::greater());
  for (const int index : indices) remove(static_cast<std::size_t>(index));
}

void Mpi::Pending::leave() {
  if (requests.empty()) return;
  for (auto& request : requests)
    if (request != MPI_REQUEST_NULL) MPI_Request_free(&request);
  static auto* const kept = new std::vector<SharedBytes>;  // never destroyed
  std::ranges::move(held, std::back_inserter(*kept));
}

// ---- receiving --------------------------------------------------------------------------------------------

std::optional<Transport::Arrival> Mpi::poll() {
  outgoing_.finish();
  post_chunks();
  abandoned_.finish();
  auto arrival = take_complete();
  while (!arrival && accept()) arrival = take_complete();
  if (!arrival) bury();
  return arrival;
}

/// Posts the receive of one piece that has arrived; false if there was none. Receives are never waited for:
/// the sender may be deep in a computation in the middle of handing over a long message.
bool Mpi::accept() {
  int here = 0;
  MPI_Message piece = MPI_MESSAGE_NULL;
  MPI_Status status;
  const int code = MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &here, &piece, &status);
  if (!done_unless_dead(code, "MPI_Improbe")) return notice_deaths();
  if (!here) return false;
  int count = 0;
  MPI_Get_count(&status, MPI_BYTE, &count);
  const Peer from = status.MPI_SOURCE;

  if (lost(from)) {  // it was told already that nothing more would come
    Incoming late{from, status.MPI_TAG, Bytes(static_cast<std::size_t>(count))};
    post_receive(late, count, piece);
    abandon(std::move(late));
  } else if (status.MPI_TAG < announced) {
    incoming_.push_back({from, status.MPI_TAG, Bytes(static_cast<std::size_t>(count))});
    post_receive(incoming_.back(), count, piece);
  } else if (status.MPI_TAG < chunk) {
    std::uint64_t length = 0;  // eight bytes travel with their envelope: this does not wait
    const int received = MPI_Mrecv(&length, sizeof length, MPI_BYTE, &piece, MPI_STATUS_IGNORE);
    if (done_unless_dead(received, "MPI_Mrecv"))
      incoming_.push_back({from, status.MPI_TAG - announced, Bytes(length)});
  } else {
    const auto message = std::ranges::find_if(incoming_, [&](const Incoming& candidate) {
      return candidate.from == from && candidate.expected < candidate.bytes.size();
    });
    if (message == incoming_.end())
      throw InternalError("rank " + std::to_string(from) + " sent a piece of no announced message");
    post_receive(*message, count, piece);
  }
  return true;
}

void Mpi::post_receive(Incoming& message, int count, MPI_Message& piece) {
  MPI_Request request = MPI_REQUEST_NULL;
  const int code = MPI_Imrecv(message.bytes.data() + message.expected, count, MPI_BYTE, &piece, &request);
  message.expected += static_cast<std::size_t>(count);
  if (done_unless_dead(code, "MPI_Imrecv"))
    message.requests.push_back(request);
  else
    message.torn = true;
}

/// The oldest complete message of which no earlier one of the same peer is incomplete.
std::optional<Transport::Arrival> Mpi::take_complete() {
  std::vector<Peer> behind;
  for (auto message = incoming_.begin(); message != incoming_.end(); ++message) {
    if (std::ranges::find(behind, message->from) != behind.end()) continue;
    if (!complete(*message)) {
      behind.push_back(message->from);
      continue;
    }
    Arrival arrival{message->from, message->tag, SharedBytes(std::move(message->bytes))};
    incoming_.erase(message);
    return arrival;
  }
  return std::nullopt;
}

bool Mpi::complete(Incoming& message) {
  if (message.torn || message.expected < message.bytes.size()) return false;
  while (!message.requests.empty()) {
    int done = 0;
    if (!done_unless_dead(MPI_Test(&message.requests.back(), &done, MPI_STATUS_IGNORE), "MPI_Test")) {
      message.torn = true;
      message.requests.pop_back();
      return false;
    }
    if (!done) return false;
    message.requests.pop_back();
  }
  return true;
}

// ---- deaths -----------------------------------------------------------------------------------------------

/// False if nobody has died since the last time.
bool Mpi::notice_deaths() {
  const std::size_t before = dying_.size();
  for (const Peer peer : acknowledge_deaths()) {
    if (!alive(peer)) continue;
    life_[static_cast<std::size_t>(peer)] = Life::dead;
    dying_.push_back(peer);
  }
  return dying_.size() > before;
}

/// Everything that is here in full has been handed over: what the dead leave besides is dropped, and their
/// loss is told.
void Mpi::bury() {
  if (dying_.empty()) return;
  const auto of_the_dead = [&](Peer peer) { return !alive(peer); };
  for (auto& message : incoming_)
    if (of_the_dead(message.from)) abandon(std::move(message));
  std::erase_if(incoming_, [&](const Incoming& message) { return of_the_dead(message.from); });
  for (std::size_t i = outgoing_.requests.size(); i-- > 0;) {
    if (!of_the_dead(outgoing_.peers[i])) continue;
    abandoned_.add(outgoing_.requests[i], outgoing_.peers[i], outgoing_.held[i]);
    outgoing_.remove(i);
  }
  for (const Peer peer : dying_) {
    waiting_.erase(peer);
    life_[static_cast<std::size_t>(peer)] = Life::lost;
    losses_.push_back(peer);
  }
  dying_.clear();
}

void Mpi::abandon(Incoming message) {
  const SharedBytes held(std::move(message.bytes));
  for (const MPI_Request request : message.requests) abandoned_.add(request, message.from, held);
}

std::optional<Peer> Mpi::poll_loss() {
  if (losses_.empty()) return std::nullopt;
  const Peer peer = losses_.front();
  losses_.pop_front();
  return peer;
}

}  // namespace seldon::transport
