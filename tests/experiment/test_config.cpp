#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "example.h"
#include "experiment/config.h"

namespace seldon::experiment::test {
namespace {

TEST(Config, ReadsTheExample) {
  const Description d = parse(example);
  EXPECT_EQ(d.name, "loans");
  EXPECT_EQ(d.seed, 1u);
  EXPECT_EQ(d.n_trials, 25u);
  EXPECT_EQ(d.data_fracs, (std::vector{0.1, 0.5, 1.0}));
  EXPECT_EQ(d.data.path.value, "loans.csv");
  EXPECT_EQ(d.data.path.where.str(), "x.toml:8");
  EXPECT_EQ(d.data.numeric, (std::vector<std::string>{"age", "months"}));
  ASSERT_EQ(d.groups.size(), 2u);
  EXPECT_EQ(d.groups[1].where.value, "gender == 1");
  EXPECT_EQ(d.groups[1].where.where.str(), "x.toml:19");
  ASSERT_EQ(d.constraints.size(), 1u);
  EXPECT_EQ(d.constraints[0].delta.value, 0.05);
  ASSERT_EQ(d.models.size(), 2u);
  EXPECT_EQ(d.models[0].iterations, 100u);
  EXPECT_EQ(d.models[1].kind, "baseline");
}

TEST(Config, LeavesTheDefaults) {
  const Description d = parse(example);
  EXPECT_EQ(d.frac_in_safety, 0.6);
  EXPECT_EQ(d.models[0].optimizer.variant, "adam");
  EXPECT_EQ(d.models[0].objective, "log_loss");
  EXPECT_EQ(d.evaluation.performance, (std::vector<std::string>{"log_loss", "accuracy"}));
  EXPECT_EQ(d.store_max_bytes, std::uint64_t{64} << 30);
  EXPECT_EQ(parse(with(example, "seed = 1", "seed = 1\nregime = \"regression\"")).models[0].objective,
            "mean_squared_error");
}

TEST(Config, ReadsTablesInsideSections) {
  const Description d =
      parse(with(example, "iterations = 100",
                 "iterations = 100\noptimizer = { variant = \"toolkit\", multipliers = [1] }\n"
                 "architecture_options = { a = 1, b = 0.5 }"));
  EXPECT_EQ(d.models[0].optimizer.variant, "toolkit");
  EXPECT_EQ(d.models[0].optimizer.multipliers, std::vector{1.0});
  EXPECT_EQ(d.models[0].architecture_options, (std::map<std::string, double>{{"a", 1}, {"b", 0.5}}));
}

// numpy.logspace(-3, 0, 15), NumPy 1.26 with the C library's pow.
TEST(Config, LogspaceIsNumpys) {
  const std::vector<double> expected = {0.001,
                                        0.0016378937069540646,
                                        0.0026826957952797246,
                                        0.004393970560760791,
                                        0.0071968567300115215,
                                        0.011787686347935873,
                                        0.019306977288832496,
                                        0.03162277660168379,
                                        0.0517947467923121,
                                        0.08483428982440717,
                                        0.13894954943731375,
                                        0.22758459260747887,
                                        0.3727593720314938,
                                        0.6105402296585326,
                                        1.0};
  EXPECT_EQ(parse(with(example, "[0.1,\n  0.5, 1.0]", "{ logspace = [-3, 0, 15] }")).data_fracs, expected);
}

TEST(Config, LogspaceOfOnePoint) {
  EXPECT_EQ(parse(with(example, "[0.1,\n  0.5, 1.0]", "{ logspace = [-1, 0, 1] }")).data_fracs,
            std::vector{0.1});
}

TEST(Config, KnowsWhereEachKeyStands) {
  const Description d = parse(example, {"model.qsa.objective=log_loss"});
  EXPECT_EQ(d.place("evaluation.subgroups").str(), "x.toml:33");
  EXPECT_EQ(d.place("model.random.v2.kind").str(), "x.toml:30");
  EXPECT_EQ(d.place("model.qsa.objective").str(), "command line (--set model.qsa.objective)");
  EXPECT_EQ(d.place("model.qsa.batch_size").str(), "x.toml:24")
      << "a key left out has the place of its section";
  EXPECT_EQ(d.place("store.max_bytes").str(), "x.toml");
}

struct Bad {
  std::string name, from, to, message;
};
void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.name;
}

class ConfigRefuses : public testing::TestWithParam<Bad> {};

TEST_P(ConfigRefuses, WithThePlaceAndTheReason) {
  const Bad& bad = GetParam();
  EXPECT_EQ(refusal(with(example, bad.from, bad.to)), bad.message);
}

const Bad bad_configs[] = {
    {"fraction_over_1", "0.5, 1.0", "0.5, 1.0, 1.2",
     "x.toml:6: data_fracs[3] is 1.2 (a fraction lies in (0, 1]); remove it"},
    {"fraction_0", "[0.1,", "[0.0,", "x.toml:5: data_fracs[0] is 0 (a fraction lies in (0, 1]); remove it"},
    {"fraction_twice", "0.5, 1.0", "0.5, 0.5",
     "x.toml:6: data_fracs[2] is 0.5, as the one before; list fractions in increasing order, each once"},
    {"fraction_falls", "0.5, 1.0", "1.0, 0.5",
     "x.toml:6: data_fracs[2] is 0.5, below the one before; list fractions in increasing order, each once"},
    {"fraction_nan", "0.5, 1.0", "0.5, nan", "x.toml:6: data_fracs[2] is nan; write a finite number"},
    {"fraction_text", "0.5, 1.0", "0.5, \"1\"",
     "x.toml:6: data_fracs[2] must be a number, and is the text \"1\""},
    {"no_fractions", "[0.1,\n  0.5, 1.0]", "[]",
     "x.toml:5: data_fracs is an empty list; fill it or remove the key"},
    {"fractions_number", "[0.1,\n  0.5, 1.0]", "1.0",
     "x.toml:5: data_fracs must be a list, as in [0.1, 1.0], or { logspace = [-3, 0, 15] }, and is the "
     "number 1"},
    {"logspace_key", "[0.1,\n  0.5, 1.0]", "{ linspace = [0, 1, 3] }",
     "x.toml:5: unknown key \"linspace\" in data_fracs; did you mean \"logspace\"?"},
    {"logspace_short", "[0.1,\n  0.5, 1.0]", "{ logspace = [-3, 0] }",
     "x.toml:5: data_fracs must say { logspace = [START, STOP, COUNT] }, as in [-3, 0, 15]"},
    {"logspace_over_1", "[0.1,\n  0.5, 1.0]", "{ logspace = [-1, 1, 3] }",
     "x.toml:5: data_fracs[2] is 10 (a fraction lies in (0, 1]); remove it"},
    {"logspace_count", "[0.1,\n  0.5, 1.0]", "{ logspace = [-1, 0, 100000] }",
     "x.toml:5: data_fracs has a logspace of 100000 points (1 to 1000)"},
    {"logspace_inf", "[0.1,\n  0.5, 1.0]", "{ logspace = [-inf, 0, 3] }",
     "x.toml:5: data_fracs has a logspace that is not finite"},
    {"unknown_key", "n_trials = 25", "n_trials = 25\nn_trial = 3",
     "x.toml:5: unknown key \"n_trial\" in [experiment]; did you mean \"n_trials\"?"},
    {"misspelt_required_key", "n_trials = 25", "n_trails = 25",
     "x.toml:4: unknown key \"n_trails\" in [experiment]; did you mean \"n_trials\"?"},
    {"key_of_another_section", "seed = 1", "seed = 1\nfrac_in_safety = 0.5",
     "x.toml:4: unknown key \"frac_in_safety\" in [experiment]; it belongs to [split]"},
    {"key_in_model", "iterations = 100", "iterations = 100\niteratons = 3",
     "x.toml:28: unknown key \"iteratons\" in model \"qsa\"; did you mean \"iterations\"?"},
    {"key_in_optimizer", "iterations = 100", "iterations = 100\noptimizer = { stepsize = 3 }",
     "x.toml:28: unknown key \"stepsize\" in model \"qsa\", optimizer; did you mean \"step_size\"?"},
    {"unknown_section", "[evaluation]", "[evalution]",
     "x.toml:32: unknown section [evalution]; did you mean [evaluation]?"},
    {"key_outside", "[experiment]", "seed = 1\n[experiment]",
     "x.toml:1: unknown key \"seed\" outside any section; it belongs to [experiment]"},
    {"single_constraint", "[[constraint]]", "[constraint]",
     "x.toml:20: \"constraint\" is a list of sections: write [[constraint]] for each"},
    {"double_data", "[data]", "[[data]]", "x.toml:7: \"data\" stands once, in single brackets: write [data]"},
    {"missing_key", "seed = 1\n", "", "x.toml:1: [experiment] has no seed; add it"},
    {"missing_name", "name = \"qsa\"\n", "", "x.toml:24: [[model]] 1 has no name; add it"},
    {"missing_fractions", "data_fracs = [0.1,\n  0.5, 1.0]\n", "",
     "x.toml:1: [experiment] has no data_fracs; add it"},
    {"text_for_number", "n_trials = 25", "n_trials = \"25\"",
     "x.toml:4: n_trials must be a whole number, and is the text \"25\""},
    {"real_for_whole", "n_trials = 25", "n_trials = 25.0",
     "x.toml:4: n_trials must be a whole number, and is the number 25"},
    {"zero_trials", "n_trials = 25", "n_trials = 0",
     "x.toml:4: n_trials is 0 (it lies in [1, 1e+06]); change it"},
    {"negative_seed", "seed = 1", "seed = -1", "x.toml:3: seed is -1 (it must be at least 0); change it"},
    {"number_for_text", "label = \"rating\"", "label = 3",
     "x.toml:9: label must be a text in quotes, and is the number 3; put it in quotes"},
    {"date_for_text", "label = \"rating\"", "label = 2020-01-01",
     "x.toml:9: label must be a text in quotes, and is a date or time; put it in quotes"},
    {"text_for_list", "numeric = [\"age\", \"months\"]", "numeric = \"age\"",
     "x.toml:10: numeric must be a list in square brackets, and is the text \"age\""},
    {"empty_list", "numeric = [\"age\", \"months\"]", "numeric = []",
     "x.toml:10: numeric is an empty list; fill it or remove the key"},
    {"twice_in_list", "\"months\"", "\"age\"", "x.toml:10: numeric[1] is \"age\" again; remove it"},
    {"empty_text", "path = \"loans.csv\"", "path = \"\"",
     "x.toml:8: path is empty; give a text or remove the key"},
    {"zero_byte", "path = \"loans.csv\"", "path = \"a\\u0000b\"",
     "x.toml:8: path holds a zero byte; remove it"},
    {"text_for_switch", "label", "header = \"yes\"\nlabel",
     "x.toml:9: header must be true or false, and is the text \"yes\""},
    {"long_delimiter", "label", "delimiter = \";;\"\nlabel",
     "x.toml:9: delimiter is \";;\"; give one character"},
    {"table_for_number", "delta = 0.05", "delta = {}",
     "x.toml:23: constraint \"parity\": delta must be a number, and is a table"},
    {"number_for_table", "iterations = 100", "iterations = 100\noptimizer = 3",
     "x.toml:28: model \"qsa\": optimizer must be a table, as in { key = value }"},
    {"options_of_text", "iterations = 100", "iterations = 100\narchitecture_options = { p = \"x\" }",
     "x.toml:28: model \"qsa\": architecture_options.p must be a number, and is the text \"x\""},
    {"options_no_table", "iterations = 100", "iterations = 100\narchitecture_options = 1",
     "x.toml:28: model \"qsa\": architecture_options must be a table, as in { probability = 0.5 }, and is "
     "the number 1"},
    {"option_name", "iterations = 100", "iterations = 100\narchitecture_options = { \"a b\" = 1 }",
     "x.toml:28: model \"qsa\": architecture_options.a b is no name (1 to 64 letters, digits, '_', '-' and "
     "'.'); "
     "rename it"},
    {"delta_1", "delta = 0.05", "delta = 1",
     "x.toml:23: constraint \"parity\": delta is 1 (it lies in (0, 1)); change it"},
    {"delta_nan", "delta = 0.05", "delta = nan",
     "x.toml:23: constraint \"parity\": delta is nan; write a finite number"},
    {"step_size_0", "iterations = 100", "iterations = 100\noptimizer = { step_size = 0 }",
     "x.toml:28: model \"qsa\": optimizer.step_size is 0 (it must be above 0); change it"},
    {"beta_1", "iterations = 100", "iterations = 100\noptimizer = { beta_velocity = 1 }",
     "x.toml:28: model \"qsa\": optimizer.beta_velocity is 1 (it lies in [0, 1)); change it"},
    {"bad_name", "name = \"qsa\"", "name = \"q s\"",
     "x.toml:25: [[model]] 1: name is \"q s\" (a name has 1 to 64 letters, digits, '_', '-' and '.'); rename "
     "it"},
    {"dots_name", "name = \"qsa\"", "name = \"..\"",
     "x.toml:25: [[model]] 1: name is \"..\" (a name has 1 to 64 letters, digits, '_', '-' and '.'); rename "
     "it"},
    {"same_model", "name = \"random.v2\"", "name = \"qsa\"",
     "x.toml:29: model \"qsa\" exists already (x.toml:25); give each its own name"},
    {"same_group", "name = \"F\"", "name = \"M\"",
     "x.toml:18: group \"M\" exists already (x.toml:14); give each its own name"},
    {"same_constraint", "[[model]]",
     "[[constraint]]\nname = \"parity\"\nexpression = \"PR\"\ndelta = 0.1\n[[model]]",
     "x.toml:25: constraint \"parity\" exists already (x.toml:21); give each its own name"},
    {"unknown_kind", "kind = \"baseline\"", "kind = \"base\"",
     "x.toml:30: model \"random.v2\": kind is \"base\" (it is one of \"seldonian\", \"baseline\"); did you "
     "mean "
     "\"baseline\"?"},
    {"unknown_variant", "iterations = 100", "iterations = 100\noptimizer.variant = \"adams\"",
     "x.toml:28: model \"qsa\": optimizer.variant is \"adams\" (it is one of \"adam\", \"toolkit\"); did you "
     "mean "
     "\"adam\"?"},
    {"unknown_truth", "[evaluation]", "[resample]\nground_truth = \"heldout\"\n[evaluation]",
     "x.toml:33: ground_truth is \"heldout\" (it is one of \"original\", \"held_out\"); did you mean "
     "\"held_out\"?"},
    {"unknown_regime", "seed = 1", "seed = 1\nregime = \"ranking\"",
     "x.toml:4: regime is \"ranking\" (it is one of \"classification\", \"regression\"); did you mean "
     "\"regression\"?"},
    {"range_of_three", "delta = 0.05", "delta = 0.05\nrange = [0, 1, 2]",
     "x.toml:24: constraint \"parity\": range has 3 entries; give two, [low, high]"},
};
INSTANTIATE_TEST_SUITE_P(Config, ConfigRefuses, testing::ValuesIn(bad_configs),
                         [](const auto& bad) { return bad.param.name; });

// The parser's own words differ between its versions.
TEST(Config, RefusesWhatIsNoTomlWithThePlace) {
  EXPECT_TRUE(refusal(with(example, "seed = 1", "seed = = 1")).starts_with("x.toml:3: this is not TOML: "));
  EXPECT_TRUE(refusal(with(example, "[[model]]", "[model]")).starts_with("x.toml:28: this is not TOML: "));
}

TEST(Config, RefusesASectionWithoutAName) {
  EXPECT_EQ(refusal(with(example, "[[model]]", "[[= \"x\"")),
            "x.toml:24: this is not TOML: a section or key has no name where one should begin");
  EXPECT_EQ(parse(example, {"data.path=\n[="}).data.path.value, "\n[=");
}

TEST(Config, RefusesAnEmptyFile) {
  EXPECT_EQ(refusal(""), "x.toml: [experiment] has no name; add it");
}

TEST(Config, RefusesDeepNesting) {
  std::string dotted = "a";
  for (int i = 0; i < 100000; ++i) dotted += ".a";
  EXPECT_EQ(refusal("\n" + dotted + " = 1\n"), "x.toml:2: over 100 dots in one key; shorten it");
  EXPECT_NE(refusal("a = " + std::string(100000, '[')).find("this is not TOML"), std::string::npos);
  EXPECT_EQ(refusal("# " + std::string(500, '.') + "\n" + example), "") << "a line of dots nests nothing";
}

TEST(Config, RefusesUnicodeOutsideOfStrings) {
  const std::string message = ": a character beyond ASCII stands outside of quotes; put the text in quotes";
  EXPECT_EQ(refusal(with(example, "\"loans.csv\"", "\xc3\xa9.csv")), "x.toml:8" + message);
  // After each kind of string, a comment, an escape and a string that ends in quotes the place is still
  // known.
  for (const std::string before :
       {"\"a\\\"b\"", "'a\\'", "\"\"\"a\nb\"\"\"", "'''a'b'''", "\"\"\"a\"\"\"\"\"", "\"\""}) {
    const int line = before.find('\n') == std::string::npos ? 1 : 2;
    EXPECT_EQ(refusal("x = " + before + " \xc3\xa9"), "x.toml:" + std::to_string(line) + message) << before;
    EXPECT_EQ(refusal("x = " + before + " # \"\n\xc3\xa9"), "x.toml:" + std::to_string(line + 1) + message)
        << before;
  }
  EXPECT_EQ(refusal("\xef\xbb\xbf# \xc3\xa9\n" + with(example, "loans.csv", "\xc3\xa9.csv")), "");
  EXPECT_EQ(parse(example, {"data.path=\xc3\xa9.csv"}).data.path.value, "\xc3\xa9.csv");
}

TEST(Config, RefusesZeroBytes) {
  EXPECT_EQ(refusal(example + std::string(1, '\0')), "x.toml: this holds zero bytes; it is no text");
}

TEST(Config, RefusesAHugeFile) {
  EXPECT_EQ(refusal(std::string(2 << 20, '\n')), "x.toml: this has over 1 MiB; is it the right file?");
}

TEST(Config, LoadsAFileAndResolvesPaths) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "seldon_test_config";
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "a.toml").string();
  std::ofstream(path) << example;
  const Description d = load_config(path);
  EXPECT_EQ(d.resolve(d.data.path.value), (folder / "loans.csv").string());
  EXPECT_EQ(d.where.str(), path);
  std::filesystem::remove_all(folder);
}

TEST(Config, RefusesAFileThatIsNot) {
  EXPECT_THROW(
      {
        try {
          load_config("/no/such.toml");
        } catch (const InputError& error) {
          EXPECT_STREQ(error.what(), "/no/such.toml: cannot be opened; check the path and its permissions");
          throw;
        }
      },
      InputError);
  EXPECT_THROW(load_config(testing::TempDir()), InputError);
}

}  // namespace
}  // namespace seldon::experiment::test
