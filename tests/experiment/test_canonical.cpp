// canonical_toml, identity_json and identity_difference.

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "example.h"

namespace seldon::experiment::test {
namespace {

/// Between them, these write every key with a value that is not its default.
const std::string every_key_of_a_table = R"(
[experiment]
name = "all.keys"
seed = 9223372036854775807
n_trials = 3
data_fracs = { logspace = [-2, 0, 4] }
threads_per_worker = 2
device = "cuda"
gpus_per_trial = 4
[data]
path = "dir/a \"b\" \\ é.csv"
header = false
delimiter = "\t"
names = ["x", "y", "z", "c"]
label = "z"
positive = "good"
numeric = ["y", "x"]
categorical = ["c"]
standardize = ["x"]
rows = 100
shuffle = true
[[group]]
attribute = "a"
name = "A"
where = "x < 0.5"
overlapping = true
[split]
frac_in_safety = 0.30000000000000004
[resample]
method = "bootstrap"
indices = "rows.csv"
[[constraint]]
name = "c1"
expression = "PR <= 0.5"
delta = 1e-8
decision = "hard"
bound = "hoeffding"
range = [-1, 1e300]
delta_weights = [1, 0.25]
inflation = [1, 2.5]
[[constraint]]
name = "c2"
expression = "NR <= 0.5"
delta = 0.1
[[model]]
name = "m"
architecture = "logistic"
architecture_options = { depth = 3, "b.c" = 1e22 }
objective = "mean_squared_error"
l2 = 0.1
optimizer = { variant = "toolkit", step_size = 1, step_size_multipliers = 123456789012345680000.0, beta_velocity = 0, beta_rmsprop = 0.99, multipliers = [0, 1] }
variant = "toolkit"
initial_solution = "zeros"
batchnorm = "toolkit"
pack_size = 7
precision = "bfloat16"
convolutions = "unfolded"
batch_size = 10
epochs_for_iterations = 30
min_epochs = 2
keep_trace = true
keep_parameters = true
[[model]]
name = "e"
kind = "baseline"
architecture = "external"
command = ["python3", "it's here.py"]
time_limit = 1.5
[[model]]
name = "f"
architecture = "logistic"
batch_size = 3
epochs = 2
[evaluation]
performance = ["accuracy"]
batch_size = 7
subgroups = ["a"]
histograms = false
[run]
start_seconds = 11
lease_seconds = 12.5
cell_timeout = 13
grace_seconds = 0
max_tries = 4
max_deaths = 5
max_fails = 6
[store]
max_bytes = 1000
)";
const std::string every_key_of_images = R"(
[experiment]
name = "images"
seed = 0
n_trials = 1
data_fracs = [1]
regime = "regression"
[data]
path = "a.csv"
label = "z"
image = { column = "p", channels = 3, height = 4, width = 5 }
[resample]
ground_truth = "held_out"
[[model]]
name = "r"
kind = "baseline"
architecture = "linear"
iterations = 5
)";
const std::string every_key_of_drawn_faces = R"(
[experiment]
name = "drawn"
seed = 0
n_trials = 1
data_fracs = [1]
[data]
kind = "synthetic_faces"
rows = 5
difficulty_0 = 0
difficulty_1 = 1
[[model]]
name = "r"
kind = "baseline"
architecture = "uniform_random"
)";

class Canonical : public testing::TestWithParam<std::string> {};

TEST_P(Canonical, ParsesToAnEqualDescription) {
  const Description d = parse(GetParam());
  const std::string text = canonical_toml(d);
  const Description again = parse(text);
  EXPECT_EQ(again, d) << text;
  EXPECT_EQ(canonical_toml(again), text);
  EXPECT_EQ(identity_json(again), identity_json(d));
}
INSTANTIATE_TEST_SUITE_P(Canonical, Canonical,
                         testing::Values(example, every_key_of_a_table, every_key_of_images,
                                         every_key_of_drawn_faces));

TEST(CanonicalToml, HasEveryKey) {
  const std::string all =
      canonical_toml(parse(every_key_of_a_table)) + canonical_toml(parse(every_key_of_images));
  for (const KnownKey& known : known_keys()) {
    const std::string key = known.key.substr(known.key.find('.') + 1);
    EXPECT_NE(all.find("\n" + key + (key == "architecture_options" ? "." : " = ")), std::string::npos)
        << known.key;
  }
}

