// Subgroups: heat maps, tables, gaps, and whether the records keep their promises.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>

#include "analysis/report/markup.h"
#include "analysis/report/sections.h"
#include "analysis/report/table_html.h"
#include "analysis/subgroups/subgroups.h"
#include "analysis/subgroups/tables.h"
#include "analysis/text.h"
#include "core/error.h"
#include "store/store.h"

namespace seldon::analysis::report {
namespace {

constexpr std::size_t most_values = 150'000;  // of the heat maps: some megabytes
constexpr std::size_t most_table_rows = 1'500, most_printed_rows = 60;
constexpr int steps = 11;  // of the colour scale, as in report.css

/// What is drawn, in the order of the report: models as chosen, fractions by their amount of data.
class Grid {
 public:
  Grid(const Material& material, const SubgroupAnalysis& analysis) : analysis_(analysis) {
    for (const auto& model : material.summary.models) models_.push_back(model.index);
    const auto& rows = material.results.header.rows;
    for (std::size_t f = 0; f < rows.size(); ++f) fractions_.push_back(f);
    std::ranges::stable_sort(fractions_, {}, [&](std::size_t f) { return rows[f]; });
    for (const auto& point : analysis.points) {
      points_[{point.rule, point.model, point.fraction}] = &point;
      if (std::ranges::find(rules_, point.rule) == rules_.end()) rules_.push_back(point.rule);
    }
    std::ranges::sort(rules_);
    choose(material);
  }

  const std::vector<std::size_t>& models() const { return models_; }
  const std::vector<std::size_t>& fractions() const { return fractions_; }
  const std::vector<Rule>& rules() const { return rules_; }
  /// The rule that the report judges by, and the first model with solutions.
  Rule rule() const { return rule_; }
  std::size_t model() const { return model_; }
  /// Null where the store has none.
  const SubgroupPoint* at(Rule rule, std::size_t model, std::size_t fraction) const {
    const auto found =
        points_.find({rule, static_cast<std::uint32_t>(model), static_cast<std::uint32_t>(fraction)});
    return found == points_.end() ? nullptr : found->second;
  }
  bool has_solution(std::size_t model, std::size_t fraction) const {
    const auto* point = at(rule_, model, fraction);
    return point && point->solutions > 0;
  }
  /// The largest amount of data at which any model has a solution; none where there is none.
  std::optional<std::size_t> largest() const {
    for (auto f = fractions_.rbegin(); f != fractions_.rend(); ++f)
      if (std::ranges::any_of(models_, [&](std::size_t m) { return has_solution(m, *f); })) return *f;
    return std::nullopt;
  }
  void only_rule(Rule rule) { rules_ = {rule}; }
  void only_fractions(std::size_t most) {
    if (fractions_.size() > most)
      fractions_.erase(fractions_.begin(), fractions_.end() - static_cast<std::ptrdiff_t>(most));
  }
  std::size_t values() const {
    return models_.size() * fractions_.size() * rules_.size() * analysis_.subgroups.size() *
           analysis_.columns.size();
  }

 private:
  void choose(const Material& material) {
    if (rules_.empty()) return;
    rule_ = rules_.front();
    const auto& constraints = material.summary.constraints;
    const auto wanted =
        !constraints.empty() ? constraints.front().rule : material.options.selection.rule.value_or("");
    for (const auto rule : rules_)
      if (name_of(rule) == wanted) rule_ = rule;
    const auto solved = std::ranges::find_if(models_, [&](std::size_t m) {
      return std::ranges::any_of(fractions_, [&](std::size_t f) { return has_solution(m, f); });
    });
    if (solved != models_.end()) model_ = static_cast<std::size_t>(solved - models_.begin());
  }

