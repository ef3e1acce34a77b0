// seldon-report: looks at a store, on a login node, also while the run goes on.

#include <exception>
#include <iostream>
#include <string>

#include <CLI/CLI.hpp>

#include "core/error.h"
#include "programs/report_exchange.h"
#include "programs/report_html.h"
#include "programs/report_plots.h"
#include "programs/report_status.h"
#include "programs/report_store.h"
#include "programs/report_tables.h"
#include "store/store.h"

namespace {

using namespace seldon;

void add_digest(CLI::App& app, std::string& store) {
  auto* command = app.add_subcommand("digest", "prints the SHA-256 of the results");
  command->add_option("STORE", store, "the experiment's HDF5 file")->required();
  command->callback([&store] { std::cout << store::digest(store) << "\n"; });
}

int run(int argc, char** argv) {
  CLI::App app("Plots, tables and state of a Seldonian experiment, from its store.", "seldon-report");
  app.set_version_flag("--version", "seldon-report " SELDON_VERSION);
  app.require_subcommand(1);

  std::string digested;
  ExitCode code = ExitCode::complete;
  programs::add_report_command(app);
  programs::add_plot_commands(app);
  programs::add_table_commands(app);
  programs::add_exchange_commands(app);
  programs::add_status_commands(app, code);
  add_digest(app, digested);
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
