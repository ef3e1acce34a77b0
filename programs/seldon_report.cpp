// seldon-report: looks at a store, on a login node, also while the run goes on.

#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>

#include "analysis/aggregate.h"
#include "analysis/export.h"
#include "analysis/results.h"
#include "analysis/status.h"
#include "analysis/three_plots.h"
#include "analysis/timeline.h"
#include "core/error.h"
#include "programs/report_store.h"
#include "store/store.h"

namespace {

using namespace seldon;

struct Options {
  std::string store, folder, layout;
  std::string rule, truth;  ///< empty: not asked for
  std::vector<std::string> formats = {"svg", "pdf", "png"};
  std::string state;  ///< whose cells are counted; empty: all is told
  bool json = false, watch = false;
  std::string file;  ///< of the timeline; empty: beside the store

  analysis::Selection selection() const {
    analysis::Selection selection;
    if (!rule.empty()) selection.rule = rule;
    if (!truth.empty()) selection.truth = truth;
    return selection;
  }
};

/// The store's results, with a warning where records are damaged.
analysis::Results read(const Options& options, analysis::Runs runs = analysis::Runs::leave) {
  auto results = analysis::read_results(options.store, runs);
  if (results.damage.cells > 0)
    std::cerr << "seldon-report: warning: " << results.damage.cells
              << " records do not fit their checksum and are left out (first: " << results.damage.first
              << "); the same `seldon run` runs these cells again\n";
  return results;
}

void plots(const Options& options) {
  std::vector<analysis::Format> formats;
  for (const auto& name : options.formats) {
    const auto format = analysis::format_named(name);
    if (!format) throw InputError("--formats: '" + name + "' is not svg, pdf or png");
    formats.push_back(*format);
  }
  const auto results = read(options);
  analysis::write_three_plots(analysis::aggregate(results, options.selection()), options.folder, formats);
  for (const auto& name : options.formats) std::cout << options.folder << "/three_plots." << name << "\n";
  std::cout << options.folder << "/three_plots.gp and .dat: to restyle them\n";
}

void export_cells(const Options& options) {
  const bool tidy = options.layout == "tidy";
  const auto results = read(options, tidy ? analysis::Runs::read : analysis::Runs::leave);
  if (tidy) {
    analysis::export_tidy(results, options.selection(), options.folder);
    std::cout << options.folder << "/cells.csv\n";
    return;
  }
  const auto left_out = analysis::export_toolkit(results, options.selection(), options.folder);
  for (const auto& model : results.header.models)
    std::cout << options.folder << "/" << model.name << "_results/" << model.name << "_results.csv\n";
  if (left_out > 0)
    std::cerr << "seldon-report: warning: " << left_out
              << " cells are not done and have no line in this layout (--layout tidy lists them)\n";
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void show(const analysis::Status& status, const Options& options) {
  std::cout << (options.json ? analysis::status_json(status) : analysis::status_text(status)) << std::flush;
}

/// Shows the store's states every two seconds while its run gives signs of life.
void watch(const Options& options) {
  const bool terminal = isatty(STDOUT_FILENO) != 0 && !options.json;
  while (true) {
    auto status = analysis::status_of_states(options.store, now());
    analysis::add_live(status, options.store);
    if (status.owner != analysis::Owner::running) return;
    if (terminal) std::cout << "\033[H\033[2J";
    show(status, options);
    if (!terminal && !options.json) std::cout << "\n";
    std::this_thread::sleep_for(std::chrono::seconds(2));
  }
}

void status(const Options& options) {
  if (!options.state.empty()) {
    std::cout << analysis::count_cells(options.store, options.state) << "\n";
    return;
  }
  if (options.watch) watch(options);
  auto status = analysis::status_of(read(options, analysis::Runs::read), now());
  analysis::add_live(status, options.store);
  show(status, options);
}

void timeline(const Options& options) {
  const auto file = options.file.empty() ? options.store + ".timeline.svg" : options.file;
  if (const auto unreadable = analysis::write_timeline(options.store, file))
    std::cerr << "seldon-report: warning: " << unreadable << " lines of '"
              << store::pack_rows_path(options.store) << "' cannot be read and are left out\n";
  std::cout << file << "\n";
}

void digest(const Options& options) {
  std::cout << store::digest(options.store) << "\n";
}

void add_store(CLI::App& command, Options& options) {
  command.add_option("STORE", options.store, "the experiment's HDF5 file")->required();
}

void add_folder(CLI::App& command, Options& options) {
  command.add_option("--out", options.folder, "folder to write to; made if need be")->required();
}

void add_selection(CLI::App& command, Options& options) {
  command.add_option("--rule", options.rule,
                     "judge by 'soft' or 'hard' decisions (default: each constraint's own)");
  command.add_option("--truth", options.truth, "ground truth 'original' (default) or 'held_out'");
}

int run(int argc, char** argv) {
  CLI::App app("Plots, tables and state of a Seldonian experiment, from its store.", "seldon-report");
  app.set_version_flag("--version", "seldon-report " SELDON_VERSION);
  app.require_subcommand(1);
  Options options;

  auto* plots_command = app.add_subcommand("plots", "draws the Three Plots");
  add_store(*plots_command, options);
  add_folder(*plots_command, options);
  add_selection(*plots_command, options);
  plots_command->add_option("--formats", options.formats, "svg, pdf, png, separated by commas (default: all)")
      ->delimiter(',');
  plots_command->callback([&] { plots(options); });

  auto* export_command = app.add_subcommand("export", "writes the cells as CSV files");
  add_store(*export_command, options);
  add_folder(*export_command, options);
  export_command
      ->add_option("--layout", options.layout, "'toolkit' (as the Seldonian Toolkit) or 'tidy' (one file)")
      ->required()
      ->check(CLI::IsMember({"toolkit", "tidy"}));
  add_selection(*export_command, options);
  export_command->callback([&] { export_cells(options); });

  auto* status_command = app.add_subcommand("status", "tells how far the experiment is");
  add_store(*status_command, options);
  auto* watched = status_command->add_flag("--watch", options.watch, "again every 2 s until the run ends");
  auto* as_json = status_command->add_flag("--json", options.json, "as one line of JSON");
  status_command
      ->add_option(
          "--count", options.state,
          "only the number of cells that are 'done', 'failed' ..., or of 'all'; or 'progress', which "
          "changes with whatever a job achieves")
      ->excludes(watched)
      ->excludes(as_json);
  status_command->callback([&] { status(options); });

  auto* timeline_command = app.add_subcommand("timeline", "draws who worked when, as SVG");
  add_store(*timeline_command, options);
  timeline_command->add_option("--out", options.file, "file to write (default: STORE.timeline.svg)");
  timeline_command->callback([&] { timeline(options); });

  auto* digest_command = app.add_subcommand("digest", "prints the SHA-256 of the results");
  add_store(*digest_command, options);
  digest_command->callback([&] { digest(options); });

  ExitCode code = ExitCode::complete;
  programs::add_store_commands(app, code);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    throw InputError(std::string(error.what()) + " (seldon-report --help tells more)");
  }
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  ExitCode code = ExitCode::internal;
  std::string message;
  try {
    return run(argc, argv);
  } catch (const Error& error) {
    code = error.code();
    message = error.what();
  } catch (const std::exception& error) {
    message = error.what();
  }
  std::cerr << "seldon-report: error: " << message << "\n";
  return static_cast<int>(code);
}
