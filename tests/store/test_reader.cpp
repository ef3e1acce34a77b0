#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include <gtest/gtest.h>

#include "store/store.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

TEST(Reader, FindsWhatTheWriterWrote) {
  const example::Folder folder;
  const Header header = example::header();
  Writer writer = Writer::create(folder.file(), header);
  const Reader reader(folder.file());
  EXPECT_EQ(reader.header(), header);
  const CellKey key{0, 0, 1, 2};
  const CellReport report = example::report(writer, key);
  writer.write(report);  // the reader was open before: what it reads is fresh

  const CellRecord record = reader.record(key);
  EXPECT_EQ(std::vector(record.bytes().begin(), record.bytes().end()), report.record);
  EXPECT_TRUE(record.intact("qsa", header.data_fracs[1], 2));
  EXPECT_FALSE(record.intact("qsa", header.data_fracs[1], 3));
  const std::size_t row = 1 * 4 + 2;
  EXPECT_EQ(reader.states(0)[row], CellState::done);
  EXPECT_EQ(std::ranges::count(reader.states(0), CellState::pending), 11);
  EXPECT_EQ(std::ranges::count(reader.states(1), CellState::pending), 12);
  EXPECT_EQ(reader.runs(0)[row].host, "node1");
  EXPECT_EQ(reader.runs(0)[row].rank, 3);
  for (Field field : {Field::histogram, Field::trace, Field::parameters}) {
    const auto expected = record.doubles(field);
    EXPECT_EQ(reader.array(key, field), std::vector(expected.begin(), expected.end()));
  }
  EXPECT_THROW(reader.array({0, 1, 0, 0}, Field::histogram), InternalError);
  EXPECT_THROW(reader.record({0, 0, 3, 0}), InternalError);
  EXPECT_THROW(reader.record({0, 2, 0, 0}), std::exception);
}

TEST(Reader, GivesCompoundsInBlocks) {
  const example::Folder folder;
  const Header header = example::header();
  Writer writer = Writer::create(folder.file(), header);
  for (CellKey key : example::all_cells(header)) writer.write(example::report(writer, key));
  const Reader reader(folder.file());
  for (std::uint32_t model : {0U, 1U}) {
    const std::size_t bytes = reader.layout(model).compound_bytes();
    const auto block = reader.compounds(model, 3, 6);
    ASSERT_EQ(block.size(), 6 * bytes);
    for (std::uint32_t i = 0; i < 6; ++i) {
      const CellRecord record = reader.record({0, model, (3 + i) / 4, (3 + i) % 4});
      EXPECT_TRUE(
          std::equal(block.begin() + i * bytes, block.begin() + (i + 1) * bytes, record.bytes().begin()));
    }
    EXPECT_EQ(reader.compounds(model, 12, 0).size(), 0U);
    EXPECT_THROW(reader.compounds(model, 12, 1), InternalError);
    EXPECT_THROW(reader.compounds(model, 0, ~std::uint64_t{0}), InternalError);
  }
}

TEST(Reader, ReadsConsecutiveCellsIntoTheCallersMemory) {
  const example::Folder folder;
  const Header header = example::header();
  Writer writer = Writer::create(folder.file(), header);
  for (CellKey key : example::all_cells(header)) writer.write(example::report(writer, key));
  const Reader reader(folder.file());
  std::vector<CellState> states(5);
  reader.read_states(0, 7, states);
  EXPECT_EQ(states, std::vector(5, CellState::done));
  std::vector<std::byte> compounds(5 * reader.layout(0).compound_bytes());
  reader.read_compounds(0, 7, compounds);
  EXPECT_EQ(compounds, reader.compounds(0, 7, 5));
  std::vector<double> traces(2 * 5 * 3);
  reader.read_array(0, Field::trace, 3, traces);
  const auto second = reader.array({0, 0, 1, 0}, Field::trace);
  EXPECT_TRUE(std::ranges::equal(std::span(traces).last(15), second));

  EXPECT_THROW(reader.read_states(0, 8, states), InternalError);
  EXPECT_THROW(reader.read_compounds(0, 8, compounds), InternalError);
  EXPECT_THROW(reader.read_compounds(0, 0, std::span(compounds).first(5)), InternalError);
  EXPECT_THROW(reader.read_array(0, Field::trace, 11, traces), InternalError);
  EXPECT_THROW(reader.read_array(1, Field::trace, 0, traces), InternalError);
}

