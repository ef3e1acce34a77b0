#include <gtest/gtest.h>

#include "example.h"
#include "experiment/check.h"

namespace seldon::experiment::test {
namespace {

struct Bad {
  std::string name, from, to, message;
};
void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.name;
}

class CheckRefuses : public testing::TestWithParam<Bad> {};

TEST_P(CheckRefuses, WithThePlaceAndTheReason) {
  const Bad& bad = GetParam();
  EXPECT_EQ(refusal(with(example, bad.from, bad.to)), bad.message);
}

const Bad contradictions[] = {
    {"no_path", "path = \"loans.csv\"\n", "", "x.toml:7: [data] has no path; name the CSV file"},
    {"no_label", "label = \"rating\"\n", "", "x.toml:7: [data] has no label; name the column to predict"},
    {"no_features", "numeric = [\"age\", \"months\"]\ncategorical = [\"housing\"]\n", "",
     "x.toml:7: [data] names no features; list them in numeric and categorical, or say image"},
    {"image_and_numeric", "label", "image = { column = \"p\", height = 4, width = 4 }\nlabel",
     "x.toml:11: numeric cannot stand beside image; a table has one or the other"},
    {"feature_of_two_kinds", "\"housing\"", "\"age\"",
     "x.toml:10: column \"age\" is both numeric and categorical; take it out of one list"},
    {"label_is_a_feature", "\"rating\"", "\"age\"",
     "x.toml:9: the label \"age\" is a feature too; take it out of the features"},
    {"standardize_categorical", "label", "standardize = [\"housing\"]\nlabel",
     "x.toml:9: standardize names \"housing\", which is not in numeric; add it there"},
    {"names_beside_header", "label", "names = [\"age\"]\nlabel",
     "x.toml:9: names are for files without a header; remove them or say header = false"},
    {"no_names", "label", "header = false\nlabel",
     "x.toml:9: header is false, but names is missing; list the columns' names"},
    {"not_among_names", "label",
     "header = false\nnames = [\"ages\", \"months\", \"housing\", \"rating\"]\nlabel",
     "x.toml:10: there is no column \"age\" in names; did you mean \"ages\"?"},
    {"difficulty_of_a_file", "label", "difficulty_0 = 0.5\nlabel",
     "x.toml:9: difficulty_0 is for kind = \"synthetic_faces\" only; remove it"},
    {"path_of_drawn_faces", "path", "kind = \"synthetic_faces\"\npath",
     "x.toml:9: path is for kind = \"csv\" only, synthetic faces are drawn; remove it"},
    {"positive_of_regression", "seed = 1\nn_trials = 25\ndata_fracs = [0.1,\n  0.5, 1.0]\n[data]\n",
     "seed = 1\nregime = \"regression\"\nn_trials = 25\ndata_fracs = [1.0]\n[data]\npositive = \"1\"\n",
     "x.toml:8: positive is for classification; remove it"},
    {"overlapping_differs", "where = \"gender == 1\"", "where = \"gender == 1\"\noverlapping = true",
     "x.toml:20: group \"F\": overlapping differs from that of group \"M\"; all groups of the attribute "
     "\"gender\" say "
     "the same"},
    {"attribute_x", "attribute = \"gender\"", "attribute = \"x\"",
     "x.toml:13: group \"M\": attribute is \"x\", which joins attributes in subgroups; rename it"},
    {"unknown_attribute", "[\"gender\"]", "[\"gendre\"]",
     "x.toml:33: subgroups names the attribute \"gendre\", which no [[group]] has; did you mean \"gender\"?"},
    {"attribute_with_itself", "[\"gender\"]", "[\"gender x gender\"]",
     "x.toml:33: \"gender x gender\" crosses an attribute with itself; name each once"},
    {"indices_and_held_out", "[evaluation]",
     "[resample]\nindices = \"i.csv\"\nground_truth = \"held_out\"\n[evaluation]",
     "x.toml:33: indices name rows of the whole table, and ground_truth = \"held_out\" takes rows away; "
     "remove one"},
    {"iterations_and_epochs", "iterations = 100", "iterations = 100\nbatch_size = 10\nepochs = 3",
     "x.toml:29: model \"qsa\": epochs, iterations and epochs_for_iterations exclude each other; keep one"},
    {"iterations_twice", "iterations = 100", "iterations = 100\nbatch_size = 10\nepochs_for_iterations = 3",
     "x.toml:29: model \"qsa\": epochs, iterations and epochs_for_iterations exclude each other; keep one"},
    {"no_length", "iterations = 100\n", "",
     "x.toml:25: model \"qsa\": nothing says how long to train; add iterations, or batch_size with epochs or "
     "epochs_for_iterations"},
    {"epochs_of_full_batch", "iterations = 100", "epochs = 3",
     "x.toml:27: model \"qsa\": epochs needs batch_size; without batches one pass is one iteration: say "
     "iterations"},
    {"min_epochs_alone", "iterations = 100", "iterations = 100\nmin_epochs = 3",
     "x.toml:28: model \"qsa\": min_epochs is a lower limit on what epochs_for_iterations gives, which is "
     "missing; "
     "remove it"},
    {"batches_without_length", "kind = \"baseline\"", "kind = \"baseline\"\nbatch_size = 3",
     "x.toml:31: model \"random.v2\": batch_size needs iterations, epochs or epochs_for_iterations"},
    {"seldonian_external", "architecture = \"logistic\"", "architecture = \"external\"",
     "x.toml:26: model \"qsa\": an external program cannot be Seldonian; say kind = \"baseline\""},
    {"external_without_command", "\"uniform_random\"", "\"external\"",
     "x.toml:31: model \"random.v2\": architecture \"external\" has no command; list the program and its "
     "arguments"},
    {"command_without_external", "iterations = 100", "iterations = 100\ncommand = [\"ls\"]",
     "x.toml:28: model \"qsa\": command is for architecture = \"external\" only; remove it"},
    {"time_limit_without_external", "iterations = 100", "iterations = 100\ntime_limit = 3",
     "x.toml:28: model \"qsa\": time_limit is for architecture = \"external\" only; remove it"},
    {"multipliers", "iterations = 100", "iterations = 100\noptimizer.multipliers = [1, 2]",
     "x.toml:28: model \"qsa\": optimizer.multipliers has 2 entries; give one, or one for each of the 1 "
     "constraints"},
    {"range_backwards", "delta = 0.05", "delta = 0.05\nrange = [1, 0]",
     "x.toml:24: constraint \"parity\": range is [1, 0]; the first must be below the second"},
    {"no_constraint",
     "[[constraint]]\nname = \"parity\"\nexpression = \"(PR | [M]) - (PR | [F]) <= 0.1\"\ndelta = 0.05\n", "",
     "x.toml:20: model \"qsa\": a Seldonian model needs a [[constraint]], and there is none; add one"},
    {"too_many_cells", "n_trials = 25\ndata_fracs = [0.1,\n  0.5, 1.0]",
     "n_trials = 1000000\ndata_fracs = { logspace = [-1, 0, 100] }",
     "x.toml:4: 1000000 trials x 100 fractions x 2 models are 200000000 cells, over the 100000000 of one "
     "experiment; "
     "split it"},
};
INSTANTIATE_TEST_SUITE_P(Check, CheckRefuses, testing::ValuesIn(contradictions),
                         [](const auto& bad) { return bad.param.name; });

TEST(Check, RefusesAPrecisionThatADeviceLacks) {
  EXPECT_EQ(
      refusal(example, {"experiment.device=cpu", "model.qsa.precision=tf32"}),
      "command line (--set model.qsa.precision): model \"qsa\": precision \"tf32\" is for GPUs only, and "
      "device is \"cpu\"; remove one");
  EXPECT_EQ(refusal(example, {"model.qsa.precision=tf32"}), "") << "a GPU may be there";
  EXPECT_EQ(refusal(example, {"experiment.device=cuda", "model.qsa.precision=bfloat16"}), "");
}

TEST(Check, KnowsTheDevicesAndForms) {
  EXPECT_EQ(
      refusal(example, {"experiment.device=gpu"}),
      "command line (--set experiment.device): device is \"gpu\" (it is one of \"auto\", \"cpu\", \"cuda\"); "
      "did you mean \"cpu\"?");
  EXPECT_NE(refusal(example, {"experiment.gpus_per_trial=0"}), "");
  EXPECT_NE(refusal(example, {"model.qsa.precision=float16"}), "");
  EXPECT_NE(refusal(example, {"model.qsa.convolutions=winograd"}), "");
}

TEST(Check, RefusesAConfigWithoutModels) {
  EXPECT_EQ(refusal(example.substr(0, example.find("[[model]]"))),
            "x.toml: there is no [[model]]; add at least one");
}

TEST(Check, RefusesTheSameCrossingTwice) {
  std::string text =
      with(example, "[[constraint]]",
           "[[group]]\nattribute = \"age\"\nname = \"old\"\nwhere = \"age > 1\"\n[[constraint]]");
  text = with(text, "[\"gender\"]", "[\"gender x age\", \"age x gender\"]");
  EXPECT_EQ(refusal(text), "x.toml:37: \"age x gender\" stands twice in subgroups; remove one");
}

TEST(Check, SyntheticFacesNeedRowsOnly) {
  const std::string from =
      example.substr(example.find("path"), example.find("[[group]]") - example.find("path"));
  EXPECT_EQ(refusal(with(example, from, "kind = \"synthetic_faces\"\n")),
            "x.toml:8: [data] has no rows; say how many faces to draw");
  const Description d = parse(with(example, from, "kind = \"synthetic_faces\"\nrows = 10\n"));
  EXPECT_EQ(d.data.label.value, "gender");
  EXPECT_EQ(d.data.image, (ImageColumn{"pixels", 1, 48, 48}));
}

}  // namespace
}  // namespace seldon::experiment::test
