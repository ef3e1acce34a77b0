#include "store/live_status.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "core/error.h"
#include "store/file.h"
#include "store/text_file.h"

namespace seldon::store {
namespace {

using nlohmann::json;

constexpr int live_format = 1;

constexpr std::array<const char*, 6> state_names = {"pending", "leased", "done",
                                                    "failed",  "lost",   "preempted"};

json json_of(const LivePack& pack) {
  return {{"model", pack.model},
          {"fraction", pack.fraction},
          {"first_trial", pack.first_trial},
          {"width", pack.width}};
}

json json_of(const LiveWorker& worker) {
  json object = {{"rank", worker.rank},       {"host", worker.host}, {"phase", worker.phase},
                 {"seconds", worker.seconds}, {"done", worker.done}, {"failed", worker.failed}};
  if (worker.pack) object["pack"] = json_of(*worker.pack);
  return object;
}

json json_of(const LiveStatus& status) {
  json object = {{"format", live_format},
                 {"job", status.job},
                 {"restarts", status.restarts},
                 {"host", status.host},
                 {"pid", status.pid},
                 {"process_start", status.process_start},
                 {"heartbeat", status.heartbeat},
                 {"started", status.started},
                 {"cells", status.cells},
                 {"rate", status.rate},
                 {"reason", status.reason},
                 {"workers_in_all", std::max<std::uint64_t>(status.workers_in_all, status.workers.size())}};
  if (status.ends_at) object["ends_at"] = *status.ends_at;
  if (status.seconds_left) object["seconds_left"] = *status.seconds_left;
  if (status.exit_code) object["exit_code"] = *status.exit_code;
  for (std::size_t state = 0; state < state_names.size(); ++state)
    object["cells_by_state"][state_names[state]] = status.cells_by_state[state];

  auto phases = status.phases;
  if (phases.empty())
    for (const auto& worker : status.workers) ++phases[worker.phase];
  object["phases"] = phases;
  auto& workers = object["workers"] = json::array();
  const auto listed = std::min(status.workers.size(), live_workers_listed);
  for (std::size_t i = 0; i < listed; ++i) workers.push_back(json_of(status.workers[i]));
  return object;
}

/// JSON knows no NaN: it is written as null, and read as nothing.
template <class Value>
std::optional<Value> optional_at(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  return found->get<Value>();
}

template <class Value>
void take(const json& object, const char* key, Value& value) {
  value = optional_at<Value>(object, key).value_or(Value{});
}

LiveWorker worker_of(const json& object) {
  LiveWorker worker;
  worker.rank = object.at("rank").get<int>();
  take(object, "host", worker.host);
  take(object, "phase", worker.phase);
  take(object, "seconds", worker.seconds);
  take(object, "done", worker.done);
  take(object, "failed", worker.failed);
  if (const auto pack = object.find("pack"); pack != object.end()) {
    worker.pack.emplace();
    worker.pack->model = pack->at("model").get<std::string>();
    take(*pack, "fraction", worker.pack->fraction);
    take(*pack, "first_trial", worker.pack->first_trial);
    take(*pack, "width", worker.pack->width);
  }
  return worker;
}

LiveStatus status_of(const json& object) {
  LiveStatus status;
  take(object, "job", status.job);
  take(object, "restarts", status.restarts);
  take(object, "host", status.host);
  take(object, "pid", status.pid);
  take(object, "process_start", status.process_start);
  status.heartbeat = object.at("heartbeat").get<double>();
  take(object, "started", status.started);
  status.ends_at = optional_at<double>(object, "ends_at");
  take(object, "cells", status.cells);
  take(object, "rate", status.rate);
  status.seconds_left = optional_at<double>(object, "seconds_left");
  take(object, "reason", status.reason);
  take(object, "workers_in_all", status.workers_in_all);
  take(object, "phases", status.phases);
  status.exit_code = optional_at<int>(object, "exit_code");
  for (std::size_t state = 0; state < state_names.size(); ++state)
    object.at("cells_by_state").at(state_names[state]).get_to(status.cells_by_state[state]);
  for (const auto& worker : object.at("workers")) status.workers.push_back(worker_of(worker));
  return status;
}

}  // namespace

std::string live_status_path(const std::string& store_path) {
  return canonical(store_path) + ".live.json";
}

std::string to_json(const LiveStatus& status) {
  // Host names and messages may be of any bytes; JSON is UTF-8.
  return json_of(status).dump(-1, ' ', false, json::error_handler_t::replace);
}

void LiveStatusFile::write(const LiveStatus& status) {
  const auto part = path_ + ".part";
  try {
    write_text(part, to_json(status) + "\n");
    if (std::rename(part.c_str(), path_.c_str()) != 0)
      throw IncompleteError("naming '" + path_ + "' failed: " + std::generic_category().message(errno));
  } catch (const IncompleteError& error) {
    ::unlink(part.c_str());
    if (!std::exchange(warned_, true))
      spdlog::warn("{}; the run goes on, but `seldon-report status` does not see how", error.what());
  }
}

std::optional<LiveStatus> read_live_status(const std::string& store_path) {
  const auto path = live_status_path(store_path);
  const auto text = read_text(path);
  if (!text) return std::nullopt;
  try {
    const auto object = json::parse(*text);
    if (const int format = object.at("format").get<int>(); format != live_format)
      throw InputError("'" + path + "' is of format " + std::to_string(format) + ", this program reads " +
                       std::to_string(live_format) + "; use the seldon-report of the run's version");
    return status_of(object);
  } catch (const json::exception& error) {
    throw InputError("'" + path + "' is not what a run writes (" + error.what() +
                     "); remove it, the next run writes it again");
  }
}

}  // namespace seldon::store
