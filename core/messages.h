#pragma once
// What orchestrator and worker say to each other. A conversation with one worker:
//
//   worker -> Hello                    who and where I am
//          <- Setup, or Setup + Data   a config; the data is in this node's memory, or comes along
//   worker -> Placed                   the data that came along now lies where others of this node can map it
//   worker -> Ready                    give me packs of this experiment
//          <- Assign                   a pack under a lease
//   worker -> Heartbeat ...            still at it
//   worker -> CellDone ...             one cell is known, or has failed
//   worker -> PackDone
//          <- Stop                     the run is over, or must end
//   worker -> Bye
//          <- Beat ...                 rank 0 is still there, every minute
//          <- Kill                     end another process of your node, which does not answer
//          <- Release                  nothing more is asked of you
//
// Where there are several experiments, the worker gets a Setup before its first pack of each, and answers
// with Ready, which also says what it has dropped to make room, or with Fault.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cell.h"
#include "core/collective.h"
#include "core/pack_runner.h"
#include "core/process.h"
#include "core/transport.h"
#include "core/wire.h"

namespace seldon::message {

enum class Tag : int {
  hello,
  setup,
  data,
  placed,
  need_data,
  ready,
  assign,
  cell_done,
  pack_done,
  heartbeat,
  fault,
  cancel,
  stop,
  bye,
  kill,
  release,
  beat,
};

/// Memory of a process that others of the same node may map: a file descriptor of that process, without a
/// name in any file system, so that nothing is left behind however the process ends.
struct SharedPlace {
  std::int64_t pid = 0;
  std::int32_t descriptor = -1;
  std::uint64_t inode = 0;  ///< of the memory, so that nobody maps something else by mistake
  std::uint64_t bytes = 0;
  bool operator==(const SharedPlace&) const = default;
};

/// A worker's first words.
struct Hello {
  static constexpr Tag tag = Tag::hello;
  std::string host;
  std::string node;              ///< equal for exactly those ranks that can map each other's memory
  std::string version;           ///< of the program; both ends must be the same
  std::string numerics;          ///< what numbers may depend on besides the config; empty: not asked
  Process process = {};          ///< filled in by worker::serve
  std::string accelerator = {};  ///< the model of its GPU; empty: it has none
  bool operator==(const Hello&) const = default;
};

/// What a worker needs before it can run packs of an experiment.
struct Setup {
  static constexpr Tag tag = Tag::setup;
  std::uint32_t experiment = 0;
  std::string config;  ///< the config's text, --set applied
  std::optional<SharedPlace>
      place;           ///< where the data is; none and not `held`: it is the next message (Tag::data, raw)
  bool share = false;  ///< put the data that comes where others of this node can map it
  double heartbeat_seconds = 1;  ///< between two heartbeats, at least
  std::string data_key = {};     ///< experiments with equal keys have equal data
  bool held = false;             ///< this worker has the data of that key already
  std::uint32_t local_rank = 0;  ///< which of the workers of its node this one is: for the choice of a GPU
  bool operator==(const Setup&) const = default;
};

/// The data that came along is at `place`; none: it could not be shared, for the reason given.
struct Placed {
  static constexpr Tag tag = Tag::placed;
  std::optional<SharedPlace> place;
  std::string reason;
  std::uint32_t experiment = 0;  ///< of the Setup
  bool operator==(const Placed&) const = default;
};

/// The place given could not be mapped: send the data itself.
struct NeedData {
  static constexpr Tag tag = Tag::need_data;
  std::string reason;
  std::uint32_t experiment = 0;  ///< of the Setup
  bool operator==(const NeedData&) const = default;
};

/// Packs of the experiment can come.
struct Ready {
  static constexpr Tag tag = Tag::ready;
  std::uint32_t experiment = 0;
  std::vector<std::uint32_t> dropped = {};  ///< experiments that need a Setup again
  bool operator==(const Ready&) const = default;
};

/// Run `pack` at its full width and report the wanted slots. The lease's number is never used again: answers
/// that carry an older one are late, and are not recorded. Where the pack takes several ranks, each member of
/// the group gets the same; the first one reports the cells.
struct Assign {
  static constexpr Tag tag = Tag::assign;
  std::uint64_t lease = 0;
  Pack pack;
  std::uint32_t attempt = 0;  ///< of every wanted cell
  Slots slots;
  RankGroup group = {};  ///< no ranks: this worker alone
  bool operator==(const Assign&) const = default;
};

struct CellDone {
  static constexpr Tag tag = Tag::cell_done;
  std::uint64_t lease = 0;
  CellReport report;
};

/// No more cells will come under this lease.
struct PackDone {
  static constexpr Tag tag = Tag::pack_done;
  std::uint64_t lease = 0;
  bool stopped = false;    ///< it was cut short by Cancel or Stop
  std::string error = {};  ///< of a member of a group that is not its first: what the pack ended with
  bool operator==(const PackDone&) const = default;
};

struct Heartbeat {
  static constexpr Tag tag = Tag::heartbeat;
  std::uint64_t lease = 0;
  bool operator==(const Heartbeat&) const = default;
};

/// This worker cannot run this experiment, or cannot work at all.
struct Fault {
  static constexpr Tag tag = Tag::fault;
  std::string text;
  std::optional<std::uint32_t> experiment = {};  ///< whose Setup has failed; none: it cannot work
  bool operator==(const Fault&) const = default;
};

/// Drop the pack of this lease.
struct Cancel {
  static constexpr Tag tag = Tag::cancel;
  std::uint64_t lease = 0;
  bool operator==(const Cancel&) const = default;
};

/// Drop what is running and end with this exit code.
struct Stop {
  static constexpr Tag tag = Tag::stop;
  std::int32_t exit_code = 0;
  bool stay = false;  ///< after Bye, wait for Release
  bool operator==(const Stop&) const = default;
};

/// A worker's last words.
struct Bye {
  static constexpr Tag tag = Tag::bye;
  bool operator==(const Bye&) const = default;
};

/// End this process of the receiver's own node, if it is still the one that is meant.
struct Kill {
  static constexpr Tag tag = Tag::kill;
  Process process;
  bool operator==(const Kill&) const = default;
};

/// Leave now.
struct Release {
  static constexpr Tag tag = Tag::release;
  bool operator==(const Release&) const = default;
};

/// Rank 0 is still there.
struct Beat {
  static constexpr Tag tag = Tag::beat;
  bool operator==(const Beat&) const = default;
};

Bytes encode(const Hello& message);
Bytes encode(const Setup& message);
Bytes encode(const Placed& message);
Bytes encode(const NeedData& message);
Bytes encode(const Ready& message);
Bytes encode(const Assign& message);
Bytes encode(const CellDone& message);
Bytes encode(const PackDone& message);
Bytes encode(const Heartbeat& message);
Bytes encode(const Fault& message);
Bytes encode(const Cancel& message);
Bytes encode(const Stop& message);
Bytes encode(const Bye& message);
Bytes encode(const Kill& message);
Bytes encode(const Release& message);
Bytes encode(const Beat& message);

/// Throws InternalError if the bytes are not exactly one message of this kind.
template <class Message>
Message decode(std::span<const std::byte> bytes);

template <class Message>
void send(Transport& transport, Peer to, const Message& message) {
  transport.send(to, static_cast<int>(Message::tag), encode(message));
}

}  // namespace seldon::message
