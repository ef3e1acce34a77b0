// What orchestration costs: cells that do nothing, pack size 1, the loan experiment's record, through the
// real store.
//
//   mpirun -n 3 bench_dispatch FOLDER                        two workers: cells per second
//   mpirun -n 3 bench_dispatch FOLDER --microseconds 20000   rank 0's share of a core while workers are busy

#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include <CLI/CLI.hpp>

#include "programs/errors.h"
#include "programs/run.h"
#include "tests/programs/fake_engine.h"

int main(int argc, char** argv) {
  using namespace seldon;
  using Time = std::chrono::steady_clock;
  std::string folder;
  fake::Engine engine;
  engine.width = 1;
  engine.fractions = 10;
  engine.trials = 1000;

  CLI::App app("Cells per second of orchestrator and store", "bench_dispatch");
  app.add_option("FOLDER", folder, "where the store is made and removed")->required();
  app.add_option("--trials", engine.trials, "of 10 fractions and 2 models");
  app.add_option("--microseconds", engine.microseconds, "that a cell takes");
  CLI11_PARSE(app, argc, argv);

  programs::RunRequest request;
  request.store_path = folder + "/dispatch.h5";
  Time::time_point start;
  std::clock_t cpu_start = 0;
  request.prepare = [&] {
    std::filesystem::remove(request.store_path);
    return fake::experiment(engine);
  };
  request.identity_difference = [](const std::string&, const std::string&, const auto&...) {
    return std::vector<std::string>{};
  };
  request.make_runner = [](const std::string& config, std::span<const std::byte> data, const auto&) {
    return fake::make_runner(config, data);
  };
  request.at_start = [&] {
    start = Time::now();
    cpu_start = std::clock();
  };
  request.at_end = [&](const orchestrator::Snapshot& snapshot) {
    const double seconds = std::chrono::duration<double>(Time::now() - start).count();
    const double cpu = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
    const auto cells = static_cast<double>(snapshot.recorded_now);
    std::printf(
        "%d workers, %zu bytes a record: %.0f cells/s; rank 0 uses %.1f %% of a core, %.1f us a cell\n",
        snapshot.workers, fake::record_bytes(), cells / seconds, 100 * cpu / seconds, 1e6 * cpu / cells);
    std::fflush(stdout);
    std::filesystem::remove(request.store_path);
  };
  try {
    return static_cast<int>(programs::run(request));
  } catch (...) {
    return static_cast<int>(programs::report(std::current_exception()));
  }
}