TEST(CanonicalToml, HasTheOverrides) {
  const std::string text = canonical_toml(parse(example, {"experiment.n_trials=4", "data.path=y.csv"}));
  EXPECT_EQ(parse(text).n_trials, 4u);
  EXPECT_EQ(parse(text).data.path.value, "y.csv");
}

TEST(Identity, IsJsonWithIdentityKeysOnly) {
  const Description d = parse(example);
  const auto json = nlohmann::json::parse(identity_json(d, {{"data.hash", "ab\"cd"}}));
  EXPECT_EQ(json["experiment.seed"], 1);
  EXPECT_EQ(json["experiment.data_fracs"], (std::vector{0.1, 0.5, 1.0}));
  EXPECT_EQ(json["model.qsa.optimizer.variant"], "adam");
  EXPECT_EQ(json["model.qsa.batch_size"], nullptr);
  EXPECT_EQ(json["model.qsa.iterations"], 100);
  EXPECT_EQ(json["model.random.v2.kind"], "baseline");
  EXPECT_EQ(json["model"], (std::vector<std::string>{"qsa", "random.v2"}));
  EXPECT_EQ(json["group.F.where"], "gender == 1");
  EXPECT_EQ(json["data.hash"], "ab\"cd");
  for (const char* execution : {"data.path", "experiment.threads_per_worker", "store.max_bytes",
                                "run.lease_seconds", "resample.indices"})
    EXPECT_FALSE(json.contains(execution)) << execution;
}

TEST(Identity, IsCanonical) {
  const std::string text = identity_json(parse(example));
  // nlohmann::json sorts keys and prints without spaces; only the form of numbers could differ.
  const auto json = nlohmann::json::parse(text);
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back("\"" + key + "\":");
  std::size_t at = 0;
  for (const std::string& key : keys) {
    const std::size_t found = text.find(key, at);
    ASSERT_NE(found, std::string::npos) << key << " is out of order";
    at = found;
  }
  EXPECT_EQ(text.find_first_of("\n\t"), std::string::npos);
}

TEST(Identity, IgnoresExecutionAndWrittenDefaults) {
  const std::string text = identity_json(parse(example));
  EXPECT_EQ(identity_json(parse(example, {"data.path=elsewhere.csv", "store.max_bytes=5",
                                          "experiment.threads_per_worker=4"})),
            text);
  EXPECT_EQ(identity_json(parse(example, {"split.frac_in_safety=0.6", "model.qsa.pack_size=0"})), text);
  EXPECT_NE(identity_json(parse(example, {"model.qsa.pack_size=1"})), text);
}

TEST(Identity, LeavesNewKeysOutWhereTheySayWhatWasAlwaysDone) {
  const std::vector<std::string> as_before = {"experiment.device=cpu", "model.qsa.convolutions=grouped",
                                              "model.random.v2.convolutions=grouped"};
  const auto json = nlohmann::json::parse(identity_json(parse(example, as_before)));
  for (const char* key : {"experiment.device", "experiment.gpus_per_trial", "model.qsa.precision",
                          "model.qsa.convolutions", "model.random.v2.precision"})
    EXPECT_FALSE(json.contains(key)) << key;
  EXPECT_EQ(json["model.qsa.pack_size"], 0);
  const auto other = nlohmann::json::parse(
      identity_json(parse(example, {"experiment.device=cuda", "experiment.gpus_per_trial=2",
                                    "model.qsa.precision=tf32", "model.qsa.convolutions=unfolded"})));
  EXPECT_EQ(other["experiment.device"], "cuda");
  EXPECT_EQ(other["experiment.gpus_per_trial"], 2);
  EXPECT_EQ(other["model.qsa.precision"], "tf32");
  EXPECT_EQ(other["model.qsa.convolutions"], "unfolded");
}

TEST(SettleAs, TakesWhatIsOpenFromTheStore) {
  const std::string store = identity_json(
      parse(example, {"experiment.device=cuda", "model.qsa.pack_size=32", "model.qsa.convolutions=unfolded",
                      "model.random.v2.convolutions=grouped"}));
  Description d = parse(example);
  settle_as(d, store);
  EXPECT_EQ(d.device, "cuda");
  EXPECT_EQ(d.models[0].pack_size, 32u);
  EXPECT_EQ(d.models[0].convolutions, "unfolded");
  EXPECT_EQ(d.models[1].pack_size, 0u);
  EXPECT_EQ(d.models[1].convolutions, "grouped");
  EXPECT_EQ(identity_json(d), store);
  EXPECT_EQ(parse(canonical_toml(d)), d);
}

