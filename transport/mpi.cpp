#include "transport/mpi.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace seldon::transport {
namespace {

// An MPI tag says what a piece is: a whole message of tag t, the announcement of one in chunks (its length),
// a chunk.
constexpr int announced = 1000;
constexpr int chunk = 2000;

void check(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw IncompleteError(std::string(what) +
                        " failed: " + std::string(text, static_cast<std::size_t>(length)) +
                        "; the same command goes on from what is recorded");
}

}  // namespace

MpiSession::MpiSession() {
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (provided < MPI_THREAD_FUNNELED)
    throw InputError("this MPI offers no MPI_THREAD_FUNNELED; use one that was built with thread support");
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
}

MpiSession::~MpiSession() {
  MPI_Finalize();
}

void MpiSession::abort(int exit_code) const {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

Mpi::Mpi(const MpiSession& session, std::size_t chunk_bytes)
    : rank_(session.rank()), size_(session.size()), chunk_bytes_(chunk_bytes) {}

Mpi::~Mpi() {
  for (auto& request : outgoing_) MPI_Request_free(&request);
}

void Mpi::send(Peer to, int tag, SharedBytes bytes) {
  const auto all = bytes.view();
  if (all.size() <= chunk_bytes_) return post_send(to, tag, all, bytes);
  const std::uint64_t length = all.size();
  const auto length_bytes = std::as_bytes(std::span(&length, 1));
  const SharedBytes announcement(Bytes(length_bytes.begin(), length_bytes.end()));
  post_send(to, announced + tag, announcement.view(), announcement);
  for (std::size_t first = 0; first < all.size(); first += chunk_bytes_)
    post_send(to, chunk, all.subspan(first, std::min(chunk_bytes_, all.size() - first)), bytes);
}

void Mpi::post_send(Peer to, int tag, std::span<const std::byte> bytes, const SharedBytes& owner) {
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Isend(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, tag, MPI_COMM_WORLD, &request),
        "MPI_Isend");
  int done = 0;
  check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
  if (done) return;
  outgoing_.push_back(request);
  held_.push_back(owner);
}

void Mpi::finish_sends() {
  for (std::size_t i = outgoing_.size(); i-- > 0;) {
    int done = 0;
    check(MPI_Test(&outgoing_[i], &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (!done) continue;
    outgoing_[i] = outgoing_.back();
    held_[i] = std::move(held_.back());
    outgoing_.pop_back();
    held_.pop_back();
  }
}

std::optional<Transport::Arrival> Mpi::poll() {
  finish_sends();
  auto arrival = take_complete();
  while (!arrival && accept()) arrival = take_complete();
  return arrival;
}

/// Posts the receive of one piece that has arrived; false if there was none. Receives are never waited for:
/// the sender may be deep in a computation in the middle of handing over a long message.
bool Mpi::accept() {
  int here = 0;
  MPI_Message piece = MPI_MESSAGE_NULL;
  MPI_Status status;
  check(MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &here, &piece, &status), "MPI_Improbe");
  if (!here) return false;
  int count = 0;
  MPI_Get_count(&status, MPI_BYTE, &count);

  if (status.MPI_TAG < announced) {
    incoming_.push_back({status.MPI_SOURCE, status.MPI_TAG, Bytes(static_cast<std::size_t>(count)), 0, {}});
    post_receive(incoming_.back(), count, piece);
  } else if (status.MPI_TAG < chunk) {
    std::uint64_t length = 0;  // eight bytes travel with their envelope: this does not wait
    check(MPI_Mrecv(&length, sizeof length, MPI_BYTE, &piece, MPI_STATUS_IGNORE), "MPI_Mrecv");
    incoming_.push_back({status.MPI_SOURCE, status.MPI_TAG - announced, Bytes(length), 0, {}});
  } else {
    const auto message = std::ranges::find_if(incoming_, [&](const Incoming& candidate) {
      return candidate.from == status.MPI_SOURCE && candidate.expected < candidate.bytes.size();
    });
    if (message == incoming_.end())
      throw InternalError("rank " + std::to_string(status.MPI_SOURCE) +
                          " sent a piece of no announced message");
    post_receive(*message, count, piece);
  }
  return true;
}

void Mpi::post_receive(Incoming& message, int count, MPI_Message piece) {
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Imrecv(message.bytes.data() + message.expected, count, MPI_BYTE, &piece, &request), "MPI_Imrecv");
  message.expected += static_cast<std::size_t>(count);
  message.requests.push_back(request);
}

/// The oldest complete message of which no earlier one of the same peer is incomplete.
std::optional<Transport::Arrival> Mpi::take_complete() {
  std::vector<Peer> behind;
  for (auto message = incoming_.begin(); message != incoming_.end(); ++message) {
    if (std::ranges::find(behind, message->from) != behind.end()) continue;
    int done = 0;
    if (message->expected == message->bytes.size())
      check(MPI_Testall(static_cast<int>(message->requests.size()), message->requests.data(), &done,
                        MPI_STATUSES_IGNORE),
            "MPI_Testall");
    if (!done) {
      behind.push_back(message->from);
      continue;
    }
    Arrival arrival{message->from, message->tag, SharedBytes(std::move(message->bytes))};
    incoming_.erase(message);
    return arrival;
  }
  return std::nullopt;
}

}  // namespace seldon::transport
