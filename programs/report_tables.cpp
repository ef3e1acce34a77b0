#include "programs/report_tables.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "analysis/output.h"
#include "analysis/subgroups/subgroups.h"
#include "analysis/subgroups/tables.h"
#include "analysis/table.h"
#include "analysis/text.h"
#include "core/error.h"
#include "programs/report_common.h"
#include "store/store.h"

namespace seldon::programs {
namespace {

using analysis::Rule;
using analysis::Table;
using analysis::TableForm;

constexpr std::array<std::string_view, 7> table_kinds = {"subgroups", "estimates", "gaps",      "equality",
                                                         "extremes",  "means",     "invariants"};

struct TableArguments {
  std::string store, folder, rule = "both", truth;
  std::vector<std::string> formats, models, fractions, subgroups, attributes, measures, tables;
  double confidence = 0.95, min_rows = 30;
  std::size_t top = 10;
};

/// What is short enough for a screen: nothing else was asked for.
bool is_brief(const TableArguments& arguments, TableForm form) {
  return form == TableForm::console && arguments.folder.empty() && arguments.tables.empty();
}

/// Each once, where it stands first.
template <class Value>
void add_once(std::vector<Value>& to, const Value& value) {
  if (std::ranges::find(to, value) == to.end()) to.push_back(value);
}

/// "'a', 'b'": what there is.
template <class Range, class Name>
std::string listed(const Range& range, const Name& name) {
  std::string text;
  for (const auto& one : range) {
    text += text.empty() ? "'" : ", '";
    text += name(one);
    text += "'";
  }
  return text;
}

[[noreturn]] void unknown(const std::string& option, const std::string& wanted, const std::string& known) {
  throw InputError(option + ": there is no '" + analysis::one_line(wanted) + "'; there is " +
                   (known.empty() ? "none" : known));
}

std::vector<std::uint32_t> models_of(const TableArguments& arguments, const store::Header& header) {
  std::vector<std::uint32_t> indices;
  for (const auto& wanted : arguments.models) {
    const auto found = std::ranges::find(header.models, wanted, &store::ModelHeader::name);
    if (found == header.models.end())
      unknown("--model", wanted, listed(header.models, [](const auto& model) { return model.name; }));
    indices.push_back(static_cast<std::uint32_t>(found - header.models.begin()));
  }
  return indices;
}

/// Data fractions by value; none named: the largest where tables are printed, all where they are written.
std::vector<std::uint32_t> fractions_of(const TableArguments& arguments, const store::Header& header) {
  std::vector<std::uint32_t> all, indices;
  for (std::uint32_t i = 0; i < header.data_fracs.size(); ++i) all.push_back(i);
  std::ranges::stable_sort(all, {}, [&](auto i) { return header.data_fracs[i]; });
  if (arguments.fractions.empty())
    return arguments.folder.empty() && !all.empty() ? std::vector{all.back()} : all;
  for (const auto& wanted : arguments.fractions) {
    if (wanted == "all") return all;
    char* end = nullptr;
    const double value = std::strtod(wanted.c_str(), &end);
    // As printed, or shorter: 4 digits tell the fractions of any experiment apart.
    const auto found = std::ranges::find_if(all, [&](auto i) {
      return *end == '\0' && std::abs(header.data_fracs[i] - value) <= 5e-4 * std::abs(value);
    });
    if (wanted.empty() || found == all.end())
      unknown("--fraction", wanted, listed(header.data_fracs, [](double fraction) {
                                      return analysis::shortest(fraction);
                                    }) + " and 'all'");
    add_once(indices, *found);
  }
  return indices;
}

std::vector<std::size_t> columns_of(const TableArguments& arguments,
                                    const analysis::SubgroupAnalysis& analysis) {
  std::vector<std::size_t> columns;
  for (const auto& wanted : arguments.measures) {
    const auto found = std::ranges::find(analysis.columns, wanted, &analysis::MeasureColumn::name);
    if (wanted == "all") return analysis::all_columns(analysis);
    if (found == analysis.columns.end())
      unknown("--measure", wanted,
              listed(analysis.columns, [](const auto& column) { return column.name; }) + " and 'all'");
    add_once(columns, static_cast<std::size_t>(found - analysis.columns.begin()));
  }
  return columns;
}

/// The subgroups named, and those of the families named; none: as many as suit.
std::vector<std::size_t> subgroups_of(const TableArguments& arguments,
                                      const std::vector<analysis::Subgroup>& subgroups,
                                      const std::vector<analysis::SubgroupFamily>& families) {
  std::vector<std::size_t> indices;
  for (const auto& wanted : arguments.subgroups) {
    const auto found = std::ranges::find(subgroups, wanted, &analysis::Subgroup::name);
    if (found == subgroups.end())
      unknown("--subgroup", wanted, listed(subgroups, [](const auto& subgroup) { return subgroup.name; }));
    add_once(indices, static_cast<std::size_t>(found - subgroups.begin()));
  }
  for (const auto& wanted : arguments.attributes) {
    if (wanted == "all") {
      for (std::size_t i = 0; i < subgroups.size(); ++i) add_once(indices, i);
      continue;
    }
    const auto found = std::ranges::find(families, wanted, &analysis::SubgroupFamily::name);
    if (found == families.end())
      unknown("--attribute", wanted,
              listed(families, [](const auto& family) { return family.name; }) + " and 'all'");
    for (const auto member : found->members) add_once(indices, member);
  }
  return indices;
}

std::vector<TableForm> forms_of(const TableArguments& arguments) {
  std::vector<TableForm> forms;
  for (const auto& name : arguments.formats) {
    const auto form = analysis::table_form_named(name);
    if (!form) throw InputError("--format: '" + name + "' is not console, csv, markdown, latex or json");
    add_once(forms, *form);
  }
  if (forms.empty()) forms.push_back(arguments.folder.empty() ? TableForm::console : TableForm::csv);
  return forms;
}

bool asked_for(const TableArguments& arguments, std::string_view kind, bool by_default) {
  return arguments.tables.empty() ? by_default : std::ranges::count(arguments.tables, kind) > 0;
}

/// What of the analysis is shown: what was named, else what suits the place.
analysis::SubgroupTableOptions shown_of(const TableArguments& arguments,
                                        const analysis::SubgroupAnalysis& analysis, bool brief) {
  analysis::SubgroupTableOptions options;
  options.brief = brief;
  options.top = arguments.top;
  options.columns = columns_of(arguments, analysis);
  options.subgroups = subgroups_of(arguments, analysis.subgroups, analysis.families);
  if (options.subgroups.empty())
    options.subgroups = brief ? analysis::brief_subgroups(analysis) : analysis::all_subgroups(analysis);
  if (options.columns.empty())
    options.columns = brief                      ? analysis::brief_columns(analysis)
                      : arguments.folder.empty() ? analysis::usual_columns(analysis)
                                                 : analysis::all_columns(analysis);
  return options;
}

/// The measure that decides who is best: the first named, else accuracy, of a regression the squared error.
std::size_t first_column(const TableArguments& arguments, const analysis::SubgroupAnalysis& analysis) {
  if (!arguments.measures.empty()) return columns_of(arguments, analysis).front();
  return analysis::column_of(analysis.columns, analysis::Measure::mean_squared_error).value_or(0);
}

/// The tables asked for, in their order.
std::vector<Table> tables_of(const TableArguments& arguments, const analysis::SubgroupAnalysis& analysis,
                             const store::Header& header, const std::vector<std::uint32_t>& fractions,
                             bool brief) {
  const bool printed = arguments.folder.empty();
  const auto options = shown_of(arguments, analysis, brief);
  auto first = options;
  first.columns = {first_column(arguments, analysis)};
  std::vector<Rule> rules;
  for (const auto& point : analysis.points) add_once(rules, point.rule);
  std::vector<Table> tables;
  for (const auto fraction : fractions)
    for (const auto rule : rules) {
      const analysis::TablePlace place{fraction, rule};
      if (asked_for(arguments, "subgroups", true))
        tables.push_back(analysis::subgroup_table(analysis, header, place, options));
      if (asked_for(arguments, "estimates", !printed))
        tables.push_back(analysis::estimate_table(analysis, header, place, options));
      if (asked_for(arguments, "gaps", true))
        tables.push_back(analysis::gap_table(analysis, header, place, options));
      if (asked_for(arguments, "equality", !printed))
        tables.push_back(analysis::equality_table(analysis, header, place, options));
    }
  for (const auto rule : rules) {
    if (asked_for(arguments, "extremes", !brief))
      tables.push_back(analysis::extremes_table(analysis, header, rule, first));
    if (asked_for(arguments, "means", !brief))
      tables.push_back(analysis::means_of_ten_table(analysis, header, rule, first));
  }
  if (asked_for(arguments, "invariants", !brief || !analysis.breaches.empty()))
    tables.push_back(analysis::invariant_table(analysis, header));
  return tables;
}

/// Takes out the notes that stand below an earlier table.
void say_once(std::vector<Table>& tables) {
  std::set<std::string> said;
  for (auto& table : tables)
    std::erase_if(table.notes, [&](const auto& note) { return !said.insert(note).second; });
}

/// What was left out, and how it is had.
void print_more(const analysis::SubgroupAnalysis& analysis, const std::string& store) {
  std::uint64_t checked = 0;
  for (const auto& check : analysis.checks) checked = std::max(checked, check.checked);
  if (analysis.breaches.empty())
    std::cout << "\nInvariants: " << analysis.checks.size() << " checked in up to " << checked
              << " cells, none broken.";
  std::cout
      << "\nMore: --attribute all (crossings such as gender x age), --measure all, --fraction all, --table "
         "estimates,gaps,equality,extremes,means,invariants; everything as files: seldon-report tables "
      << store << " --out DIR\n";
}

void print(const std::vector<Table>& tables, TableForm form) {
  analysis::ConsoleStyle style;
  const char* no_colour = std::getenv("NO_COLOR");
  style.colour = isatty(STDOUT_FILENO) != 0 && (!no_colour || *no_colour == '\0');
  if (form == TableForm::json) std::cout << "[\n";
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (i > 0) std::cout << (form == TableForm::json ? ",\n" : "\n");
    std::cout << (form == TableForm::console ? analysis::to_console(tables[i], style)
                                             : analysis::to_text(tables[i], form));
  }
  if (form == TableForm::json) std::cout << "]\n";
}

void write(const std::vector<Table>& tables, const std::vector<TableForm>& forms, const std::string& folder) {
  analysis::make_folder(folder);
  for (const auto& table : tables)
    for (const auto form : forms) {
      auto name = table.name + ".";
      name += analysis::extension_of(form);
      analysis::write_file(std::filesystem::path(folder) / name, analysis::to_text(table, form));
      std::cout << folder << "/" << name << "\n";
    }
}

void warn(const analysis::SubgroupAnalysis& analysis, const store::Header& header) {
  if (analysis.damage.cells > 0)
    std::cerr << "seldon-report: warning: " << analysis.damage.cells
              << " records do not fit their checksum and are left out (first: " << analysis.damage.first
              << "); the same `seldon run` runs these cells again\n";
  for (const auto& model : analysis.without_counts)
    std::cerr << "seldon-report: warning: results of model '" << model
              << "' have no subgroup counts (imported ones, for example) and are left out\n";
  for (const auto& breach : analysis.breaches)
    std::cerr << "seldon-report: warning: invariant broken: " << breach.invariant << ": model '"
              << header.models[breach.model].name << "', data fraction "
              << analysis::shortest(header.data_fracs[breach.fraction]) << ", trial " << breach.trial << ": "
              << breach.detail << " (" << breach.cells << " cells)\n";
}

void check_arguments(const TableArguments& arguments) {
  if (!(arguments.confidence > 0 && arguments.confidence < 1))
    throw InputError("--confidence must lie between 0 and 1, such as 0.95");
  if (!(arguments.min_rows >= 0)) throw InputError("--min-n must not be negative");
  for (const auto& table : arguments.tables)
    if (std::ranges::find(table_kinds, table) == table_kinds.end())
      unknown("--table", table, listed(table_kinds, [](auto kind) { return std::string(kind); }));
}

void tables(const TableArguments& arguments) {
  check_arguments(arguments);
  const auto forms = forms_of(arguments);
  if (arguments.folder.empty() && forms.size() > 1)
    throw InputError("--format: several forms need a folder to be written to (--out DIR)");
  const bool brief = is_brief(arguments, forms.front());
  const store::Reader reader(arguments.store);
  const auto& header = reader.header();
  const auto fractions = fractions_of(arguments, header);
  const auto subgroups = analysis::subgroups_of(header);
  // Names are looked at before the records are read.
  subgroups_of(arguments, subgroups, analysis::families_of(header, subgroups));
  analysis::SubgroupOptions options;
  options.models = models_of(arguments, header);
  // Tables over all data fractions need them all, where none is named.
  const bool over_fractions =
      asked_for(arguments, "extremes", !brief) || asked_for(arguments, "means", !brief);
  if (!over_fractions || !arguments.fractions.empty()) options.fractions = fractions;
  options.gaps = asked_for(arguments, "gaps", true);
  options.contrasts = asked_for(arguments, "equality", !arguments.folder.empty());
  options.compared_fractions = fractions;
  if (!arguments.truth.empty()) options.truth = arguments.truth;
  options.soft = arguments.rule != "hard";
  options.hard = arguments.rule != "soft";
  options.auroc =
      (arguments.measures.empty() && !brief) || std::ranges::any_of(arguments.measures, [](const auto& name) {
        return name == "all" || name.starts_with("auroc");
      });
  options.confidence = arguments.confidence;
  options.min_rows = arguments.min_rows;
  const auto found = analysis::analyse_subgroups(reader, options);
  auto made = tables_of(arguments, found, header, fractions, brief);
  warn(found, header);
  if (!arguments.folder.empty()) return write(made, forms, arguments.folder);
  if (forms.front() == TableForm::console) say_once(made);
  print(made, forms.front());
  if (brief) print_more(found, arguments.store);
}

}  // namespace

