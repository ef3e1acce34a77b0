#include "programs/report_exchange.h"

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "analysis/text.h"
#include "analysis/toolkit/export.h"
#include "analysis/toolkit/import.h"
#include "core/error.h"
#include "programs/report_common.h"

namespace seldon::programs {
namespace {

// ---- export ----------------------------------------------------------------------------------------------

struct ExportArguments {
  std::string store, folder, layout;
  SelectionArguments selection;
};

void export_cells(const ExportArguments& arguments) {
  const bool tidy = arguments.layout == "tidy";
  const auto results = read_store(arguments.store, tidy ? analysis::Runs::read : analysis::Runs::leave);
  const auto selection = arguments.selection.selection();
  if (tidy) {
    analysis::export_tidy(results, selection, arguments.folder);
    std::cout << arguments.folder << "/cells.csv\n";
    return;
  }
  const auto left_out = analysis::export_toolkit(results, selection, arguments.folder);
  for (const auto& model : results.header.models)
    std::cout << arguments.folder << "/" << model.name << "_results/" << model.name << "_results.csv\n";
  if (left_out > 0)
    std::cerr << "seldon-report: warning: " << left_out
              << " cells are not done and have no line in this layout (--layout tidy lists them)\n";
}

void add_export(CLI::App& app) {
  auto* command = app.add_subcommand("export", "writes the cells as CSV files");
  const auto arguments = std::make_shared<ExportArguments>();
  add_store(*command, arguments->store);
  add_folder(*command, arguments->folder);
  command
      ->add_option("--layout", arguments->layout, "'toolkit' (as the Seldonian Toolkit) or 'tidy' (one file)")
      ->required()
      ->check(CLI::IsMember({"toolkit", "tidy"}));
  add_selection(*command, arguments->selection);
  command->callback([arguments] { export_cells(*arguments); });
}

// ---- import ----------------------------------------------------------------------------------------------

struct ImportArguments {
  std::string folder, store;
  std::vector<std::string> constraints;
  std::vector<double> deltas;
  std::vector<std::string> seldonian;
  analysis::ImportOptions options;
};

/// "parity=abs((PR | [M]) - (PR | [F])) <= 0.2", each with its own delta, or all with the same.
std::vector<analysis::ImportedConstraint> constraints_of(const ImportArguments& arguments) {
  if (arguments.deltas.size() != 1 && arguments.deltas.size() != arguments.constraints.size())
    throw InputError("--delta has " + std::to_string(arguments.deltas.size()) + " values for " +
                     std::to_string(arguments.constraints.size()) +
                     " constraints; give one for all of them, or one for each");
  std::vector<analysis::ImportedConstraint> constraints;
  for (std::size_t i = 0; i < arguments.constraints.size(); ++i) {
    const auto& text = arguments.constraints[i];
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
      throw InputError("--constraint: '" + analysis::one_line(text) +
                       "' is not NAME=EXPRESSION, such as \"parity=abs((PR | [M]) - (PR | [F])) <= 0.2\"");
    constraints.push_back({text.substr(0, equals), text.substr(equals + 1),
                           arguments.deltas[arguments.deltas.size() == 1 ? 0 : i]});
  }
  return constraints;
}

void import_results(const ImportArguments& arguments) {
  auto options = arguments.options;
  options.constraints = constraints_of(arguments);
  options.version = SELDON_VERSION;
  if (!arguments.seldonian.empty()) options.seldonian = arguments.seldonian;
  const auto imported = analysis::import_toolkit(arguments.folder, options, arguments.store);
  std::cout << arguments.store << ": " << imported.models << " models x " << imported.fractions
            << " data fractions x " << imported.trials << " trials, " << imported.recorded << " of "
            << imported.cells << " cells recorded\n";
  for (const auto& model : imported.g_unknown)
    std::cout << "g of " << analysis::one_line(model) << " is unknown; its file tells failures only\n";
  if (imported.recorded < imported.cells)
    std::cerr << "seldon-report: warning: " << imported.cells - imported.recorded
              << " cells have no row in the files, and stay pending\n";
}

void add_import(CLI::App& app) {
  auto* command = app.add_subcommand(
      "import", "makes a store of the Seldonian Toolkit's result files (docs/analysis.md)");
  const auto arguments = std::make_shared<ImportArguments>();
  auto& options = arguments->options;
  command
      ->add_option("DIR", arguments->folder,
                   "holds {model}_results/{model}_results.csv, or {model}_results.csv")
      ->required();
  command->add_option("--rows", options.rows, "rows of the table that the data fraction 1 stands for")
      ->required();
  command
      ->add_option("--delta", arguments->deltas,
                   "of the constraints: one for all, or one for each, separated by commas")
      ->delimiter(',')
      ->required();
  command
      ->add_option("--constraint", arguments->constraints,
                   "NAME=EXPRESSION; again for each constraint, in the order of gvec")
      ->allow_extra_args(false)
      ->required();
  command->add_option("--out", arguments->store, "the store to make")->required();
  command
      ->add_option("--seldonian", arguments->seldonian,
                   "models under the guarantee, separated by commas (default: those with passed_safety)")
      ->delimiter(',');
  command->add_option(
      "--experiment", options.experiment,
      "prefix of the files (PREFIX__{model}_results.csv) where DIR holds several experiments");
  command->add_option("--name", options.name, "the experiment's name (default: the prefix, or 'imported')");
  command->add_option("--performance", options.performance,
                      "what performance is, such as log_loss (default: 'performance')");
  command->callback([arguments] { import_results(*arguments); });
}

}  // namespace

void add_exchange_commands(CLI::App& app) {
  add_import(app);
  add_export(app);
}

}  // namespace seldon::programs
