#include "core/messages.h"

namespace seldon::message {
namespace {

// For each message one `write` and one `read` that name its members in the same order.

void write(Writer& to, const std::optional<SharedPlace>& place) {
  to.put(place.has_value());
  if (place) to.put(place->pid).put(place->descriptor).put(place->inode).put(place->bytes);
}
void read(Reader& from, std::optional<SharedPlace>& place) {
  if (!from.get<bool>()) return;
  place.emplace();
  place->pid = from.get<std::int64_t>();
  place->descriptor = from.get<std::int32_t>();
  place->inode = from.get<std::uint64_t>();
  place->bytes = from.get<std::uint64_t>();
}

void write(Writer& to, const RunInfo& run) {
  to.put(run.attempt).put(run.rank).put(run.width).put(run.host).put(run.device).put(run.start);
  to.put(run.seconds_selection).put(run.seconds_safety).put(run.seconds_evaluation).put(run.seconds_total);
  to.put(run.message);
}
void read(Reader& from, RunInfo& run) {
  run.attempt = from.get<std::uint32_t>();
  run.rank = from.get<std::int32_t>();
  run.width = from.get<std::uint32_t>();
  run.host = from.get_string();
  run.device = from.get_string();
  run.start = from.get<double>();
  run.seconds_selection = from.get<double>();
  run.seconds_safety = from.get<double>();
  run.seconds_evaluation = from.get<double>();
  run.seconds_total = from.get<double>();
  run.message = from.get_string();
}

void write(Writer& to, const Process& process) {
  to.put(process.pid).put(process.started);
}
void read(Reader& from, Process& process) {
  process.pid = from.get<std::int64_t>();
  process.started = from.get<std::uint64_t>();
}

void write(Writer& to, const Hello& m) {
  to.put(m.host).put(m.node).put(m.version).put(m.numerics);
  write(to, m.process);
  to.put(m.accelerator);
}
void read(Reader& from, Hello& m) {
  m.host = from.get_string();
  m.node = from.get_string();
  m.version = from.get_string();
  m.numerics = from.get_string();
  read(from, m.process);
  m.accelerator = from.get_string();
}

void write(Writer& to, const Setup& m) {
  to.put(m.experiment).put(m.config);
  write(to, m.place);
  to.put(m.share).put(m.heartbeat_seconds).put(m.data_key).put(m.held).put(m.local_rank);
}
void read(Reader& from, Setup& m) {
  m.experiment = from.get<std::uint32_t>();
  m.config = from.get_string();
  read(from, m.place);
  m.share = from.get<bool>();
  m.heartbeat_seconds = from.get<double>();
  m.data_key = from.get_string();
  m.held = from.get<bool>();
  m.local_rank = from.get<std::uint32_t>();
}

void write(Writer& to, const Placed& m) {
  write(to, m.place);
  to.put(m.reason).put(m.experiment);
}
void read(Reader& from, Placed& m) {
  read(from, m.place);
  m.reason = from.get_string();
  m.experiment = from.get<std::uint32_t>();
}

void write(Writer& to, const NeedData& m) {
  to.put(m.reason).put(m.experiment);
}
void read(Reader& from, NeedData& m) {
  m.reason = from.get_string();
  m.experiment = from.get<std::uint32_t>();
}

void write(Writer& to, const Ready& m) {
  to.put(m.experiment).put(m.dropped);
}
void read(Reader& from, Ready& m) {
  m.experiment = from.get<std::uint32_t>();
  m.dropped = from.get_vector<std::uint32_t>();
}

void write(Writer& to, const Assign& m) {
  to.put(m.lease).put(m.pack).put(m.attempt).put(m.slots.wanted).put(m.slots.filled);
  to.put(m.group.number).put(m.group.ranks);
}
void read(Reader& from, Assign& m) {
  m.lease = from.get<std::uint64_t>();
  m.pack = from.get<Pack>();
  m.attempt = from.get<std::uint32_t>();
  m.slots.wanted = from.get_vector<std::uint32_t>();
  m.slots.filled = from.get_vector<std::uint32_t>();
  m.group.number = from.get<std::uint64_t>();
  m.group.ranks = from.get_vector<Peer>();
}

void write(Writer& to, const CellDone& m) {
  to.put(m.lease).put(m.report.key).put(m.report.state).put(m.report.record);
  write(to, m.report.run);
}
void read(Reader& from, CellDone& m) {
  m.lease = from.get<std::uint64_t>();
  m.report.key = from.get<CellKey>();
  m.report.state = from.get<CellState>();
  m.report.record = from.get_vector<std::byte>();
  read(from, m.report.run);
}

void write(Writer& to, const PackDone& m) {
  to.put(m.lease).put(m.stopped).put(m.error);
}
void read(Reader& from, PackDone& m) {
  m.lease = from.get<std::uint64_t>();
  m.stopped = from.get<bool>();
  m.error = from.get_string();
}

void write(Writer& to, const Heartbeat& m) {
  to.put(m.lease);
}
void read(Reader& from, Heartbeat& m) {
  m.lease = from.get<std::uint64_t>();
}

void write(Writer& to, const Fault& m) {
  to.put(m.text).put(m.experiment.has_value());
  if (m.experiment) to.put(*m.experiment);
}
void read(Reader& from, Fault& m) {
  m.text = from.get_string();
  if (from.get<bool>()) m.experiment = from.get<std::uint32_t>();
}

void write(Writer& to, const Cancel& m) {
  to.put(m.lease);
}
void read(Reader& from, Cancel& m) {
  m.lease = from.get<std::uint64_t>();
}

void write(Writer& to, const Stop& m) {
  to.put(m.exit_code).put(m.stay);
}
void read(Reader& from, Stop& m) {
  m.exit_code = from.get<std::int32_t>();
  m.stay = from.get<bool>();
}

void write(Writer&, const Bye&) {}
void read(Reader&, Bye&) {}

void write(Writer& to, const Kill& m) {
  write(to, m.process);
}
void read(Reader& from, Kill& m) {
  read(from, m.process);
}

void write(Writer&, const Release&) {}
void read(Reader&, Release&) {}

void write(Writer&, const Beat&) {}
void read(Reader&, Beat&) {}

template <class Message>
Bytes encoded(const Message& message) {
  Writer writer;
  write(writer, message);
  return writer.take();
}

}  // namespace

template <class Message>
Message decode(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  Message message;
  read(reader, message);
  if (!reader.done()) throw InternalError("a message goes on after its contents");
  return message;
}

Bytes encode(const Hello& m) {
  return encoded(m);
}
Bytes encode(const Setup& m) {
  return encoded(m);
}
Bytes encode(const Placed& m) {
  return encoded(m);
}
Bytes encode(const NeedData& m) {
  return encoded(m);
}
Bytes encode(const Ready& m) {
  return encoded(m);
}
Bytes encode(const Assign& m) {
  return encoded(m);
}
Bytes encode(const CellDone& m) {
  return encoded(m);
}
Bytes encode(const PackDone& m) {
  return encoded(m);
}
Bytes encode(const Heartbeat& m) {
  return encoded(m);
}
Bytes encode(const Fault& m) {
  return encoded(m);
}
Bytes encode(const Cancel& m) {
  return encoded(m);
}
Bytes encode(const Stop& m) {
  return encoded(m);
}
Bytes encode(const Bye& m) {
  return encoded(m);
}
Bytes encode(const Kill& m) {
  return encoded(m);
}
Bytes encode(const Release& m) {
  return encoded(m);
}
Bytes encode(const Beat& m) {
  return encoded(m);
}

template Hello decode(std::span<const std::byte>);
template Setup decode(std::span<const std::byte>);
template Placed decode(std::span<const std::byte>);
template NeedData decode(std::span<const std::byte>);
template Ready decode(std::span<const std::byte>);
template Assign decode(std::span<const std::byte>);
template CellDone decode(std::span<const std::byte>);
template PackDone decode(std::span<const std::byte>);
template Heartbeat decode(std::span<const std::byte>);
template Fault decode(std::span<const std::byte>);
template Cancel decode(std::span<const std::byte>);
template Stop decode(std::span<const std::byte>);
template Bye decode(std::span<const std::byte>);
template Kill decode(std::span<const std::byte>);
template Release decode(std::span<const std::byte>);
template Beat decode(std::span<const std::byte>);

}  // namespace seldon::message
