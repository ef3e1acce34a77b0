#include "programs/report_status.h"

#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>

#include "analysis/folder_status.h"
#include "analysis/plots/timeline.h"
#include "analysis/status.h"
#include "programs/report_common.h"
#include "store/pack_rows.h"
#include "store/sweep_folder.h"

namespace seldon::programs {
namespace {

struct StatusArguments {
  std::string store;
  std::string state;  ///< whose cells are counted; empty: all is told
  bool json = false, watch = false;
};

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

template <class Status>
void show(const Status& status, const StatusArguments& arguments) {
  std::cout << (arguments.json ? analysis::status_json(status) : analysis::status_text(status)) << std::flush;
}

/// From the states alone: cheap, however large the store.
analysis::Status glance_at_store(const std::string& store) {
  auto status = analysis::status_of_states(store, now());
  analysis::add_live(status, store);
  return status;
}

const analysis::Status& run_of(const analysis::Status& status) {
  return status;
}
const analysis::Status& run_of(const analysis::FolderStatus& status) {
  return status.whole;
}

/// Shows what `glance` finds every two seconds while the run gives signs of life.
template <class Glance>
void watch(const StatusArguments& arguments, const Glance& glance) {
  const bool terminal = isatty(STDOUT_FILENO) != 0 && !arguments.json;
  while (true) {
    const auto status = glance();
    if (run_of(status).owner != analysis::Owner::running) return;
    if (terminal) std::cout << "\033[H\033[2J";
    show(status, arguments);
    if (!terminal && !arguments.json) std::cout << "\n";
    std::this_thread::sleep_for(std::chrono::seconds(2));
  }
}

/// Of a sweep. The exit code says whether all is complete.
ExitCode status_of_sweep(const StatusArguments& arguments) {
  const std::string& folder = arguments.store;
  if (!arguments.state.empty()) {
    std::cout << analysis::count_cells_in_folder(folder, arguments.state) << "\n";
    return ExitCode::complete;
  }
  const auto glance = [&] { return analysis::status_of_folder(folder, now()); };
  if (arguments.watch) watch(arguments, glance);
  const auto status = glance();
  show(status, arguments);
  return status.exit_code();
}

ExitCode status(const StatusArguments& arguments) {
  if (store::is_folder(arguments.store)) return status_of_sweep(arguments);
  if (!arguments.state.empty()) {
    std::cout << analysis::count_cells(arguments.store, arguments.state) << "\n";
    return ExitCode::complete;
  }
  if (arguments.watch) watch(arguments, [&] { return glance_at_store(arguments.store); });
  auto status = analysis::status_of(read_store(arguments.store, analysis::Runs::read), now());
  analysis::add_live(status, arguments.store);
  show(status, arguments);
  return ExitCode::complete;
}

void add_status(CLI::App& app, ExitCode& code) {
  auto* command = app.add_subcommand(
      "status", "tells how far the experiment is, or those of a sweep (exit 0: all of them are complete)");
  const auto arguments = std::make_shared<StatusArguments>();
  command->add_option("STORE", arguments->store, "the experiment's HDF5 file, or the folder of a sweep")
      ->required();
  auto* watched = command->add_flag("--watch", arguments->watch, "again every 2 s until the run ends");
  auto* as_json = command->add_flag("--json", arguments->json, "as one line of JSON");
  command
      ->add_option(
          "--count", arguments->state,
          "only the number of cells that are 'done', 'failed' ..., or of 'all'; or 'progress', which "
          "changes with whatever a job achieves")
      ->excludes(watched)
      ->excludes(as_json);
  command->callback([arguments, &code] { code = status(*arguments); });
}

void timeline(const std::string& store, const std::string& wanted) {
  const auto file = wanted.empty() ? store + ".timeline.svg" : wanted;
  if (const auto unreadable = analysis::write_timeline(store, file))
    std::cerr << "seldon-report: warning: " << unreadable << " lines of '" << store::pack_rows_path(store)
              << "' cannot be read and are left out\n";
  std::cout << file << "\n";
}

void add_timeline(CLI::App& app) {
  auto* command = app.add_subcommand("timeline", "draws who worked when, as SVG");
  const auto path = std::make_shared<std::string>(), file = std::make_shared<std::string>();
  add_store(*command, *path);
  command->add_option("--out", *file, "file to write (default: STORE.timeline.svg)");
  command->callback([path, file] { timeline(*path, *file); });
}

}  // namespace

void add_status_commands(CLI::App& app, ExitCode& code) {
  add_status(app, code);
  add_timeline(app);
}

}  // namespace seldon::programs
