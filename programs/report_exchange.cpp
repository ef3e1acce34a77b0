#include "programs/report_exchange.h"

#include <iostream>
#include <memory>
#include <string>

#include "analysis/toolkit/export.h"
#include "programs/report_common.h"

namespace seldon::programs {
namespace {

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

}  // namespace

void add_exchange_commands(CLI::App& app) {
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

}  // namespace seldon::programs
