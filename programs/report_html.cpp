#include "programs/report_html.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "analysis/output.h"
#include "analysis/report/print.h"
#include "analysis/report/report.h"
#include "core/error.h"
#include "programs/report_common.h"

namespace seldon::programs {
namespace {

struct ReportArguments {
  std::string store, folder, title, interval = "standard_error";
  SelectionArguments selection;
  analysis::Choice choice;
  double min_rows = 30;
  std::vector<std::string> formats = {"html", "pdf"};
};

analysis::RateInterval interval_named(const std::string& name) {
  if (name == "wilson") return analysis::RateInterval::wilson;
  return name == "exact" ? analysis::RateInterval::exact : analysis::RateInterval::standard_error;
}

analysis::ReportOptions options_of(const ReportArguments& arguments) {
  analysis::ReportOptions options;
  options.selection = arguments.selection.selection();
  options.choice = arguments.choice;
  options.choice.interval = interval_named(arguments.interval);
  options.min_rows = arguments.min_rows;
  options.title = arguments.title;
  options.program = "seldon-report " SELDON_VERSION;
  options.now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return options;
}

bool wants(const ReportArguments& arguments, const std::string& format) {
  return std::ranges::find(arguments.formats, format) != arguments.formats.end();
}

/// A PDF is printed from the HTML, which stays only where it is asked for.
void print(const ReportArguments& arguments, const std::filesystem::path& html) {
  const auto chromium = analysis::find_chromium();
  if (!chromium)
    throw InputError(
        "the PDF is printed by a Chromium, which is not found in PATH; install it (Debian: apt-get install "
        "chromium), name one with SELDON_CHROMIUM, or ask for --formats html. " +
        (wants(arguments, "html") ? html.string() + " is written" : "Nothing is written"));
  const auto pdf = std::filesystem::path(arguments.folder) / "report.pdf";
  analysis::print_pdf(*chromium, html, pdf);
  std::cout << pdf.string() << "\n";
}

void report(const ReportArguments& arguments) {
  const auto results = read_store(arguments.store, analysis::Runs::read);
  const auto text = analysis::report_html(arguments.store, results, options_of(arguments));
  const std::filesystem::path folder(arguments.folder);
  analysis::make_folder(folder);
  const auto html = folder / "report.html";
  const analysis::TemporaryFile part(folder / "report.part.html");
  analysis::write_file(part.path(), text);
  if (!wants(arguments, "html")) return print(arguments, part.path());
  analysis::move_file(part.path(), html);
  std::cout << html.string() << "\n" << std::flush;
  if (wants(arguments, "pdf")) print(arguments, html);
}

}  // namespace

void add_report_command(CLI::App& app) {
  auto* command =
      app.add_subcommand("report", "writes one document about the experiment: report.html, report.pdf");
  const auto arguments = std::make_shared<ReportArguments>();
  add_store(*command, arguments->store);
  add_folder(*command, arguments->folder);
  add_selection(*command, arguments->selection);
  command->add_option("--formats", arguments->formats, "html, pdf, separated by commas (default: both)")
      ->delimiter(',')
      ->check(CLI::IsMember({"html", "pdf"}));
  command->add_option("--title", arguments->title, "headline (default: the experiment's name)");
  command
      ->add_option("--models", arguments->choice.models, "models of the plots, in this order (default: all)")
      ->delimiter(',');
  command->add_option("--measure", arguments->choice.measure,
                      "performance measure of the plots (default: the first)");
  command
      ->add_option("--interval", arguments->interval,
                   "bands of the plots: 'standard_error' (default), or 95 % intervals: 'wilson', 'exact'")
      ->check(CLI::IsMember({"standard_error", "wilson", "exact"}));
  command
      ->add_option("--min-n", arguments->min_rows,
                   "flag subgroup numbers that rest on fewer rows (default: 30)")
      ->check(CLI::NonNegativeNumber);
  command->callback([arguments] { report(*arguments); });
}

}  // namespace seldon::programs
