#include "experiment/check.h"

#include <algorithm>
#include <set>

#include "experiment/keys.h"
#include "experiment/text.h"

namespace seldon::experiment {

namespace {

bool contains(const std::vector<std::string>& list, const std::string& entry) {
  return std::find(list.begin(), list.end(), entry) != list.end();
}

/// Errors about one section, placed at one of its keys.
class Section {
 public:
  Section(const Description& description, std::string path, std::string title)
      : description_(description), path_(std::move(path)), title_(std::move(title)) {}

  [[noreturn]] void fail(const std::string& key, const std::string& problem) const {
    throw InputError(description_.place(path_ + "." + key), title_ + problem);
  }
  void refuse(const char* key, bool said, const std::string& reason) const {
    if (said) fail(key, key + (" " + reason));
  }

 private:
  const Description& description_;
  std::string path_, title_;
};

void check_columns(const DataSection& data, const Section& at) {
  std::vector<std::string> features = data.categorical;
  features.insert(features.end(), data.numeric.begin(), data.numeric.end());
  for (const std::string& column : data.numeric)
    if (contains(data.categorical, column))
      at.fail("numeric",
              "column " + quote(column) + " is both numeric and categorical; take it out of one list");
  if (contains(features, data.label.value))
    at.fail("label",
            "the label " + quote(data.label.value) + " is a feature too; take it out of the features");
  for (const std::string& column : data.standardize)
    if (!contains(data.numeric, column))
      at.fail("standardize",
              "standardize names " + quote(column) + ", which is not in numeric; add it there");

  if (data.header)
    return at.refuse("names", !data.names.empty(),
                     "are for files without a header; remove them or say header = false");
  if (data.names.empty()) at.fail("header", "header is false, but names is missing; list the columns' names");
  features.push_back(data.label.value);
  if (data.image) features.push_back(data.image->column);
  for (const std::string& column : features)
    if (!contains(data.names, column))
      at.fail("names", "there is no column " + quote(column) + " in names; did you mean " +
                           quote(nearest(column, data.names)) + "?");
}

void complete_csv(const DataSection& data, const Section& at) {
  if (data.path.value.empty()) at.fail("kind", "[data] has no path; name the CSV file");
  if (data.label.value.empty()) at.fail("kind", "[data] has no label; name the column to predict");
  const DataSection plain;
  const std::string synthetic = "is for kind = \"synthetic_faces\" only; remove it";
  at.refuse("difficulty_0", data.synthetic_difficulty_0 != plain.synthetic_difficulty_0, synthetic);
  at.refuse("difficulty_1", data.synthetic_difficulty_1 != plain.synthetic_difficulty_1, synthetic);
  const std::string beside = "cannot stand beside image; a table has one or the other";
  at.refuse("numeric", data.image && !data.numeric.empty(), beside);
  at.refuse("categorical", data.image && !data.categorical.empty(), beside);
  if (!data.image && data.numeric.empty() && data.categorical.empty())
    at.fail("kind", "[data] names no features; list them in numeric and categorical, or say image");
  check_columns(data, at);
}

void complete_synthetic(DataSection& data, const Section& at) {
  DataSection drawn;
  drawn.kind = data.kind;
  drawn.label.value = "gender";
  drawn.image = ImageColumn{"pixels", 1, 48, 48};
  const std::string reason = "is for kind = \"csv\" only, synthetic faces are drawn; remove it";
  at.refuse("path", !data.path.value.empty(), reason);
  at.refuse("header", !data.header, reason);
  at.refuse("delimiter", data.delimiter != drawn.delimiter, reason);
  at.refuse("names", !data.names.empty(), reason);
  at.refuse("label", !data.label.value.empty() && data.label != drawn.label, reason);
  at.refuse("positive", data.positive.has_value(), reason);
  at.refuse("numeric", !data.numeric.empty(), reason);
  at.refuse("categorical", !data.categorical.empty(), reason);
  at.refuse("standardize", !data.standardize.empty(), reason);
  at.refuse("image", data.image && data.image != drawn.image, reason);
  at.refuse("shuffle", data.shuffle, reason);
  if (!data.rows) at.fail("kind", "[data] has no rows; say how many faces to draw");
  data.label.value = drawn.label.value;
  data.image = drawn.image;
}

void check_groups(const Description& d) {
  std::map<std::string, const GroupSection*> first;
  for (const GroupSection& group : d.groups) {
    if (group.attribute == "x")
      Section(d, "group." + group.name, "group " + quote(group.name) + ": ")
          .fail("attribute", "attribute is \"x\", which joins attributes in subgroups; rename it");
    const GroupSection& other = *first.try_emplace(group.attribute, &group).first->second;
    if (other.overlapping != group.overlapping)
      Section(d, "group." + group.name, "group " + quote(group.name) + ": ")
          .fail("overlapping", "overlapping differs from that of group " + quote(other.name) +
                                   "; all groups of the attribute " + quote(group.attribute) +
                                   " say the same");
  }
}

/// The attributes of "gender x ethnicity".
std::vector<std::string> attributes_of(const std::string& subgroup) {
  std::vector<std::string> attributes;
  std::size_t start = 0;
  for (std::size_t end; (end = subgroup.find(" x ", start)) != std::string::npos; start = end + 3)
    attributes.push_back(subgroup.substr(start, end - start));
  attributes.push_back(subgroup.substr(start));
  return attributes;
}

void check_subgroups(const Description& d) {
  const Section at(d, "evaluation", "");
  std::vector<std::string> known;
  for (const GroupSection& group : d.groups)
    if (!contains(known, group.attribute)) known.push_back(group.attribute);

  std::set<std::vector<std::string>> seen;
  for (const std::string& subgroup : d.evaluation.subgroups) {
    auto attributes = attributes_of(subgroup);
    for (const std::string& attribute : attributes)
      if (!contains(known, attribute))
        at.fail("subgroups",
                "subgroups names the attribute " + quote(attribute) + ", which no [[group]] has" +
                    (known.empty() ? "; declare its groups"
                                   : "; did you mean " + quote(nearest(attribute, known)) + "?"));
    std::sort(attributes.begin(), attributes.end());
    if (std::adjacent_find(attributes.begin(), attributes.end()) != attributes.end())
      at.fail("subgroups", quote(subgroup) + " crosses an attribute with itself; name each once");
    if (!seen.insert(attributes).second)
      at.fail("subgroups", quote(subgroup) + " stands twice in subgroups; remove one");
  }
}

void complete_model(const Description& d, ModelSection& model) {
  const Section at(d, "model." + model.name, "model " + quote(model.name) + ": ");
  const bool seldonian = model.kind == "seldonian";

  const int lengths =
      model.iterations.has_value() + model.epochs.has_value() + model.epochs_for_iterations.has_value();
  if (lengths > 1)
    at.fail(model.epochs ? "epochs" : "epochs_for_iterations",
            "epochs, iterations and epochs_for_iterations exclude each other; keep one");
  if (seldonian && lengths == 0)
    at.fail("name",
            "nothing says how long to train; add iterations, or batch_size with epochs or "
            "epochs_for_iterations");
  const std::string no_batches =
      "needs batch_size; without batches one pass is one iteration: say iterations";
  at.refuse("epochs", !model.batch_size && model.epochs, no_batches);
  at.refuse("epochs_for_iterations", !model.batch_size && model.epochs_for_iterations, no_batches);
  at.refuse("min_epochs", model.min_epochs && !model.epochs_for_iterations,
            "is a lower limit on what epochs_for_iterations gives, which is missing; remove it");
  if (model.batch_size && lengths == 0)
    at.fail("batch_size", "batch_size needs iterations, epochs or epochs_for_iterations");

  const bool external = model.architecture.value == "external";
  if (external && seldonian)
    at.fail("architecture", "an external program cannot be Seldonian; say kind = \"baseline\"");
  if (external && model.command.empty())
    at.fail("architecture", "architecture \"external\" has no command; list the program and its arguments");
  const std::string not_external = "is for architecture = \"external\" only; remove it";
  at.refuse("command", !external && !model.command.empty(), not_external);
  at.refuse("time_limit", !external && model.time_limit != ModelSection{}.time_limit, not_external);

  at.refuse("precision", d.device == "cpu" && model.precision != ModelSection{}.precision,
            "\"" + model.precision + "\" is for GPUs only, and device is \"cpu\"; remove one");

  const std::size_t multipliers = model.optimizer.multipliers.size();
  if (seldonian && multipliers != 1 && multipliers != d.constraints.size())
    at.fail("optimizer.multipliers", "optimizer.multipliers has " + std::to_string(multipliers) +
                                         " entries; give one, or one for each of the " +
                                         std::to_string(d.constraints.size()) + " constraints");
  if (seldonian && d.constraints.empty())
    at.fail("kind", "a Seldonian model needs a [[constraint]], and there is none; add one");
  if (model.objective.empty())
    model.objective = d.regime == Regime::regression ? "mean_squared_error" : "log_loss";
}

void check_constraint(const Description& d, const ConstraintSection& constraint) {
  if (constraint.range && !((*constraint.range)[0] < (*constraint.range)[1]))
    Section(d, "constraint." + constraint.name, "constraint " + quote(constraint.name) + ": ")
        .fail("range", "range is [" + shortest((*constraint.range)[0]) + ", " +
                           shortest((*constraint.range)[1]) + "]; the first must be below the second");
}

}  // namespace

void complete(Description& d) {
  const Section data(d, "data", "");
  if (d.data.kind == "csv") {
    complete_csv(d.data, data);
  } else {
    complete_synthetic(d.data, data);
  }
  if (d.regime == Regime::regression)
    data.refuse("positive", d.data.positive.has_value(), "is for classification; remove it");

  check_groups(d);
  if (!d.resample.indices.value.empty() && d.resample.ground_truth == "held_out")
    throw InputError(d.place("resample.indices"),
                     "indices name rows of the whole table, and ground_truth = \"held_out\" takes rows away; "
                     "remove one");
  for (const ConstraintSection& constraint : d.constraints) check_constraint(d, constraint);
  if (d.models.empty()) throw InputError(d.where, "there is no [[model]]; add at least one");
  for (ModelSection& model : d.models) complete_model(d, model);

  if (d.evaluation.performance.empty())
    d.evaluation.performance = d.regime == Regime::regression
                                   ? std::vector<std::string>{"mean_squared_error"}
                                   : std::vector<std::string>{"log_loss", "accuracy"};
  check_subgroups(d);

  const std::uint64_t cells = std::uint64_t{d.n_trials} * d.data_fracs.size() * d.models.size();
  if (cells > most_cells)
    throw InputError(d.place("experiment.n_trials"),
                     std::to_string(d.n_trials) + " trials x " + std::to_string(d.data_fracs.size()) +
                         " fractions x " + std::to_string(d.models.size()) + " models are " +
                         std::to_string(cells) + " cells, over the " + std::to_string(most_cells) +
                         " of one experiment; split it");
}

}  // namespace seldon::experiment
