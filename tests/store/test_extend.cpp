#include <algorithm>
#include <csignal>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/fault_point.h"
#include "store/extend.h"
#include "store/store.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// More of everything than example::header(2, 4) has, in another order.
Header larger() {
  Header header = example::header(2, 10);
  header.data_fracs = {1.0, 0.25, 0.5};
  header.rows = {1000, 250, 500};
  header.models.push_back(header.models[1]);
  header.models.back().name = "random";
  std::swap(header.models[0], header.models[2]);
  header.packs.clear();
  for (std::uint32_t model = 0; model < 3; ++model)
    for (std::uint32_t fraction = 0; fraction < 3; ++fraction)
      for (std::uint32_t trial = 0; trial < 10; trial += 3)
        header.packs.push_back({0, model, fraction, trial, std::min(3U, 10 - trial)});
  return header;
}

void complete(Writer& writer) {
  for (CellKey key : example::all_cells(writer.header()))
    if (writer.state(key) != CellState::done) writer.write(example::report(writer, key));
}

TEST(Extend, HasTheDigestOfAFreshRun) {
  const example::Folder folder;
  {
    Writer fresh = Writer::create(folder.file("fresh.h5"), larger());
    complete(fresh);
  }
  Writer writer = Writer::create(folder.file(), example::header(2, 4));
  complete(writer);
  writer.extend(larger());
  complete(writer);
  EXPECT_EQ(digest(folder.file()), digest(folder.file("fresh.h5")));
}

