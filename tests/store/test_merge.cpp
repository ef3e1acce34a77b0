#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "store/file.h"
#include "store/merge.h"
#include "store/schema.h"
#include "store/store.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// Packs of two trials.
Header header() {
  Header header = example::header();
  header.packs.clear();
  for (std::uint32_t model = 0; model < 2; ++model)
    for (std::uint32_t fraction = 0; fraction < 3; ++fraction)
      for (std::uint32_t trial = 0; trial < 4; trial += 2)
        header.packs.push_back({0, model, fraction, trial, 2});
  return header;
}

class Merge : public testing::Test {
 protected:
  std::string file(const std::string& name) const { return folder_.file(name); }
  Writer create(const std::string& name, const Header& with = header()) const {
    return Writer::create(file(name), with);
  }
  /// Merges the stores of these names into "merged.h5".
  Merged merge_all(const std::vector<std::string>& names, Hardware hardware = Hardware::same) const {
    std::vector<std::string> paths;
    for (const auto& name : names) paths.push_back(file(name));
    return merge(paths, file("merged.h5"), hardware);
  }
  void expect_refused(const Header& other, const std::string& why) const {
    { const Writer first = create("a.h5"), second = create("b.h5", other); }
    EXPECT_THAT([&] { merge_all({"a.h5", "b.h5"}); }, ThrowsMessage<InputError>(HasSubstr(why)));
    EXPECT_THAT(folder_.names(), testing::UnorderedElementsAre("a.h5", "b.h5"));
    for (const char* name : {"a.h5", "b.h5"}) std::filesystem::remove(file(name));
  }
  example::Folder folder_;
};

TEST_F(Merge, ThreeShardsHaveTheDigestOfOneRun) {
  {
    Writer whole = create("whole.h5");
    for (CellKey key : example::all_cells(whole.header())) whole.write(example::report(whole, key));
    for (std::size_t shard = 0; shard < 3; ++shard) {
      Writer writer = create("shard" + std::to_string(shard) + ".h5");
      const auto& packs = writer.header().packs;
      for (std::size_t i = shard; i < packs.size(); i += 3)
        for (std::uint32_t slot = 0; slot < packs[i].width; ++slot)
          writer.write(example::report(writer, packs[i].cell(slot)));
    }
  }
  const Merged merged = merge_all({"shard0.h5", "shard1.h5", "shard2.h5"});
  EXPECT_EQ(merged.by_state[static_cast<std::size_t>(CellState::done)], 24U);
  EXPECT_EQ(digest(file("merged.h5")), digest(file("whole.h5")));
  EXPECT_EQ(Reader(file("merged.h5")).header(), header());
  EXPECT_EQ(Reader(file("merged.h5")).runs(0)[0].host, "node1");
  Writer writer = Writer::open(file("merged.h5"));  // a store like any other
  EXPECT_EQ(writer.state({0, 1, 2, 3}), CellState::done);
}

TEST_F(Merge, TakesOfEachCellWhatIsKnownBest) {
  const std::vector<CellKey> cells = {{0, 0, 0, 0}, {0, 0, 0, 1}, {0, 0, 0, 2}, {0, 0, 0, 3}, {0, 0, 1, 0}};
  {
    Writer a = create("a.h5"), b = create("b.h5");
    const auto fail = [](Writer& writer, CellKey key, std::uint32_t attempt, const std::string& message) {
      CellReport failed{.key = key, .state = CellState::failed, .record = {}, .run = {}};
      failed.run.attempt = attempt;
      failed.run.message = message;
      writer.write(failed);
    };
    fail(a, cells[0], 3, "a");
    b.write(example::report(b, cells[0]));  // DONE beats FAILED
    fail(a, cells[1], 3, "only here");      // FAILED beats unrun
    fail(a, cells[2], 3, "a");
    fail(b, cells[2], 4, "b");  // the later attempt
    a.set_states(std::span(&cells[3], 1), CellState::preempted, 1);
    b.set_states(std::span(&cells[3], 1), CellState::leased, 5, {1, 0, false});
    for (Writer* writer : {&a, &b}) writer->write(example::report(*writer, cells[4]));  // equal
  }
  const Merged merged = merge_all({"a.h5", "b.h5"});
  const Reader reader(file("merged.h5"));
  const auto states = reader.states(0);
  const auto runs = reader.runs(0);
  EXPECT_EQ(states[0], CellState::done);
  EXPECT_EQ(runs[0].message, "");
  EXPECT_EQ(states[1], CellState::failed);
  EXPECT_EQ(runs[1].message, "only here");
  EXPECT_EQ(states[2], CellState::failed);
  EXPECT_EQ(runs[2].message, "b");
  EXPECT_EQ(states[3], CellState::leased);
  EXPECT_EQ(runs[3].attempt, 5U);
  EXPECT_EQ(runs[3].suspicion.level, 1U);
  EXPECT_EQ(states[4], CellState::done);
  EXPECT_THAT(merged.by_state, ElementsAre(19, 1, 2, 2, 0, 0));
}