// As `seldon run --extend` does it, but all the time.
TEST(Reader, HoldsOneStoreWhereAnotherIsRenamedOverIt) {
  const example::Folder folder;
  for (const auto& [name, trials] : {std::pair("small.h5", 4U), std::pair("large.h5", 9U)}) {
    Writer writer = Writer::create(folder.file(name), example::header(3, trials));
    for (CellKey key : example::all_cells(writer.header())) writer.write(example::report(writer, key));
  }
  const auto put = [&](const char* name) {
    std::filesystem::copy_file(folder.file(name), folder.file("next.h5"));
    std::filesystem::rename(folder.file("next.h5"), folder.file());
  };
  put("small.h5");
  std::jthread replacing([&](const std::stop_token& end) {
    while (!end.stop_requested())
      for (const char* name : {"large.h5", "small.h5"}) put(name);
  });
  for (int round = 0; round < 200; ++round) {
    const Reader reader(folder.file());
    const Header& header = reader.header();
    for (CellKey key : example::all_cells(header))
      ASSERT_TRUE(reader.record(key).intact(header.models[key.model].name, header.data_fracs[key.fraction],
                                            key.trial))
          << "round " << round << ", " << header.n_trials << " trials";
  }
}

TEST(Reader, FindsNaNWhereNothingIsRecorded) {
  const example::Folder folder;
  { Writer::create(folder.file(), example::header()); }
  const Reader reader(folder.file());
  for (CellKey key : example::all_cells(reader.header())) {
    const CellRecord record = reader.record(key);
    EXPECT_EQ(record.outcome(), Outcome::none);
    for (const auto* list : {&record.layout().members(), &record.layout().arrays()})
      for (const auto& member : *list) {
        if (member.type != ScalarType::float64) continue;
        EXPECT_TRUE(
            std::ranges::all_of(record.doubles(member.field), [](double x) { return std::isnan(x); }));
      }
  }
  EXPECT_EQ(reader.runs(1)[11].rank, -1);
  EXPECT_EQ(reader.runs(1)[11].attempt, 0U);
}

TEST(Reader, SeesOnlyWholeRecordsBesideAWriter) {
  const example::Folder folder;
  const Header header = example::header(4, 200);
  Writer writer = Writer::create(folder.file(), header);
  std::atomic<bool> ended = false;
  std::atomic<std::size_t> looks = 0;
  std::thread writing([&] {
    const auto cells = example::all_cells(header);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      while (i == cells.size() / 2 && looks == 0) std::this_thread::yield();  // the reader has begun
      writer.write(example::report(writer, cells[i]));
    }
    ended = true;
  });
  const Reader reader(folder.file());
  std::size_t looked = 0;
  bool last = false;
  while (!last) {
    last = ended;
    for (std::uint32_t model : {0U, 1U}) {
      const auto states = reader.states(model);
      for (std::uint32_t row = 0; row < states.size(); row += 7) {
        if (states[row] != CellState::done) continue;
        const CellKey key{0, model, row / header.n_trials, row % header.n_trials};
        const CellRecord record = reader.record(key);
        EXPECT_TRUE(record.intact(header.models[model].name, header.data_fracs[key.fraction], key.trial));
        ++looked;
      }
    }
    ++looks;
  }
  writing.join();
  EXPECT_GT(looked, 0U);
}

}  // namespace
}  // namespace seldon::store
