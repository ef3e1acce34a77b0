#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "store/file.h"
#include "store/schema.h"
#include "store/store.h"
#include "store/verify.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

void put_state(const std::string& path, CellKey key, CellState state) {
  const Schema schema = read_schema(path);
  File file = File::open(path, File::Mode::read_write);
  file.write(schema.places[key.model].state.offset + schema.row(key), std::as_bytes(std::span(&state, 1)));
}

void flip_a_bit(const std::string& path, CellKey key, std::size_t offset) {
  const Schema schema = read_schema(path);
  File file = File::open(path, File::Mode::read_write);
  auto record = read_record(file, schema, key);
  record[offset] ^= std::byte{4};
  write_record(file, schema, key, record);
}

std::array<std::uint64_t, trouble_count> found(std::uint64_t torn, std::uint64_t contrary,
                                               std::uint64_t suspicious) {
  return {torn, contrary, suspicious};
}

class Verify : public testing::Test {
 protected:
  /// All cells but the baseline's at the first fraction are DONE.
  void SetUp() override {
    Writer writer = Writer::create(folder_.file(), example::header());
    for (CellKey key : example::all_cells(writer.header()))
      if (key.model == 0 || key.fraction > 0) writer.write(example::report(writer, key));
  }
  example::Folder folder_;
};

TEST_F(Verify, FindsNothingInASoundStore) {
  const std::string before = digest(folder_.file());
  const auto verification = verify(folder_.file());
  EXPECT_EQ(verification.exit_code(), ExitCode::complete);
  EXPECT_EQ(verification.records, 20U);
  EXPECT_EQ(verification.unrecorded, 0U);
  EXPECT_EQ(verification.writer, "");
  EXPECT_EQ(to_text(verification),
            "qsa: 12 DONE\n"
            "logistic: 4 PENDING 8 DONE\n"
            "20 records fit their checksum, 0 torn, 0 contrary, 0 suspicious\n");
  EXPECT_EQ(digest(folder_.file()), before);
  EXPECT_THAT(folder_.names(), testing::ElementsAre("store.h5"));
}

TEST_F(Verify, FindsTornRecordsInEveryPart) {
  const Schema schema = read_schema(folder_.file());
  const RecordLayout& layout = schema.layouts[0];
  flip_a_bit(folder_.file(), {0, 0, 0, 0}, 0);                                // the checksum itself
  flip_a_bit(folder_.file(), {0, 0, 1, 1}, layout.compound_bytes() - 1);      // the compound
  flip_a_bit(folder_.file(), {0, 0, 2, 3}, layout.arrays()[0].offset + 100);  // the histogram
  flip_a_bit(folder_.file(), {0, 0, 2, 2}, layout.bytes() - 1);               // the parameters
  const auto verification = verify(folder_.file());
  EXPECT_EQ(verification.found, found(4, 0, 0));
  EXPECT_EQ(verification.records, 16U);
  EXPECT_EQ(verification.exit_code(), ExitCode::incomplete);
  EXPECT_THAT(to_text(verification),
              AllOf(HasSubstr("torn: model 'qsa', data fraction 0.5, trial 1: its record does not fit"),
                    HasSubstr("the same `seldon run` runs torn")));
}

TEST_F(Verify, FindsWhatAStoppedRunHasLeft) {
  {
    Writer writer = Writer::open(folder_.file());
    const std::vector<CellKey> cells = {{0, 1, 0, 0}, {0, 1, 0, 1}, {0, 1, 0, 2}, {0, 1, 0, 3}};
    writer.set_states(std::span(cells).subspan(0, 1), CellState::leased, 2, {}, "node7");
    writer.set_states(std::span(cells).subspan(1, 1), CellState::lost, 1);
    writer.set_states(std::span(cells).subspan(2, 1), CellState::preempted, 1, {1, 0, false});
    CellReport failed{.key = cells[3], .state = CellState::failed, .record = {}, .run = {}};
    failed.run.suspicion = {2, 3, false};
    failed.run.message = "it took three workers along";
    writer.write(failed);
    EXPECT_THAT(to_text(verify(folder_.file())), HasSubstr("seems to write this store now"));
  }
  const auto verification = verify(folder_.file());
  EXPECT_EQ(verification.found, found(0, 0, 4));
  EXPECT_THAT(
      to_text(verification),
      AllOf(HasSubstr(
                "suspicious: model 'logistic', data fraction 0.25, trial 0: LEASED in attempt 2 on node7\n"),
            HasSubstr("trial 1: LOST in attempt 1\n"), HasSubstr("trial 2: in flight when a worker died\n"),
            HasSubstr("trial 3: running singly when a run died, 3 deaths while it ran alone: it took three"),
            HasSubstr("1 cells FAILED; `seldon run --retry failed`"), Not(HasSubstr("seems to write"))));
}

TEST_F(Verify, TakesAPlainFailureForWhatItIs) {
  {
    Writer writer = Writer::open(folder_.file());
    writer.write({.key = {0, 1, 0, 0}, .state = CellState::failed, .record = {}, .run = {}});
  }
  const auto verification = verify(folder_.file());
  EXPECT_TRUE(verification.is_sound());
  EXPECT_THAT(to_text(verification), HasSubstr("--retry failed"));
}

TEST_F(Verify, ComparesStatesWithRecords) {
  put_state(folder_.file(), {0, 0, 0, 0}, CellState::failed);   // with a whole record
  put_state(folder_.file(), {0, 0, 0, 1}, CellState::pending);  // a kill before the state was written
  put_state(folder_.file(), {0, 1, 0, 0}, CellState::done);     // with no record at all
  {
    const Schema schema = read_schema(folder_.file());
    File file = File::open(folder_.file(), File::Mode::read_write);
    CellRecord record(schema.layouts[1]);
    record.seal("logistic", schema.header.data_fracs[0], 1);
    write_record(file, schema, {0, 1, 0, 1}, record.bytes());
  }
  put_state(folder_.file(), {0, 1, 0, 1}, CellState::done);  // without an outcome
  const auto verification = verify(folder_.file());
  EXPECT_EQ(verification.found, found(1, 2, 0));
  EXPECT_EQ(verification.unrecorded, 2U);
  EXPECT_THAT(to_text(verification),
              HasSubstr("whole records are of cells that a kill kept from being DONE"));
}

TEST(VerifyLarge, ListsTheFirstAndCountsTheRest) {
  const example::Folder folder;
  const Header header = example::header(1, 300);
  {
    Writer writer = Writer::create(folder.file(), header);
    writer.set_states(example::all_cells(header), CellState::leased, 1);
  }
  const auto verification = verify(folder.file());
  EXPECT_EQ(verification.found, found(0, 0, 600));
  EXPECT_EQ(verification.findings.size(), Verification::most_findings);
  EXPECT_THAT(to_text(verification), HasSubstr("... and 500 more that are suspicious"));
}

TEST(VerifyLarge, NeedsAStore) {
  const example::Folder folder;
  EXPECT_THROW(verify(folder.file()), InputError);
}

}  // namespace
}  // namespace seldon::store
