#include "programs/report_exchange.h"

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "analysis/compare/compare.h"
#include "analysis/output.h"
#include "analysis/plots/three_plots.h"
#include "analysis/table.h"
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
      "import", "makes a store of the Seldonian Toolkit's result files (docs/exchange.md)");
  const auto arguments = std::make_shared<ImportArguments>();
  auto& options = arguments->options;
  command
      ->add_option("DIR", arguments->folder,
                   "holds {model}_results/{model}_results.csv, or {model}_results.csv")
      ->required();
  command->add_option("--rows", options.rows, "rows of the table that the data fraction 1 stands for")
      ->check([](const std::string& text) {  // else a large number
        return text.starts_with('-') ? std::string("there are no negative numbers of rows") : std::string();
      })
      ->required();
  add_list(*command, "--delta", arguments->deltas,
           "of the constraints: one for all, or one for each, separated by commas")
      ->required();
  command
      ->add_option("--constraint", arguments->constraints,
                   "NAME=EXPRESSION; again for each constraint, in the order of gvec")
      ->allow_extra_args(false)
      ->required();
  command->add_option("--out", arguments->store, "the store to make")->required();
  add_list(*command, "--seldonian", arguments->seldonian,
           "models under the guarantee, separated by commas (default: those with passed_safety)");
  command->add_option(
      "--experiment", options.experiment,
      "prefix of the files (PREFIX__{model}_results.csv) where DIR holds several experiments");
  command->add_option("--name", options.name, "the experiment's name (default: the prefix, or 'imported')");
  command->add_option("--performance", options.performance,
                      "what performance is, such as log_loss (default: 'performance')");
  command->callback([arguments] { import_results(*arguments); });
}

// ---- compare ---------------------------------------------------------------------------------------------

struct CompareArguments {
  std::string a, b, folder;
  std::vector<std::string> forms, models, pictures;
  SelectionArguments selection;
  analysis::CompareOptions options;
};

/// "a=b" of each, or one name for both.
std::vector<std::pair<std::string, std::string>> couples_of(const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> couples;
  for (const auto& text : texts) {
    const auto equals = text.find('=');
    couples.emplace_back(text.substr(0, equals), text.substr(equals == std::string::npos ? 0 : equals + 1));
    if (couples.back().first.empty() || couples.back().second.empty())
      throw InputError("--models: '" + analysis::one_line(text) +
                       "' is neither the name of a model nor two of them as A=B");
  }
  return couples;
}

std::vector<analysis::TableForm> forms_of(const std::vector<std::string>& names) {
  std::vector<analysis::TableForm> forms;
  for (const auto& name : names) {
    const auto form = analysis::table_form_named(name);
    if (!form)
      throw InputError("--format: '" + analysis::one_line(name) +
                       "' is not console, csv, markdown, latex or json");
    forms.push_back(*form);
  }
  return forms;
}

std::vector<analysis::Format> pictures_of(const CompareArguments& arguments) {
  if (!arguments.pictures.empty() && arguments.folder.empty())
    throw InputError("--plots needs --out, the folder to draw into");
  std::vector<analysis::Format> formats;
  for (const auto& name : arguments.pictures) {
    const auto format = analysis::format_named(name);
    if (!format) throw InputError("--plots: '" + analysis::one_line(name) + "' is not svg, pdf or png");
    formats.push_back(*format);
  }
  return formats;
}

void require_two(const std::string& a, const std::string& b) {
  std::error_code none;
  if (std::filesystem::equivalent(a, b, none))
    throw InputError("'" + a + "' and '" + b + "' are the same file; name the stores of two experiments");
}

/// One after the other; as JSON, a list.
void print_tables(const std::vector<analysis::Table>& tables, analysis::TableForm form) {
  const bool json = form == analysis::TableForm::json;
  const char* between = json ? "[" : "";
  for (const auto& table : tables) {
    std::cout << between << analysis::to_text(table, form);
    between = json ? "," : "\n";
  }
  std::cout << (json ? "]\n" : "");
}

void compare_stores(const CompareArguments& arguments) {
  auto names = arguments.forms;
  if (names.empty())
    names = arguments.folder.empty()
                ? std::vector<std::string>{"console"}
                : std::vector<std::string>{"console", "csv", "markdown", "latex", "json"};
  const auto forms = forms_of(names);
  auto options = arguments.options;
  options.models = couples_of(arguments.models);
  options.selection = arguments.selection.selection();
  require_two(arguments.a, arguments.b);

  const auto pictures = pictures_of(arguments);
  const auto a = read_store(arguments.a), b = read_store(arguments.b);
  const analysis::Side side_a{&a, arguments.a}, side_b{&b, arguments.b};
  const auto tables = analysis::comparison_tables(analysis::compare(side_a, side_b, options));
  if (arguments.folder.empty()) {
    for (const auto form : forms) print_tables(tables, form);
    return;
  }
  const std::filesystem::path folder = arguments.folder;
  analysis::make_folder(folder);
  for (const auto& table : tables)
    for (const auto form : forms) {
      const auto file = folder / (table.name + "." + std::string(analysis::extension_of(form)));
      analysis::write_file(file, analysis::to_text(table, form));
      std::cout << file.string() << "\n";
    }
  if (pictures.empty()) return;
  analysis::write_three_plots(analysis::side_by_side(side_a, side_b, options), folder, pictures);
  for (const auto& name : arguments.pictures)
    std::cout << (folder / ("three_plots." + name)).string() << "\n";
}

void add_compare(CLI::App& app) {
  auto* command = app.add_subcommand("compare", "sets two experiments side by side, with intervals");
  const auto arguments = std::make_shared<CompareArguments>();
  command->add_option("A", arguments->a, "the store of one experiment")->required();
  command->add_option("B", arguments->b, "the store of the other")->required();
  command->add_option("--out", arguments->folder, "folder to write to (default: to the terminal)");
  add_list(*command, "--format", arguments->forms,
           "console, csv, markdown, latex, json, separated by commas (default: console; with --out all)");
  add_list(*command, "--models", arguments->models,
           "which go together, A's=B's, separated by commas (default: those of equal name)");
  add_list(*command, "--plots", arguments->pictures,
           "svg, pdf, png, separated by commas: the Three Plots of both in one figure, into --out");
  add_selection(*command, arguments->selection);
  command->add_option("--performance", arguments->options.performance,
                      "measure (default: the first of A that B has too)");
  command->add_flag("--paired", arguments->options.same_rows,
                    "you know that a trial drew the same rows in both, although the stores do not say so");
  command->callback([arguments] { compare_stores(*arguments); });
}

}  // namespace

void add_exchange_commands(CLI::App& app) {
  add_import(app);
  add_compare(app);
  add_export(app);
}

}  // namespace seldon::programs