TEST(Extend, KeepsRecordsStatesAndRuns) {
  const example::Folder folder;
  const Header small = example::header(2, 4);
  const CellKey done{0, 0, 0, 3}, failed{0, 1, 1, 2},
      leased{0, 0, 1, 0};  // qsa at 0.5, logistic and qsa at 1
  {
    Writer writer = Writer::create(folder.file(), small);
    ::chmod(folder.file().c_str(), 0640);
    writer.write(example::report(writer, done));
    CellReport failure{.key = failed, .state = CellState::failed, .record = {}, .run = {}};
    failure.run.failures = 3;
    failure.run.message = "singular matrix";
    writer.write(failure);
    writer.set_states(std::span(&leased, 1), CellState::leased, 7, {1, 2, true});
    writer.extend(larger());
    EXPECT_EQ(writer.header().n_trials, 10U);
    EXPECT_EQ(writer.state({0, 2, 2, 3}), CellState::done);

    // And it goes on: the failures are still known.
    const CellKey moved{0, 1, 0, 2};
    writer.set_states(std::span(&moved, 1), CellState::leased, 4);
    EXPECT_EQ(Reader(folder.file()).runs(1)[2].failures, 3U);
    writer.write({.key = moved, .state = CellState::failed, .record = {}, .run = failure.run});
  }
  EXPECT_THAT(folder.names(), ElementsAre("store.h5"));
  struct stat status {};
  ASSERT_EQ(::stat(folder.file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);

  const Reader reader(folder.file());
  ASSERT_EQ(reader.header().models[2].name, "qsa");
  EXPECT_TRUE(std::ranges::equal(reader.record({0, 2, 2, 3}).bytes(),
                                 example::record(reader.layout(2), small, done)));
  EXPECT_EQ(reader.states(2)[23], CellState::done);
  EXPECT_EQ(reader.runs(2)[23].host, "node1");
  EXPECT_EQ(reader.states(1)[2], CellState::failed);
  EXPECT_EQ(reader.runs(1)[2].message, "singular matrix");
  EXPECT_EQ(reader.states(2)[0], CellState::leased);
  EXPECT_EQ(reader.runs(2)[0].attempt, 7U);
  EXPECT_EQ(reader.runs(2)[0].suspicion, (Suspicion{1, 2, true}));
  for (std::uint32_t model = 0; model < 3; ++model) {
    const auto states = reader.states(model);
    EXPECT_EQ(std::ranges::count(states, CellState::pending), 30 - (model == 0 ? 0 : model));
  }
}

TEST(Extend, KeepsTheCutOfWhatIsThere) {
  Header held = example::header(1, 10), wanted = example::header(1, 20);
  for (Header* header : {&held, &wanted}) {
    header->models.resize(1);
    header->packs.clear();
    for (std::uint32_t trial = 0; trial < header->n_trials; trial += 4)
      header->packs.push_back({0, 0, 0, trial, std::min(4U, header->n_trials - trial)});
  }
  const auto packs = extended(held, wanted).packs;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> cut;
  for (const Pack& pack : packs) cut.emplace_back(pack.first_trial, pack.width);
  using P = std::pair<std::uint32_t, std::uint32_t>;
  EXPECT_THAT(cut, ElementsAre(P{0, 4}, P{4, 4}, P{8, 2}, P{10, 2}, P{12, 4}, P{16, 4}));
}

TEST(Extend, EveryCellIsInOnePack) {
  const Header header = extended(example::header(2, 4), larger());
  std::vector<CellKey> cells;
  for (const Pack& pack : header.packs)
    for (std::uint32_t slot = 0; slot < pack.width; ++slot) cells.push_back(pack.cell(slot));
  std::ranges::sort(cells);
  EXPECT_EQ(cells, example::all_cells(header));
}

TEST(Extend, RefusesToDropOrChangeAnything) {
  const Header held = example::header(3, 4);
  const auto refuses = [&](auto change, const std::string& why) {
    Header wanted = example::header(3, 8);
    change(wanted);
    EXPECT_THAT([&] { extended(held, wanted); }, ThrowsMessage<InputError>(HasSubstr(why)));
  };
  refuses([](Header& h) { h.n_trials = 3; }, "it holds 4 trials, and only 3 are wanted");
  refuses([](Header& h) { h.data_fracs[0] = 0.3; }, "fraction 0.25 is no longer wanted");
  refuses([](Header& h) { h.rows[0] += 1; }, "another number of rows");
  refuses([](Header& h) { h.models.pop_back(); }, "model 'logistic' is no longer wanted");
  refuses([](Header& h) { h.models[0].shape.performance.pop_back(); },
          "records of model 'qsa' look different");
  refuses([](Header& h) { h.constraints[0].delta = 0.1; }, "constraints");
  refuses([](Header& h) { h.seed += 1; }, "seed");

  const example::Folder folder;
  Writer writer = Writer::create(folder.file(), held);
  struct stat before {
  }, after{};
  ::stat(folder.file().c_str(), &before);
  EXPECT_THROW(writer.extend(example::header(3, 3)), InputError);
  writer.extend(held);  // nothing is added: nothing is done
  ::stat(folder.file().c_str(), &after);
  EXPECT_EQ(before.st_ino, after.st_ino);
  writer.write(example::report(writer, {0, 0, 0, 0}));  // a refusal is no failure of the disk
}

/// Kills this process at one of the moments around the renaming.
template <int moment>
void die_at(std::string_view point) {
  if (point == (moment == 0 ? "store.extend-before-rename" : "store.extend-after-rename")) ::raise(SIGKILL);
}

TEST(Extend, SurvivesSigkillAroundTheRenaming) {
  for (int moment = 0; moment < 2; ++moment) {
    const example::Folder folder;
    const Header small = example::header(2, 4);
    std::string before;
    {
      Writer writer = Writer::create(folder.file(), small);
      complete(writer);
      before = digest(folder.file());
    }
    const pid_t child = ::fork();
    if (child == 0) {
      fault_hook = moment == 0 ? die_at<0> : die_at<1>;
      Writer::open(folder.file()).extend(larger());
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(Reader(folder.file()).header().n_trials, moment == 0 ? 4U : 10U);
    if (moment == 0) {
      EXPECT_EQ(digest(folder.file()), before);
    }
    {
      Writer writer = Writer::open(folder.file());
      writer.extend(larger());
      EXPECT_EQ(writer.header().n_trials, 10U);
      EXPECT_EQ(std::ranges::count(Reader(folder.file()).states(2), CellState::done), 8);
    }
    EXPECT_THAT(folder.names(), ElementsAre("store.h5"));
  }
}

}  // namespace
}  // namespace seldon::store
