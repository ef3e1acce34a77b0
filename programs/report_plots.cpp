#include "programs/report_plots.h"

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "analysis/aggregate.h"
#include "analysis/plots/three_plots.h"
#include "core/error.h"
#include "programs/report_common.h"

namespace seldon::programs {
namespace {

struct PlotArguments {
  std::string store, folder;
  SelectionArguments selection;
  std::vector<std::string> formats = {"svg", "pdf", "png"};
};

void plots(const PlotArguments& arguments) {
  std::vector<analysis::Format> formats;
  for (const auto& name : arguments.formats) {
    const auto format = analysis::format_named(name);
    if (!format) throw InputError("--formats: '" + name + "' is not svg, pdf or png");
    formats.push_back(*format);
  }
  const auto results = read_store(arguments.store);
  analysis::write_three_plots(analysis::aggregate(results, arguments.selection.selection()), arguments.folder,
                              formats);
  for (const auto& name : arguments.formats) std::cout << arguments.folder << "/three_plots." << name << "\n";
  std::cout << arguments.folder << "/three_plots.gp and .dat: to restyle them\n";
}

}  // namespace

void add_plot_commands(CLI::App& app) {
  auto* command = app.add_subcommand("plots", "draws the Three Plots");
  const auto arguments = std::make_shared<PlotArguments>();
  add_store(*command, arguments->store);
  add_folder(*command, arguments->folder);
  add_selection(*command, arguments->selection);
  command->add_option("--formats", arguments->formats, "svg, pdf, png, separated by commas (default: all)")
      ->delimiter(',');
  command->callback([arguments] { plots(*arguments); });
}

}  // namespace seldon::programs
