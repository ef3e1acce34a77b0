// What the measures are called, and what a store's header tells of its subgroups.

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "analysis/subgroups/subgroups.h"

namespace seldon::analysis {
namespace {

struct MeasureText {
  std::string_view name, title, about;
};

constexpr std::array<MeasureText, measure_count> texts = {{
    {"accuracy", "accuracy",
     "share of rows that are decided rightly; soft: mean probability of the true class"},
    {"positive_rate", "PR", "positive rate: share of rows that are decided for the class"},
    {"tpr", "TPR", "true positive rate: share of the class's rows that are decided for it"},
    {"fpr", "FPR", "false positive rate: share of the other rows that are decided for the class"},
    {"tnr", "TNR", "true negative rate: 1 - FPR"},
    {"fnr", "FNR", "false negative rate: 1 - TPR"},
    {"precision", "precision", "share of the class's own rows among those that are decided for it"},
    {"f1", "F1", "2 TP / (2 TP + FP + FN)"},
    {"auroc", "AUROC", "area under the ROC curve, from scores in 64 bins"},
    {"mean_score", "mean score", "mean predicted probability of the class"},
    {"log_loss", "log loss", "mean log loss in nats"},
    {"calibration", "calibration", "mean score minus the share of the class's rows"},
    {"balanced_accuracy", "balanced accuracy", "mean over classes of their TPR"},
    {"mean_error", "mean error", "mean of prediction minus label"},
    {"mean_squared_error", "MSE", "mean squared error"},
    {"mean_absolute_error", "MAE", "mean absolute error"},
}};

const MeasureText& text_of(Measure measure) {
  return texts[static_cast<std::size_t>(measure)];
}

/// What the identity says of one group; where it says nothing the names of the subgroups have to do.
struct Declared {
  std::map<std::string, std::string> attribute_of;  ///< [group]
  std::set<std::string> overlapping;                ///< attributes
};

Declared declared_in(const std::string& identity) {
  Declared declared;
  const auto json = nlohmann::json::parse(identity, nullptr, false);
  if (!json.is_object() || !json.contains("group") || !json["group"].is_array()) return declared;
  for (const auto& group : json["group"]) {
    if (!group.is_string()) continue;
    const auto name = group.get<std::string>();
    const auto attribute = json.find("group." + name + ".attribute");
    if (attribute == json.end() || !attribute->is_string()) continue;
    declared.attribute_of[name] = attribute->get<std::string>();
    const auto overlapping = json.find("group." + name + ".overlapping");
    if (overlapping != json.end() && overlapping->is_boolean() && overlapping->get<bool>())
      declared.overlapping.insert(attribute->get<std::string>());
  }
  return declared;
}

/// "gender=F x age=under_30" as its attributes and groups.
Subgroup parse(const std::string& name) {
  Subgroup subgroup;
  subgroup.name = name;
  if (name == "all") return subgroup;
  constexpr std::string_view times = " x ";
  for (std::size_t begin = 0; begin <= name.size();) {
    const auto end = std::min(name.find(times, begin), name.size());
    const auto part = name.substr(begin, end - begin);
    const auto equals = part.find('=');
    // A part without '=' belongs to the group's name before it.
    if (equals == std::string::npos && !subgroup.groups.empty()) {
      subgroup.groups.back() += times;
      subgroup.groups.back() += part;
    } else {
      subgroup.attributes.push_back(part.substr(0, equals));
      subgroup.groups.push_back(equals == std::string::npos ? part : part.substr(equals + 1));
    }
    begin = end + times.size();
  }
  return subgroup;
}

/// The groups in a constraint's conditions, `| [M, young]`.
std::vector<std::string> groups_in(const std::string& expression) {
  std::vector<std::string> groups;
  for (auto bar = expression.find('|'); bar != std::string::npos; bar = expression.find('|', bar + 1)) {
    const auto open = expression.find_first_not_of(" \t\r\n", bar + 1);
    if (open == std::string::npos || expression[open] != '[') continue;
    const auto close = expression.find(']', open);
    if (close == std::string::npos) break;
    std::string group;
    for (auto at = open + 1; at <= close; ++at) {
      if (at < close && expression[at] != ',') {
        group += expression[at];
        continue;
      }
      const auto first = group.find_first_not_of(" \t\r\n"), last = group.find_last_not_of(" \t\r\n");
      if (first != std::string::npos) groups.push_back(group.substr(first, last - first + 1));
      group.clear();
    }
  }
  return groups;
}

std::set<std::string> trained_attributes(const store::Header& header, const Declared& declared,
                                         const std::vector<Subgroup>& subgroups) {
  std::set<std::string> attributes;
  for (const auto& constraint : header.constraints)
    for (const auto& group : groups_in(constraint.expression)) {
      if (const auto found = declared.attribute_of.find(group); found != declared.attribute_of.end()) {
        attributes.insert(found->second);
        continue;
      }
      for (const auto& subgroup : subgroups)
        for (std::size_t i = 0; i < subgroup.groups.size(); ++i)
          if (subgroup.groups[i] == group) attributes.insert(subgroup.attributes[i]);
    }
  return attributes;
}

const std::vector<std::string>* subgroup_names(const store::Header& header) {
  for (const auto& model : header.models)
    if (!model.shape.subgroups.empty()) return &model.shape.subgroups;
  return nullptr;
}

}  // namespace

std::string_view name_of(Measure measure) {
  return text_of(measure).name;
}

std::string_view title_of(Measure measure) {
  return text_of(measure).title;
}

std::string_view about(Measure measure) {
  return text_of(measure).about;
}

bool has_ratio(Measure measure) {
  return measure != Measure::calibration && measure != Measure::mean_error;
}

double badness(Measure measure, double value) {
  switch (measure) {
    case Measure::fpr:
    case Measure::fnr:
    case Measure::log_loss:
    case Measure::mean_squared_error:
    case Measure::mean_absolute_error:
      return value;
    case Measure::calibration:
    case Measure::mean_error:
      return std::abs(value);
    default:
      return -value;
  }
}

std::string_view name_of(Rule rule) {
  constexpr std::array<std::string_view, 3> names = {"soft", "hard", "value"};
  return names[static_cast<std::size_t>(rule)];
}

std::vector<Subgroup> subgroups_of(const store::Header& header) {
  std::vector<Subgroup> subgroups;
  const auto* names = subgroup_names(header);
  if (!names) return subgroups;
  for (const auto& name : *names) subgroups.push_back(parse(name));
  const auto trained = trained_attributes(header, declared_in(header.identity), subgroups);
  for (auto& subgroup : subgroups) {
    const auto used =
        std::ranges::count_if(subgroup.attributes, [&](const auto& name) { return trained.contains(name); });
    subgroup.used_in_training = used > 0;
    subgroup.used_in_part = used > 0 && static_cast<std::size_t>(used) < subgroup.attributes.size();
  }
  return subgroups;
}

std::vector<SubgroupFamily> families_of(const store::Header& header, const std::vector<Subgroup>& subgroups) {
  const auto declared = declared_in(header.identity);
  std::vector<SubgroupFamily> families;
  for (std::size_t i = 0; i < subgroups.size(); ++i) {
    const auto& subgroup = subgroups[i];
    if (subgroup.attributes.empty()) continue;
    auto family = std::ranges::find(families, subgroup.attributes, &SubgroupFamily::attributes);
    if (family == families.end()) {
      SubgroupFamily next;
      next.attributes = subgroup.attributes;
      for (const auto& attribute : subgroup.attributes) {
        if (!next.name.empty()) next.name += " x ";
        next.name += attribute;
        next.overlapping = next.overlapping || declared.overlapping.contains(attribute);
      }
      next.used_in_training = subgroup.used_in_training;
      next.used_in_part = subgroup.used_in_part;
      family = families.insert(families.end(), std::move(next));
    }
    family->members.push_back(i);
  }
  return families;
}

std::optional<std::size_t> column_of(const std::vector<MeasureColumn>& columns, Measure measure,
                                     std::uint32_t of_class) {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].measure == measure && columns[i].of_class == of_class) return i;
  return std::nullopt;
}

}  // namespace seldon::analysis
