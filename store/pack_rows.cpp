#include "store/pack_rows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "core/error.h"
#include "store/file.h"
#include "store/text_file.h"

namespace seldon::store {
namespace {

using nlohmann::json;

/// With its quotes; what is not UTF-8 is replaced.
std::string quoted(const std::string& text) {
  const auto plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  if (std::ranges::all_of(text, plain)) return fmt::format("\"{}\"", text);
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

LeaseEnd lease_end_named(const std::string& name) {
  const auto found = std::ranges::find(lease_end_names, name);
  if (found == lease_end_names.end()) throw InputError("no lease ends as '" + name + "'");
  return static_cast<LeaseEnd>(found - lease_end_names.begin());
}

/// Seconds since the epoch that a clock can have shown.
double time_at(const json& line, const char* key) {
  const auto time = line.at(key).get<double>();
  if (!(0 <= time && time < 1e11)) throw InputError("no time of this world");
  return time;
}

PackRow pack_of(const json& line) {
  PackRow row;
  row.start = time_at(line, "start");
  row.end = time_at(line, "end");
  if (row.end < row.start) throw InputError("a lease that ends before it begins");
  line.at("rank").get_to(row.rank);
  line.at("host").get_to(row.host);
  line.at("model").get_to(row.model);
  line.at("fraction").get_to(row.fraction);
  line.at("first_trial").get_to(row.first_trial);
  line.at("width").get_to(row.width);
  line.at("attempt").get_to(row.attempt);
  line.at("wanted").get_to(row.wanted);
  line.at("done").get_to(row.done);
  line.at("failed").get_to(row.failed);
  row.how = lease_end_named(line.at("how").get<std::string>());
  if (line.contains("selection"))
    row.seconds = PackSeconds{line.at("selection").get<double>(), line.at("safety").get<double>(),
                              line.at("evaluation").get<double>()};
  return row;
}

RunMark run_of(const json& line) {
  RunMark run;
  run.time = time_at(line, "time");
  run.begins = line.at("run") == "begins";
  line.at("host").get_to(run.host);
  line.at("job").get_to(run.job);
  line.at("restarts").get_to(run.restarts);
  line.at("workers").get_to(run.workers);
  return run;
}

/// False for a line that is none of both.
bool take_line(PackRows& rows, std::string_view text) {
  const auto line = json::parse(text, nullptr, false);
  if (!line.is_object()) return false;
  try {
    if (line.contains("run"))
      rows.runs.push_back(run_of(line));
    else
      rows.packs.push_back(pack_of(line));
  } catch (const json::exception&) {
    return false;
  } catch (const InputError&) {
    return false;
  }
  return true;
}

}  // namespace

std::string pack_rows_path(const std::string& store_path) {
  return canonical(store_path) + ".packs.jsonl";
}

void append_line(std::string& text, const PackRow& row) {
  auto out = std::back_inserter(text);
  fmt::format_to(out, R"({{"start":{:.4f},"end":{:.4f},"rank":{},"host":{},"model":{},"fraction":{},)",
                 row.start, row.end, row.rank, quoted(row.host), quoted(row.model), row.fraction);
  fmt::format_to(out,
                 R"("first_trial":{},"width":{},"attempt":{},"wanted":{},"done":{},"failed":{},"how":"{}")",
                 row.first_trial, row.width, row.attempt, row.wanted, row.done, row.failed, name_of(row.how));
  if (row.seconds)
    fmt::format_to(out, R"(,"selection":{:.6g},"safety":{:.6g},"evaluation":{:.6g})", row.seconds->selection,
                   row.seconds->safety, row.seconds->evaluation);
  text += "}\n";
}

void append_line(std::string& text, const RunMark& run) {
  fmt::format_to(std::back_inserter(text),
                 R"({{"run":"{}","time":{:.4f},"host":{},"job":{},"restarts":{},"workers":{}}})"
                 "\n",
                 run.begins ? "begins" : "ends", run.time, quoted(run.host), quoted(run.job), run.restarts,
                 run.workers);
}

PackRows read_pack_rows(const std::string& store_path) {
  const auto path = pack_rows_path(store_path);
  const auto text = read_text(path);
  if (!text)
    throw InputError(
        "there is no '" + path +
        "': no run has handed out a pack of this store yet, or the file was left behind when the "
        "store was copied");
  PackRows rows;
  for (std::string_view rest = *text; !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    if (end > 0 && !take_line(rows, rest.substr(0, end))) ++rows.unreadable;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return rows;
}

}  // namespace seldon::store
