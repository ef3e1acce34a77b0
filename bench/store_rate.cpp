// How fast one core records cells: the loan experiment's record (one constraint, two base nodes, three
// subgroups, one ground truth, two rules, histograms) through the store's whole protocol, and a scan over all
// of it. Also: how long it takes to mark all cells as PREEMPTED, for which the launcher leaves 0.2 s.
//
// usage: bench_store [CELLS] [FOLDER]

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <filesystem>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <unistd.h>

#include "store/store.h"
#include "store/verify.h"

namespace {

using namespace seldon;

store::Header loan_header(std::uint32_t trials) {
  RecordShape shape;
  shape.performance = {"log_loss", "accuracy"};
  shape.constraints = {"disparate_impact"};
  shape.base_nodes = {"disparate_impact: PR | [M]", "disparate_impact: PR | [F]"};
  shape.subgroups = {"all", "gender=M", "gender=F"};
  shape.truths = {"original"};
  shape.rules = {"soft", "hard"};
  store::Header header;
  header.name = "bench";
  header.n_trials = trials;
  header.data_fracs = {1.0};
  header.rows = {1000};
  header.total_rows = 1000;
  header.models = {{"qsa", "seldonian", shape}};
  return header;
}

/// Seconds that something takes, by the clock and of the processor; on a busy machine the second is what
/// counts.
struct Seconds {
  double clock, processor;
};

template <class Work>
Seconds time(Work work) {
  const auto start = std::chrono::steady_clock::now();
  const std::clock_t processor = std::clock();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC};
}

/// As a run does: every 10 seconds.
void sync_now_and_then(store::Writer& writer, const std::stop_token& stop) {
  std::mutex mutex;
  std::unique_lock hold(mutex);
  std::condition_variable_any never;
  while (!never.wait_for(hold, stop, std::chrono::seconds(10), [] { return false; }) &&
         !stop.stop_requested())
    writer.sync();
}

/// All cells of a new store are LEASED, and then PREEMPTED at once.
Seconds time_marking(const store::Header& header, const std::string& path) {
  store::Writer writer = store::Writer::create(path, header);
  std::vector<CellKey> cells;
  for (std::uint32_t trial = 0; trial < header.n_trials; ++trial) cells.push_back({0, 0, 0, trial});
  writer.set_states(cells, CellState::leased, 1);
  const Seconds seconds = time([&] { writer.set_states(cells, CellState::preempted, 1); });
  std::filesystem::remove(path);
  return seconds;
}

void measure(std::uint32_t cells, const std::string& path) {
  const store::Header header = loan_header(cells);
  const Seconds creation = time([&] { store::Writer::create(path, header); });
  store::Writer writer = store::Writer::open(path);
  const RecordLayout& layout = writer.layout(0);

  // Sealing is the worker's business: it is not counted.
  std::vector<CellReport> reports(cells);
  for (std::uint32_t trial = 0; trial < cells; ++trial) {
    CellRecord record(layout);
    for (Field field : {Field::performance, Field::g, Field::hard_counts, Field::histogram})
      for (double& value : record.doubles(field)) value = trial;
    record.set_outcome(Outcome::solution, NsfReason::none);
    record.seal("qsa", 1.0, trial);
    reports[trial].key = {0, 0, 0, trial};
    reports[trial].record = std::move(record).take_bytes();
    reports[trial].run.host = "localhost";
  }
  const Seconds writing = time([&] {
    std::jthread syncing_beside([&](const std::stop_token& stop) { sync_now_and_then(writer, stop); });
    for (const CellReport& report : reports) {
      writer.set_states(std::span(&report.key, 1), CellState::leased, 1);
      writer.write(report);
    }
  });
  const Seconds syncing = time([&] { writer.sync(); });
  const Seconds verifying = time([&] { store::verify(path); });
  const store::Reader reader(path);
  std::size_t scanned = 0;
  const Seconds scanning = time([&] {
    constexpr std::uint32_t block = 4096;
    for (std::uint32_t first = 0; first < cells; first += block)
      scanned += reader.compounds(0, first, std::min(block, cells - first)).size();
  });
  const Seconds hashing = time([&] { store::digest(path); });

  const Seconds marking = time_marking(header, path + ".marked");

  const auto rate = [](double amount, Seconds seconds, const char* unit) {
    std::printf("%10.2f %s (%.2f by the processor's time)\n", amount / seconds.clock, unit,
                amount / seconds.processor);
  };
  const double all_bytes = static_cast<double>(layout.bytes()) * cells;
  std::printf("%u records of %zu bytes, %zu of them in the compound\n", cells, layout.bytes(),
              layout.compound_bytes());
  std::printf("created  "), rate(static_cast<double>(store::size_on_disk(header)) / 1e6, creation, "MB/s");
  std::printf("recorded "), rate(cells, writing, "cells/s, leased and written");
  std::printf("synced   "), rate(all_bytes / 1e6, syncing, "MB/s");
  std::printf("scanned  "), rate(static_cast<double>(scanned) / 1e9, scanning, "GB/s of compounds");
  std::printf("verified "), rate(all_bytes / 1e9, verifying, "GB/s");
  std::printf("digest   "), rate(all_bytes / 1e9, hashing, "GB/s");
  std::printf("marked   %10.3f s for all cells PREEMPTED (%.3f by the processor's time)\n", marking.clock,
              marking.processor);
}

}  // namespace

int main(int argc, char** argv) {
  std::uint32_t cells = 20'000;
  if (argc > 1) {
    const char* end = argv[1] + std::strlen(argv[1]);
    if (std::from_chars(argv[1], end, cells).ptr != end || cells == 0) {
      std::fprintf(stderr, "usage: bench_store [CELLS] [FOLDER]\n");
      return static_cast<int>(ExitCode::bad_input);
    }
  }
  const std::filesystem::path folder = argc > 2 ? argv[2] : std::filesystem::temp_directory_path();
  const std::string path = (folder / ("bench-store-" + std::to_string(::getpid()) + ".h5")).string();
  try {
    measure(cells, path);
    std::filesystem::remove(path);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::filesystem::remove(path);
    return static_cast<int>(error.code());
  }
  return static_cast<int>(ExitCode::complete);
}
