// --set, which lives in experiment/config.cpp.

#include <gtest/gtest.h>

#include "example.h"

namespace seldon::experiment::test {
namespace {

TEST(Overrides, ReplaceAndAddKeys) {
  const Description d =
      parse(example, {"experiment.n_trials=4", "data.path=\"x.csv\"", "split.frac_in_safety=0.5"});
  EXPECT_EQ(d.n_trials, 4u);
  EXPECT_EQ(d.data.path.value, "x.csv");
  EXPECT_EQ(d.data.path.where.str(), "command line (--set data.path)");
  EXPECT_EQ(d.frac_in_safety, 0.5);
}

TEST(Overrides, TakeTextWithoutQuotes) {
  EXPECT_EQ(parse(example, {"data.path=../my data/x.csv"}).data.path.value, "../my data/x.csv");
  EXPECT_EQ(parse(example, {"data.positive=1"}).data.positive, "1") << "a key of text takes a number as text";
  EXPECT_EQ(parse(example, {"data.path=2020-01-01"}).data.path.value, "2020-01-01");
  EXPECT_EQ(parse(example, {"data.path=a=b.csv"}).data.path.value, "a=b.csv");
}

TEST(Overrides, DoNotSmuggleOtherKeys) {
  const Description d = parse(example, {"data.path=1\nseed = 3"});
  EXPECT_EQ(d.data.path.value, "1\nseed = 3");
  EXPECT_EQ(d.seed, 1u);
}

TEST(Overrides, TakeListsAndTables) {
  EXPECT_EQ(parse(example, {"experiment.data_fracs=[0.25, 1]"}).data_fracs, (std::vector{0.25, 1.0}));
  EXPECT_EQ(parse(example, {"experiment.data_fracs={ logspace = [-1, 0, 2] }"}).data_fracs,
            (std::vector{0.1, 1.0}));
}

TEST(Overrides, AddressListsByName) {
  const Description d = parse(
      example, {"model.qsa.optimizer.variant=\"toolkit\"", "model.random.v2.architecture=weighted_random",
                "constraint.parity.delta=0.1", "group.F.where=gender != 0"});
  EXPECT_EQ(d.models[0].optimizer.variant, "toolkit");
  EXPECT_EQ(d.models[1].architecture.value, "weighted_random") << "names may hold dots";
  EXPECT_EQ(d.constraints[0].delta.value, 0.1);
  EXPECT_EQ(d.constraints[0].delta.where.str(), "command line (--set constraint.parity.delta)");
  EXPECT_EQ(d.groups[1].where.value, "gender != 0");
}

TEST(Overrides, PreferTheLongestName) {
  const std::string text = with(example, "\"random.v2\"", "\"qsa.optimizer\"");
  EXPECT_EQ(parse(text, {"model.qsa.optimizer.kind=baseline"}).models[1].kind, "baseline");
}

TEST(Overrides, TakeAKeyAway) {
  const Description d =
      parse(example, {"model.qsa.iterations=", "model.qsa.batch_size=10", "model.qsa.epochs=3"});
  EXPECT_FALSE(d.models[0].iterations);
  EXPECT_EQ(d.models[0].epochs, 3u);
  EXPECT_EQ(refusal(example, {"model.qsa.epochs="}),
            "command line (--set model.qsa.epochs): there is no \"epochs\" to take away; write KEY=VALUE to "
            "set it");
}

TEST(Overrides, LastOneWins) {
  EXPECT_EQ(parse(example, {"experiment.n_trials=4", "experiment.n_trials=5"}).n_trials, 5u);
}

TEST(Overrides, ErrorsNameTheCommandLine) {
  const auto said = [](const std::string& argument) { return refusal(example, {argument}); };
  EXPECT_EQ(said("experiment.n_trial=4"),
            "command line (--set experiment.n_trial): unknown key \"n_trial\" in [experiment]; did you mean "
            "\"n_trials\"?");
  EXPECT_EQ(said("experimnt.n_trials=4"),
            "command line (--set experimnt.n_trials): there is no section \"experimnt\"; did you mean "
            "\"experiment\"?");
  EXPECT_EQ(said("model.qsa.optimizer.varient=adam"),
            "command line (--set model.qsa.optimizer.varient): unknown key \"varient\" in model \"qsa\", "
            "optimizer; did "
            "you mean \"variant\"?");
  EXPECT_EQ(said("model.qsb.l2=1"),
            "command line (--set model.qsb.l2): there is no model \"qsb\"; did you mean \"qsa\"?");
  EXPECT_EQ(said("model.qsa=1"),
            "command line (--set model.qsa): \"qsa\" is a whole model; name a key in it");
  EXPECT_EQ(
      said("experiment=1"),
      "command line (--set experiment): this is a section; name a key in it, as in experiment.n_trials");
  EXPECT_EQ(said("experiment.seed.x=1"),
            "command line (--set experiment.seed.x): \"seed\" is no table here; it has no keys");
  EXPECT_EQ(said("experiment.=1"), "command line (--set experiment.): the key ends in a dot; name a key");
  EXPECT_EQ(said("experiment.n_trials"),
            "command line: --set \"experiment.n_trials\" is no KEY=VALUE; write for example --set "
            "experiment.n_trials=4");
  EXPECT_EQ(said("experiment.data_fracs=[0.5, 1.5]"),
            "command line (--set experiment.data_fracs): data_fracs[1] is 1.5 (a fraction lies in (0, 1]); "
            "remove it");
  EXPECT_EQ(
      said("experiment.n_trials=four"),
      "command line (--set experiment.n_trials): n_trials must be a whole number, and is the text \"four\"");
  EXPECT_EQ(said("model.qsa.epochs=3"),
            "command line (--set model.qsa.epochs): model \"qsa\": epochs, iterations and "
            "epochs_for_iterations exclude "
            "each other; keep one");
  EXPECT_EQ(refusal(with(example, "[[constraint]]", "[[model]]"), {"constraint.x.delta=1"}),
            "command line (--set constraint.x.delta): there is no constraint \"x\", the config has none");
}

TEST(Overrides, RefuseTextThatIsNoUnicode) {
  EXPECT_NE(refusal(example, {"data.path=\xff\xfe"}).find("command line (--set data.path)"),
            std::string::npos);
}

}  // namespace
}  // namespace seldon::experiment::test
