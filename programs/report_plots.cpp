#include "programs/report_plots.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "analysis/aggregate.h"
#include "analysis/output.h"
#include "analysis/plots/figure.h"
#include "analysis/plots/pairs.h"
#include "analysis/plots/three_plots.h"
#include "analysis/plots/trace.h"
#include "analysis/table.h"
#include "core/error.h"
#include "programs/report_common.h"
#include "store/store.h"

namespace seldon::programs {
namespace {

// ---- what all figures take
// -----------------------------------------------------------------------------------------

struct FigureArguments {
  std::vector<std::string> formats = {"svg", "pdf", "png"};
  analysis::FigureStyle style;
  bool no_legend = false, no_title = false;

  std::vector<analysis::Format> chosen_formats() const {
    std::vector<analysis::Format> chosen;
    for (const auto& name : formats) {
      const auto format = analysis::format_named(name);
      if (!format) throw InputError("--formats: '" + name + "' is not svg, pdf or png");
      chosen.push_back(*format);
    }
    return chosen;
  }

  analysis::FigureStyle chosen_style() const {
    auto chosen = style;
    chosen.legend = !no_legend;
    chosen.title = !no_title;
    return chosen;
  }

  void tell(const std::string& folder, const std::string& usual_name) const {
    const auto name = folder + "/" + (style.name.empty() ? usual_name : style.name);
    for (const auto& format : formats) std::cout << name << "." << format << "\n";
    std::cout << name << ".gp and .dat: to restyle them\n";
  }
};

void add_figure(CLI::App& command, FigureArguments& arguments) {
  auto& style = arguments.style;
  add_list(command, "--formats", arguments.formats, "svg, pdf, png, separated by commas (default: all)");
  command.add_option("--name", style.name, "of the files, without their ending");
  auto* width = command.add_option("--width", style.width, "of the figure, in inches (default: 10.4)");
  command
      .add_option_function<int>(
          "--columns",
          [&style](const int& columns) {
            style.width = columns == 1 ? analysis::one_column : analysis::two_columns;
          },
          "1 or 2: as wide as one or two columns of a journal (3.5 and 7.16 inches)")
      ->check(CLI::IsMember({1, 2}))
      ->excludes(width);
  command.add_option("--font", style.font, "a font of this machine (default: DejaVu Sans)");
  command.add_option("--font-size", style.font_size, "in points (default: 11; below 9 inches of width: 8)");
  command.add_option("--title-font-size", style.title_font_size, "of the figure's title, in points");
  command.add_option("--legend-font-size", style.legend_font_size, "in points");
  command.add_option("--legend-columns", style.legend_columns, "entries side by side (default: what fits)")
      ->check(CLI::Range(1, 100));
  command.add_flag("--no-legend", arguments.no_legend, "draw no legend");
  command.add_option("--title", style.title_text, "instead of the experiment's name");
  command.add_flag("--no-title", arguments.no_title,
                   "leave out titles and expressions; rule, truth and interval stay named");
}

/// "model=Text", the model being one of `models` where a name holds '=' itself.
std::pair<std::string, std::string> label_of(const std::string& argument,
                                             const std::vector<std::string>& models) {
  for (const auto& model : models)
    if (argument.starts_with(model + "=")) return {model, argument.substr(model.size() + 1)};
  const auto at = argument.find('=');
  if (at == std::string::npos || at == 0)
    throw InputError("--label: '" + argument + "' is not of the form model=Text");
  return {argument.substr(0, at), argument.substr(at + 1)};
}

std::vector<std::pair<std::string, std::string>> labels_of(const std::vector<std::string>& arguments,
                                                           const store::Header& header) {
  std::vector<std::string> models;
  for (const auto& model : header.models) models.push_back(model.name);
  std::vector<std::pair<std::string, std::string>> labels;
  for (const auto& argument : arguments) labels.push_back(label_of(argument, models));
  return labels;
}

CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& value,
                        const std::vector<std::string>& choices, const std::string& what) {
  return command.add_option(name, value, what)->check(CLI::IsMember(choices));
}

// ---- plots
// ---------------------------------------------------------------------------------------------------------

struct PlotArguments {
  std::string store, folder;
  SelectionArguments selection;
  FigureArguments figure;
  analysis::Choice choice;
  analysis::ThreePlotsOptions options;
  std::vector<std::string> labels;
  std::vector<double> limits;
  std::string interval = "standard-error", failure = "all", performance_scale = "linear", x_scale = "log";
  bool joint = false, no_joint = false, no_delta = false;
};

analysis::RateInterval interval_named(const std::string& name) {
  if (name == "exact") return analysis::RateInterval::exact;
  return name == "wilson" ? analysis::RateInterval::wilson : analysis::RateInterval::standard_error;
}

analysis::FailurePanels failure_named(const std::string& name) {
  if (name == "conditional") return analysis::FailurePanels::conditional;
  return name == "both" ? analysis::FailurePanels::both : analysis::FailurePanels::all;
}

void plots(const PlotArguments& arguments) {
  const auto formats = arguments.figure.chosen_formats();
  const auto results = read_store(arguments.store);
  auto choice = arguments.choice;
  choice.interval = interval_named(arguments.interval);
  auto options = arguments.options;
  options.style = arguments.figure.chosen_style();
  options.labels = labels_of(arguments.labels, results.header);
  options.failure = failure_named(arguments.failure);
  options.performance_log = arguments.performance_scale == "log";
  options.x_log = arguments.x_scale == "log";
  options.delta = !arguments.no_delta;
  if (arguments.joint || arguments.no_joint) options.joint = arguments.joint;
  if (!arguments.limits.empty()) {
    if (arguments.limits.size() != 2)
      throw InputError("--performance-limits takes two numbers, LOW,HIGH, and got " +
                       std::to_string(arguments.limits.size()));
    options.performance_limits = {arguments.limits[0], arguments.limits[1]};
  }
  analysis::write_three_plots(analysis::aggregate(results, arguments.selection.selection(), choice),
                              arguments.folder, formats, options);
  arguments.figure.tell(arguments.folder, "three_plots");
}

void add_plots(CLI::App& app) {
  auto* command = app.add_subcommand("plots", "draws the Three Plots");
  const auto arguments = std::make_shared<PlotArguments>();
  auto& options = arguments->options;
  add_store(*command, arguments->store);
  add_folder(*command, arguments->folder);
  add_selection(*command, arguments->selection);
  add_figure(*command, arguments->figure);
  command->add_option("--marker-size", arguments->figure.style.marker_size, "times the usual; 0: none");
  add_list(*command, "--models", arguments->choice.models, "which, in which order, separated by commas");
  add_list(*command, "--constraints", arguments->choice.constraints, "which, in which order");
  command->add_option("--measure", arguments->choice.measure, "of performance (default: the first)");
  command->add_option("--label", arguments->labels, "model=Text: its name in the legend; once for each")
      ->allow_extra_args(false);
  add_choice(*command, "--interval", arguments->interval, {"standard-error", "exact", "wilson"},
             "standard-error (default), exact or wilson (95 %)");
  add_choice(*command, "--failure", arguments->failure, {"all", "conditional", "both"},
             "rated over all trials (default), those with a solution, or a panel for each");
  auto* joint = command->add_flag("--joint", arguments->joint,
                                  "a row for violations of any constraint (the default with several)");
  command->add_flag("--no-joint", arguments->no_joint, "no such row")->excludes(joint);
  command->add_flag("--show-counts", options.counts,
                    "print how many trials are behind a performance, where not all are");
  command->add_flag("--no-delta", arguments->no_delta, "draw no line at delta");
  command->add_option("--x-label", options.x_label, "of the amount of data");
  command->add_option("--performance-label", options.performance_label, "of that axis");
  command->add_option("--solution-label", options.solution_label, "of that axis");
  command->add_option("--failure-label", options.failure_label, "of that axis");
  add_choice(*command, "--performance-scale", arguments->performance_scale, {"linear", "log"},
             "linear (default) or log");
  add_choice(*command, "--x-scale", arguments->x_scale, {"log", "linear"}, "log (default) or linear");
  add_list(*command, "--performance-limits", arguments->limits, "LOW,HIGH: ends of that axis");
  command->callback([arguments] { plots(*arguments); });
}

// ---- pairs
// ---------------------------------------------------------------------------------------------------------

struct PairArguments {
  std::string store, folder, truth, measure, form = "console", x_scale = "log";
  std::vector<std::string> models, labels;
  bool all = false;
  double confidence = 0.95;
  FigureArguments figure;
  analysis::PairsOptions options;
};

void print(const analysis::Table& table, analysis::TableForm form) {
  if (form != analysis::TableForm::console) {
    std::cout << to_text(table, form);
    return;
  }
  const char* no_colour = std::getenv("NO_COLOR");
  std::cout << to_console(table,
                          {.colour = isatty(STDOUT_FILENO) != 0 && (!no_colour || *no_colour == '\0')});
}

void pairs(const PairArguments& arguments) {
  const auto formats = arguments.figure.chosen_formats();
  const auto form = analysis::table_form_named(arguments.form);
  if (!form)
    throw InputError("--format: '" + arguments.form + "' is not console, csv, markdown, latex or json");
  if (arguments.models.empty() && !arguments.all)
    throw InputError(
        "pairs: name the models with --models FIRST,SECOND, or say --all to compare the first "
        "with each of the others");
  const auto results = read_store(arguments.store);
  analysis::Selection selection;
  if (!arguments.truth.empty()) selection.truth = arguments.truth;
  auto models = arguments.models;
  if (arguments.all && !models.empty())  // the named ones first
    for (const auto& model : results.header.models)
      if (std::ranges::find(models, model.name) == models.end()) models.push_back(model.name);
  const auto compared =
      analysis::compare_pairs(results, selection, models, arguments.measure, arguments.confidence);
  const auto table = analysis::pairs_table(compared);
  if (!arguments.folder.empty()) {
    auto options = arguments.options;
    options.style = arguments.figure.chosen_style();
    options.labels = labels_of(arguments.labels, results.header);
    options.x_log = arguments.x_scale == "log";
    analysis::write_pairs(compared, options, arguments.folder, formats);
    if (*form != analysis::TableForm::console) {
      const auto name = options.style.name.empty() ? "pairs" : options.style.name;
      const auto file = name + "." + std::string(extension_of(*form));
      analysis::write_file(std::filesystem::path(arguments.folder) / file, to_text(table, *form));
    }
  }
  print(table, *form);
  if (!arguments.folder.empty() && *form == analysis::TableForm::console)
    arguments.figure.tell(arguments.folder, "pairs");
}

void add_pairs(CLI::App& app) {
  auto* command =
      app.add_subcommand("pairs", "compares models trial by trial: mean difference, with its interval");
  const auto arguments = std::make_shared<PairArguments>();
  add_store(*command, arguments->store);
  command->add_option("--out", arguments->folder,
                      "folder for the figure and the table; made if need be (default: the table is printed)");
  command->add_option("--truth", arguments->truth, "ground truth 'original' (default) or 'held_out'");
  add_list(*command, "--models", arguments->models, "FIRST,SECOND,...: the first minus each other");
  command->add_flag("--all", arguments->all, "compare with all models of the store");
  command->add_option("--measure", arguments->measure, "of performance (default: the first)");
  command->add_option("--confidence", arguments->confidence, "of the intervals (default: 0.95)");
  command->add_option("--format", arguments->form,
                      "of the table: console (default), csv, markdown, latex, json; beside the figure, too");
  add_figure(*command, arguments->figure);
  command->add_option("--marker-size", arguments->figure.style.marker_size, "times the usual; 0: none");
  command->add_option("--label", arguments->labels, "model=Text: its name in the legend; once for each")
      ->allow_extra_args(false);
  command->add_option("--x-label", arguments->options.x_label, "of the amount of data");
  command->add_option("--performance-label", arguments->options.difference_label, "of the differences");
  add_choice(*command, "--x-scale", arguments->x_scale, {"log", "linear"}, "log (default) or linear");
  command->callback([arguments] { pairs(*arguments); });
}

// ---- trace
// ---------------------------------------------------------------------------------------------------------

struct TraceArguments {
  std::string store, folder, band = "quartiles";
  analysis::TraceChoice choice;
  FigureArguments figure;
};

void trace(const TraceArguments& arguments) {
  const auto formats = arguments.figure.chosen_formats();
  auto choice = arguments.choice;
  choice.band =
      arguments.band == "quartiles" ? analysis::TraceBand::quartiles : analysis::TraceBand::standard_error;
  const store::Reader reader(arguments.store);
  const auto summary = analysis::read_trace(reader, choice);
  warn_of(summary.damage);
  analysis::write_trace(summary, arguments.figure.chosen_style(), arguments.folder, formats);
  arguments.figure.tell(arguments.folder, "trace");
}

void add_trace(CLI::App& app) {
  auto* command = app.add_subcommand(
      "trace", "draws candidate selection: loss, multipliers, upper bounds and Lagrangian by iteration");
  const auto arguments = std::make_shared<TraceArguments>();
  add_store(*command, arguments->store);
  add_folder(*command, arguments->folder);
  command->add_option("--model", arguments->choice.model, "which (default: the first that keeps traces)");
  command->add_option("--fraction", arguments->choice.fraction, "of the data (default: the largest)");
  command->add_option("--trial", arguments->choice.trial, "one trial (default: a band over all)");
  add_choice(*command, "--band", arguments->band, {"quartiles", "standard-error"},
             "around the median the quartiles (default), or around the mean its standard error");
  add_figure(*command, arguments->figure);
  command->callback([arguments] { trace(*arguments); });
}

}  // namespace

void add_plot_commands(CLI::App& app) {
  add_plots(app);
  add_pairs(app);
  add_trace(app);
}

}  // namespace seldon::programs