TEST_F(Merge, TwoRecordsOfACellMustBeEqual) {
  {
    Writer a = create("a.h5"), b = create("b.h5");
    a.write(example::report(a, {0, 1, 2, 3}));
    b.write(example::report(b, {0, 1, 2, 3}, 1));
  }
  EXPECT_THAT(
      [&] {
        merge_all({"a.h5", "b.h5"});
      },
      ThrowsMessage<InternalError>(AllOf(HasSubstr("model 'logistic', data fraction 1, trial 3"),
                                         HasSubstr("a.h5"), HasSubstr("b.h5"))));
  EXPECT_THAT(folder_.names(), testing::UnorderedElementsAre("a.h5", "b.h5"));
}

TEST_F(Merge, LeavesTornRecordsOut) {
  const CellKey torn{0, 0, 1, 1}, whole{0, 0, 1, 2};
  {
    Writer a = create("a.h5"), b = create("b.h5");
    a.write(example::report(a, torn));
    for (CellKey key : {torn, whole}) b.write(example::report(b, key));
    const Schema schema = read_schema(file("b.h5"));
    File raw = File::open(file("b.h5"), File::Mode::read_write);
    for (CellKey key : {torn, whole})
      write_record(raw, schema, key, std::vector<std::byte>(schema.layouts[0].bytes()));
  }
  const Merged merged = merge_all({"a.h5", "b.h5"});
  EXPECT_EQ(merged.torn, 2U);
  EXPECT_EQ(Reader(file("merged.h5")).states(0)[5], CellState::done);
  EXPECT_EQ(Reader(file("merged.h5")).states(0)[6], CellState::lost);
  digest(file("merged.h5"));  // which would refuse a torn record
}

TEST_F(Merge, RefusesWhatDoesNotBelongTogether) {
  Header other = header();
  other.identity = R"({"experiment.seed":2})";
  expect_refused(other, "different experiments:\n  experiment.seed: 1 and 2");
  other.identity = R"({"experiment.seed":1,"data.hash":"ab"})";
  expect_refused(other, "data.hash: nothing and \"ab\"");
  other = header();
  other.packs[0].width = 1;
  expect_refused(other, "different packs");
  other = header();
  other.numerics = R"({"blas":"other"})";
  expect_refused(other, "blas: \"none\" and \"other\"\naccept the mixture with --mixed-hardware");
  other = header();
  other.models[1].shape.histograms = true;
  expect_refused(other, "records look different");
}

TEST_F(Merge, JoinsDifferentHardwareWhenAsked) {
  Header other = header();
  other.numerics = R"({"blas":"other"})";
  { const Writer a = create("a.h5"), b = create("b.h5", other); }
  merge_all({"a.h5", "b.h5"}, Hardware::mixed);
  EXPECT_EQ(Reader(file("merged.h5")).header().numerics, header().numerics);
}

TEST_F(Merge, NeverReplacesAFile) {
  { const Writer a = create("a.h5"); }
  std::ofstream(file("merged.h5")) << "precious";
  EXPECT_THAT([&] { merge_all({"a.h5"}); }, ThrowsMessage<InputError>(HasSubstr("exists already")));
  EXPECT_EQ(std::filesystem::file_size(file("merged.h5")), 8U);
  EXPECT_THROW(merge_all({"none.h5"}), InputError);
  EXPECT_THROW(merge_all({}), InputError);
}

}  // namespace
}  // namespace seldon::store