TEST(SettleAs, LeavesWhatIsWrittenForTheComparison) {
  const std::string store = identity_json(
      parse(example, {"experiment.device=cuda", "model.qsa.pack_size=32", "model.qsa.convolutions=unfolded",
                      "model.random.v2.convolutions=grouped"}));
  Description d =
      parse(example, {"experiment.device=cpu", "model.qsa.pack_size=8", "model.qsa.convolutions=grouped"});
  settle_as(d, store);
  EXPECT_EQ(identity_difference(store, identity_json(d)),
            (std::vector<std::string>{
                "experiment.device: \"cuda\" in the store, \"cpu\" in the config",
                "model.qsa.convolutions: \"unfolded\" in the store, \"grouped\" in the config",
                "model.qsa.pack_size: 32 in the store, 8 in the config"}));
}

/// Without the keys that came later.
const std::string identity_of_an_old_store =
    R"({"experiment.seed":1,"model":["qsa"],"model.qsa.pack_size":0})";

TEST(SettleAs, GoesOnWithAnOldStoreAsItWas) {
  Description d = parse(example);
  settle_as(d, identity_of_an_old_store);
  EXPECT_EQ(d.device, "cpu");
  EXPECT_EQ(d.models[0].pack_size, 0u);
  EXPECT_EQ(d.models[0].convolutions, "grouped");
  EXPECT_EQ(d.models[1].convolutions, "auto") << "the store does not know this model";
  const auto json = nlohmann::json::parse(identity_json(d));
  EXPECT_FALSE(json.contains("experiment.device"));
  EXPECT_FALSE(json.contains("model.qsa.convolutions"));
}

TEST(IdentityDifference, NamesWhatAnOldStoreDidWithoutSayingIt) {
  const auto lines = identity_difference(
      R"({"model.a.b.pack_size":0})",
      R"({"model.a.b.pack_size":0,"model.a.b.precision":"tf32","experiment.gpus_per_trial":2})");
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "experiment.gpus_per_trial: 1 in the store, 2 in the config",
                       "model.a.b.precision: \"float32\" in the store, \"tf32\" in the config"}));
}

TEST(IdentityDifference, SaysWhatDiffers) {
  const std::string store = identity_json(parse(example), {{"data.hash", "aa"}});
  EXPECT_TRUE(identity_difference(store, store).empty());
  const std::string config = identity_json(
      parse(example, {"experiment.seed=2", "model.qsa.batch_size=10", "group.F.where=x == \"}\""}),
      {{"data.hash", "bb"}});
  EXPECT_EQ(identity_difference(store, config),
            (std::vector<std::string>{
                "data.hash: \"aa\" in the store, \"bb\" in the config",
                "experiment.seed: 1 in the store, 2 in the config",
                "group.F.where: \"gender == 1\" in the store, \"x == \\\"}\\\"\" in the config",
                "model.qsa.batch_size: nothing in the store, 10 in the config"}));
}

TEST(IdentityDifference, LeavesOutWhatMayDiffer) {
  const std::string ignored[] = {"experiment.seed"};
  const auto config = parse(example, {"experiment.seed=2", "experiment.n_trials=3"});
  const auto lines = identity_difference(identity_json(parse(example)), identity_json(config), ignored);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].substr(0, lines[0].find(':')), "experiment.n_trials");
}

TEST(IdentityDifference, NamesModelsThatOneSideLacks) {
  const auto lines = identity_difference(identity_json(parse(example)),
                                         identity_json(parse(example, {"model.random.v2.name=coin"})));
  EXPECT_NE(std::find(lines.begin(), lines.end(),
                      "model: [\"qsa\",\"random.v2\"] in the store, [\"qsa\",\"coin\"] in the config"),
            lines.end());
}

TEST(IdentityDifference, ReadsAnyFlatObject) {
  EXPECT_TRUE(identity_difference("{}", " { } ").empty());
  EXPECT_EQ(identity_difference("{ \"a\": [1, {\"b\": \"]\"}] }", "{\"a\":null}"),
            std::vector<std::string>{"a: [1, {\"b\": \"]\"}] in the store, nothing in the config"});
  for (const char* broken : {"", "[1]", "{", "{\"a\"}", "{\"a\":1", "{\"a\":}", "{\"a\":\"x"})
    EXPECT_THROW(identity_difference(broken, "{}"), InternalError) << broken;
}

}  // namespace
}  // namespace seldon::experiment::test