  const SubgroupAnalysis& analysis_;
  std::vector<std::size_t> models_, fractions_;
  std::vector<Rule> rules_;
  std::map<std::tuple<Rule, std::uint32_t, std::uint32_t>, const SubgroupPoint*> points_;
  Rule rule_ = Rule::soft;
  std::size_t model_ = 0;
};

// ---- heat map

struct Domain {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void take(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
  int step(double value) const {
    if (!(high > low)) return 0;
    return std::clamp(static_cast<int>(std::floor((value - low) / (high - low) * steps)), 0, steps - 1);
  }
};

/// The span of a column's values over everything that is shown by a rule, so that colours mean the same in
/// all heat maps of a measure.
Domain domain_of(const Grid& grid, Rule rule, std::size_t column) {
  Domain domain;
  for (const auto m : grid.models())
    for (const auto f : grid.fractions())
      if (const auto* point = grid.at(rule, m, f))
        for (const auto& estimates : point->estimates) domain.take(estimates[column].value);
  return domain;
}

/// A double with so many digits that the page, which rounds to three decimals, shows what the tables show; or
/// null. Rounding twice would not do that (0.56249, 0.5625, 0.563): the digits are cut off, and what is cut
/// off keeps the last one from looking like a tie.
std::string json_number(double value) {
  if (!std::isfinite(value)) return "null";
  const double size = std::abs(value);
  constexpr double least = 0.0005, most = 1e7;  // beyond, number() shows a power of ten
  std::string text;
  if (size >= most || (size > 0 && size < least)) {
    std::array<char, 32> scientific{};
    std::snprintf(scientific.data(), scientific.size(), "%.9e", size);
    text = scientific.data();
  } else {
    const auto shown = fixed(size, 3);
    constexpr std::size_t digits = 4, enough = 24;
    text = fixed(size, enough);
    const bool cut = text.find_first_not_of('0', text.find('.') + 1 + digits) != std::string::npos;
    text.resize(text.find('.') + 1 + digits);
    if (text.back() == '5') text.back() = cut || std::stod(shown) > size ? '6' : '4';
    text.resize(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
  }
  return value < 0 && text != "0" ? "-" + text : text;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : one_line(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

template <class Range, class Text>
std::string json_list(const Range& range, Text text) {
  std::string out = "[";
  for (const auto& item : range) {
    if (out.size() > 1) out += ',';
    out += text(item);
  }
  return out + "]";
}

class HeatMaps {
 public:
  HeatMaps(const Material& material, const SubgroupAnalysis& analysis, Grid& grid)
      : material_(material), analysis_(analysis), grid_(grid) {
    if (grid_.values() > most_values) {
      grid_.only_rule(grid_.rule());
      left_out_ = "The other decision rule is left out";
    }
    if (grid_.values() > most_values) {
      const auto per_fraction = std::max<std::size_t>(1, grid_.values() / grid_.fractions().size());
      grid_.only_fractions(std::max<std::size_t>(1, most_values / per_fraction));
      left_out_ += ", and so are small amounts of data";
    }
    if (!left_out_.empty()) left_out_ += ", to keep this file small: seldon-report tables writes them all.";
  }

  std::string html() const {
    const auto id = std::string("heat");
    std::string out =
        "<figure class=\"table heat\" id=\"" + id + "\" data-heat=\"1\" data-filter=\"1\">\n" +
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"heat-caption\">\n" + table() +
        "</div>\n" + ramp();
    out +=
        "<ul class=\"notes\"><li>Mean over the solutions; darker is larger. The scale is the same for all "
        "models and amounts of data. Amounts without a solution are left out.</li>";
    if (!left_out_.empty()) out += "<li>" + left_out_ + "</li>";
    return out + "</ul>\n<script type=\"application/json\" id=\"heat-data\">" + json_in_script(json()) +
           "</script>\n</figure>\n";
  }

 private:
  /// Accuracy, or what comes first.
  std::size_t column() const { return column_of(analysis_.columns, Measure::accuracy).value_or(0); }

  /// What is there without JavaScript: one model, one measure.
  std::string table() const {
    const auto model = grid_.models()[grid_.model()];
    const auto domain = domain_of(grid_, grid_.rule(), column());
    const auto& rows = material_.results.header.rows;
    std::vector<std::size_t> shown;
    for (const auto f : grid_.fractions())
      if (grid_.has_solution(model, f)) shown.push_back(f);
    std::string out =
        "<table>\n<caption id=\"heat-caption\"><span>" +
        escaped(capitalised(analysis_.columns[column()].title)) + " of " +
        escaped(material_.results.header.models[model].name) + ", " + std::string(name_of(grid_.rule())) +
        " decisions, by rows of data</span></caption>\n<thead><tr><th scope=\"col\">Subgroup</th>";
    for (const auto f : shown) out += "<th scope=\"col\" class=\"n\">" + count(rows[f]) + "</th>";
    out += "</tr></thead>\n<tbody>\n";
    for (std::size_t s = 0; s < analysis_.subgroups.size(); ++s) {
      out += "<tr><th scope=\"row\">" + escaped(analysis_.subgroups[s].name) + "</th>";
      for (const auto f : shown) {
        const double value = grid_.at(grid_.rule(), model, f)->estimates[s][column()].value;
        out += "<td class=\"n" +
               (std::isfinite(value) ? " h" + std::to_string(domain.step(value)) : std::string()) + "\">" +
               (std::isfinite(value) ? number(value) : "–") + "</td>";
      }
      out += "</tr>\n";
    }
    return out + "</tbody></table>\n";
  }

  std::string ramp() const {
    const auto domain = domain_of(grid_, grid_.rule(), column());
    std::string boxes;
    for (int step = 0; step < steps; ++step) boxes += "<span class=\"h" + std::to_string(step) + "\"></span>";
    return "<p class=\"ramp\" aria-hidden=\"true\"><span id=\"heat-low\">" +
           (domain.empty() ? "" : number(domain.low)) + "</span><span class=\"steps\">" + boxes +
           "</span><span id=\"heat-high\">" + (domain.empty() ? "" : number(domain.high)) + "</span></p>\n";
  }

  /// Everything that the heat maps can show (report.js).
  std::string json() const {
    const auto& header = material_.results.header;
    std::string out = "{\"models\":" + json_list(grid_.models(), [&](std::size_t m) {
                        return json_string(header.models[m].name);
                      });
    out += ",\"rows\":" +
           json_list(grid_.fractions(), [&](std::size_t f) { return std::to_string(header.rows[f]); });
    out += ",\"subgroups\":" + json_list(analysis_.subgroups,
                                         [](const Subgroup& subgroup) { return json_string(subgroup.name); });
    out += ",\"columns\":" + json_list(analysis_.columns, [](const MeasureColumn& c) {
             return json_string(capitalised(c.title));
           });
    out += ",\"rules\":" + json_list(grid_.rules(), [](Rule rule) { return json_string(name_of(rule)); });
    out += ",\"domains\":" + json_list(grid_.rules(), [&](Rule rule) {
             std::string domains = "[";
             for (std::size_t c = 0; c < analysis_.columns.size(); ++c) {
               const auto domain = domain_of(grid_, rule, c);
               domains +=
                   (c == 0 ? "[" : ",[") + json_number(domain.low) + "," + json_number(domain.high) + "]";
             }
             return domains + "]";
           });
    out += ",\"steps\":" + std::to_string(steps);
    const auto rule = std::ranges::find(grid_.rules(), grid_.rule()) - grid_.rules().begin();
    out += ",\"start\":{\"model\":" + std::to_string(grid_.model()) +
           ",\"column\":" + std::to_string(column()) + ",\"rule\":" + std::to_string(rule) +
           ",\"fraction\":" + std::to_string(grid_.fractions().size() - 1) + "}";
    std::vector<std::string> reasons;
    out += ",\"points\":" + json_list(grid_.rules(), [&](Rule r) {
             return json_list(grid_.models(), [&](std::size_t m) {
               return json_list(grid_.fractions(),
                                [&](std::size_t f) { return point_json(grid_.at(r, m, f), reasons); });
             });
           });
    out +=
        ",\"reasons\":" + json_list(reasons, [](const std::string& reason) { return json_string(reason); });
    return out + "}";
  }

  /// [subgroup x column] values; of each value lower and upper end, standard deviation between trials,
  /// standard error of one evaluation set, rows; the flags as text; reasons of NaN by place.
  static std::string point_json(const SubgroupPoint* point, std::vector<std::string>& reasons) {
    if (!point) return "null";
    std::string values, lower, upper, between, sampling, rows, flags, why;
    for (const auto& estimates : point->estimates)
      for (const auto& e : estimates) {
        if (!flags.empty())
          for (auto* list : {&values, &lower, &upper, &between, &sampling, &rows}) *list += ',';
        values += json_number(e.value);
        lower += json_number(e.interval.lower);
        upper += json_number(e.interval.upper);
        between += json_number(e.between_sd);
        sampling += json_number(e.sampling_se);
        rows += std::to_string(std::llround(std::isfinite(e.rows) ? e.rows : 0));
        if (std::isnan(e.value) && !e.why_nan.empty()) {
          auto found = std::ranges::find(reasons, e.why_nan);
          if (found == reasons.end()) found = reasons.insert(reasons.end(), e.why_nan);
          why.append(why.empty() ? "" : ",").append("\"").append(std::to_string(flags.size())).append("\":");
          why += std::to_string(found - reasons.begin());
        }
        flags += e.few_rows ? '1' : '0';
      }
    return "{\"t\":" + std::to_string(point->solutions) + ",\"v\":[" + values + "],\"l\":[" + lower +
           "],\"u\":[" + upper + "],\"b\":[" + between + "],\"s\":[" + sampling + "],\"n\":[" + rows +
           "],\"f\":\"" + flags + "\",\"w\":{" + why + "}}";
  }

  const Material& material_;
  const SubgroupAnalysis& analysis_;
  Grid& grid_;
  std::string left_out_;
};

// ---- tables

/// The table with this column first, where it names the rows.
Table led_by(Table table, std::string_view name) {
  const auto found = std::ranges::find(table.columns, name, &TableColumn::name);
  if (found == table.columns.end()) return table;
  const auto index = found - table.columns.begin();
  std::rotate(table.columns.begin(), found, found + 1);
  for (auto& row : table.rows) std::rotate(row.begin(), row.begin() + index, row.begin() + index + 1);
  return table;
}

std::string table_html(Table table, std::string_view first, std::vector<std::string> not_printed = {}) {
  if (table.rows.empty()) return "";
  if (table.rows.size() > most_table_rows) {
    table.notes.push_back("The first " + count(most_table_rows) + " of " + counted(table.rows.size(), "row") +
                          "; seldon-report tables writes them all.");
    table.rows.resize(most_table_rows);
  }
  TableLook look;
  look.filter = true;
  look.not_printed = std::move(not_printed);
  look.screen_only = table.rows.size() > most_printed_rows;
  return to_html(led_by(std::move(table), first), look);
}

const std::vector<std::string> beside_the_gaps = {"pairs",
                                                  "in_training",
                                                  "difference_between_sd",
                                                  "difference_sampling_se",
                                                  "ratio_between_sd",
                                                  "ratio_sampling_se"};

/// The names of all columns but these.
std::vector<std::string> names_without(const SubgroupAnalysis& analysis,
                                       const std::vector<std::size_t>& columns) {
  std::vector<std::string> names;
  for (std::size_t c = 0; c < analysis.columns.size(); ++c)
    if (std::ranges::find(columns, c) == columns.end()) names.push_back(analysis.columns[c].name);
  return names;
}

std::string tables_html(const Material& material, const SubgroupAnalysis& analysis, const Grid& grid,
                        std::size_t fraction) {
  const auto& header = material.results.header;
  const TablePlace place{static_cast<std::uint32_t>(fraction), grid.rule()};
  const auto rule = grid.rule();
  const SubgroupTableOptions usual{usual_columns(analysis), all_subgroups(analysis)};
  const SubgroupTableOptions all{all_columns(analysis), all_subgroups(analysis)};
  return table_html(gap_table(analysis, header, place, usual), "criterion", beside_the_gaps) +
         table_html(subgroup_table(analysis, header, place, all), "subgroup",
                    names_without(analysis, usual.columns)) +
         "<details class=\"more\"><summary>Best and worst of all models, amounts of data and "
         "subgroups</summary>" +
         table_html(extremes_table(analysis, header, rule, usual), "subgroup") +
         table_html(means_of_ten_table(analysis, header, rule, usual), "subgroup") + "</details>\n";
}

// ---- introduction and invariants

std::string introduction(const SubgroupAnalysis& analysis) {
  std::vector<std::string> trained, reported;
  for (const auto& family : analysis.families)
    if (family.attributes.size() == 1)
      (family.used_in_training ? trained : reported)
          .push_back("<b>" + escaped(family.attributes[0]) + "</b>");
  std::string out = "<p>" + counted(analysis.subgroups.size(), "subgroup") + ".";
  if (!trained.empty()) out += " A constraint names groups of " + enumerated(trained) + ".";
  if (!reported.empty())
    out += " " + enumerated(reported) + (reported.size() == 1 ? " is" : " are") +
           " only reported: no constraint speaks of " + (reported.size() == 1 ? "it" : "them") + ".";
  if (!analysis.without_counts.empty()) {
    std::vector<std::string> names;
    for (const auto& name : analysis.without_counts) names.push_back(escaped(name));
    out += " Without counts of subgroups: " + enumerated(names) + ".";
  }
  return out + "</p>\n";
}

std::string invariants_html(const Material& material, const SubgroupAnalysis& analysis) {
  if (analysis.checks.empty() && analysis.breaches.empty()) return "";
  const auto broken = analysis.breaches.size();
  std::string out = "<h3>Do the records keep their promises?</h3>\n";
  if (broken == 0)
    out += "<p class=\"state complete\"><span class=\"mark\">All hold</span> " +
           counted(analysis.checks.size(), "invariant") + " checked on every record.</p>\n";
  else
    out += "<p class=\"state damaged\"><span class=\"mark\">Broken</span> " +
           (broken == 1 ? "1 breach" : count(broken) + " breaches") +
           " found: the figures of subgroups may be wrong.</p>\n";
  return out + "<details class=\"more\"" + (broken == 0 ? "" : " open") +
         "><summary>What was checked</summary>" +
         to_html(invariant_table(analysis, material.results.header)) + "</details>\n";
}

std::optional<SubgroupAnalysis> analyse(const Material& material) {
  const auto has_subgroups = [](const store::ModelHeader& model) { return !model.shape.subgroups.empty(); };
  if (cells_of(material).done == 0 || std::ranges::none_of(material.results.header.models, has_subgroups))
    return std::nullopt;
  SubgroupOptions options;
  for (const auto& model : material.summary.models)
    options.models.push_back(static_cast<std::uint32_t>(model.index));
  std::ranges::sort(options.models);
  options.truth = material.summary.truth;
  options.min_rows = material.options.min_rows;
  return analyse_subgroups(store::Reader(material.store), options);
}

}  // namespace

std::string subgroups_section(const Material& material) {
  std::optional<SubgroupAnalysis> analysis;
  try {
    analysis = analyse(material);
  } catch (const InputError& error) {  // the rest of the report is worth having all the same
    return "<p>There are no tables of subgroups: " + escaped(error.what()) + ".</p>\n";
  }
  if (!analysis || analysis->columns.empty()) return "";
  Grid grid(material, *analysis);
  std::string out = introduction(*analysis);
  const auto fraction = grid.largest();
  if (!fraction)
    return out + "<p>No trial has returned a solution yet.</p>\n" + invariants_html(material, *analysis);
  const auto tables = tables_html(material, *analysis, grid, *fraction);
  return out + HeatMaps(material, *analysis, grid).html() + tables + invariants_html(material, *analysis);
}

}  // namespace seldon::analysis::report