void add_table_commands(CLI::App& app) {
  auto* command = app.add_subcommand("tables", "tables of subgroups: measures, gaps, intervals, tests");
  const auto arguments = std::make_shared<TableArguments>();
  add_store(*command, arguments->store);
  command->add_option(
      "--out", arguments->folder,
      "folder to write to, one file for each table; made if need be (default: the largest data "
      "fraction is printed)");
  const auto add_list = [&](const char* name, std::vector<std::string>& values, const char* what) {
    command->add_option(name, values, what)->delimiter(',');
  };
  add_list("--format", arguments->formats, "console, csv, markdown, latex, json, separated by commas");
  add_list("--table", arguments->tables,
           "subgroups, estimates, gaps, equality, extremes, means, invariants (default: on the console short "
           "forms of subgroups and gaps; in other forms all but estimates and equality; written: all)");
  add_list("--model", arguments->models, "models shown (default: all)");
  add_list("--fraction", arguments->fractions, "data fractions shown, or 'all'");
  add_list("--subgroup", arguments->subgroups, "subgroups shown, as 'gender=F x age=old' (default: all)");
  add_list(
      "--attribute", arguments->attributes,
      "attributes or crossings shown, as 'gender x age', or 'all' (default: all; on the console, without "
      "--table, no crossings)");
  add_list("--measure", arguments->measures,
           "measures shown, as 'tpr', or 'all' (printed by default: a few); the first one decides who is "
           "best");
  command->add_option("--rule", arguments->rule, "decisions 'soft', 'hard' or 'both' (default)")
      ->check(CLI::IsMember({"soft", "hard", "both"}));
  command->add_option("--truth", arguments->truth, "ground truth 'original' (default) or 'held_out'");
  command->add_option("--min-n", arguments->min_rows,
                      "fewer rows in a denominator are flagged (default: 30)");
  command->add_option("--confidence", arguments->confidence, "of the intervals (default: 0.95)");
  command->add_option("--top", arguments->top, "how many best and worst cells are listed (default: 10)");
  command->callback([arguments] { tables(*arguments); });
}

}  // namespace seldon::programs
