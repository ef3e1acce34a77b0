#include <algorithm>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/subgroups/invariants.h"
#include "analysis/subgroups/subgroups.h"
#include "analysis/subgroups/tables.h"
#include "core/error.h"
#include "counted.h"
#include "example.h"

namespace seldon::analysis {
namespace {

using counted::Row;
using testing::HasSubstr;

const std::vector<Row> rows = {{1, 0.9, {1}}, {0, 0.8, {1}}, {0, 0.25, {2}}, {1, 0.3, {2}}};

class Invariants : public testing::Test {
 protected:
  /// What is found of a whole record after `change`.
  template <class Change>
  Findings::One after(Invariant invariant, const Change& change) {
    counted::Trials trials(shape_);
    auto record = counted::record(trials.layout(), rows);
    // Soft positive rates of .85 and .275, at most .2 apart.
    std::ranges::fill(record.doubles(Field::g), 0.375);
    trials.add(record);
    change(record);
    trials.add(record);
    const auto header = counted::header(shape_, {"model"}, {1.0}, 2, 4);
    const auto subgroups = subgroups_of(header);
    return check(trials.block(), header, subgroups, families_of(header, subgroups))
        .of[static_cast<std::size_t>(invariant)];
  }

  RecordShape shape_ = counted::shape({"all", "gender=F", "gender=M"});
};

TEST_F(Invariants, HoldForWholeRecords) {
  for (std::size_t i = 0; i < invariant_count; ++i) {
    const auto one = after(static_cast<Invariant>(i), [](CellRecord&) {});
    EXPECT_EQ(one.checked, 2) << i;
    EXPECT_EQ(one.breached, 0) << one.detail;
  }
}

TEST_F(Invariants, NameTheFirstBreach) {
  const auto one = after(Invariant::groups, [](CellRecord& r) { r.doubles(Field::soft_sums)[4] += 0.5; });
  EXPECT_EQ(one.breached, 1);
  EXPECT_EQ(one.trial, 1);
  EXPECT_THAT(one.detail, HasSubstr("soft_sums[0] over the groups of gender"));
  EXPECT_NEAR(one.largest, 0.5, 1e-12);
}

TEST_F(Invariants, EachFindsItsFault) {
  const auto breached = [&](Invariant invariant, auto change) { return after(invariant, change).breached; };
  EXPECT_EQ(breached(Invariant::state_and_record,
                     [](CellRecord& r) { r.set_outcome(Outcome::solution, NsfReason::safety_test); }),
            1);
  EXPECT_EQ(breached(Invariant::state_and_record,
                     [](CellRecord& r) { r.set_outcome(Outcome::none, NsfReason::none); }),
            1);
  EXPECT_EQ(
      breached(Invariant::state_and_record,
               [](CellRecord& r) { r.doubles(Field::g)[0] = -std::numeric_limits<double>::infinity(); }),
      1);
  EXPECT_EQ(
      breached(Invariant::state_and_record,
               [](CellRecord& r) { r.set_outcome(Outcome::no_solution_found, NsfReason::not_feasible); }),
      1);  // its g has a value
  EXPECT_EQ(breached(Invariant::whole_rows, [](CellRecord& r) { r.doubles(Field::hard_counts)[5] += 0.5; }),
            1);
  EXPECT_EQ(breached(Invariant::whole_rows, [](CellRecord& r) { r.doubles(Field::hard_counts)[0] += 1; }), 1);
  EXPECT_EQ(breached(Invariant::matrices, [](CellRecord& r) { r.doubles(Field::soft_sums)[0] += 0.01; }), 1);
  EXPECT_EQ(breached(Invariant::groups, [](CellRecord& r) { r.doubles(Field::log_loss)[0] += 0.01; }), 1);
  EXPECT_EQ(breached(Invariant::performance, [](CellRecord& r) { r.doubles(Field::performance)[0] = 0.75; }),
            1);
  EXPECT_EQ(breached(Invariant::constraints, [](CellRecord& r) { r.doubles(Field::g)[0] = 0.38; }), 1);
  EXPECT_EQ(breached(Invariant::histograms, [](CellRecord& r) { r.doubles(Field::histogram)[0] += 1; }), 1);
  EXPECT_EQ(breached(Invariant::histograms, [](CellRecord& r) { r.doubles(Field::histogram)[1] += 0.5; }), 1);
}

TEST_F(Invariants, RoundingIsNoBreach) {
  EXPECT_EQ(
      after(Invariant::matrices, [](CellRecord& r) { r.doubles(Field::soft_sums)[0] += 1e-9; }).breached, 0);
}

TEST_F(Invariants, OverlappingGroupsNeedNotAddUp) {
  counted::Trials trials(shape_);
  trials.add({{1, 0.9, {1, 2}}, {0, 0.3, {2}}, {1, 0.8, {}}});
  auto header = counted::header(shape_, {"model"}, {1.0}, 1, 3);
  const auto breaches = [&] {
    const auto subgroups = subgroups_of(header);
    return check(trials.block(), header, subgroups, families_of(header, subgroups))
        .of[static_cast<std::size_t>(Invariant::groups)]
        .breached;
  };
  EXPECT_EQ(breaches(), 1);
  header.identity = R"({"group":["F"],"group.F.attribute":"gender","group.F.overlapping":true})";
  EXPECT_EQ(breaches(), 0);
}

TEST_F(Invariants, RowsAreTheSameInAllBlocks) {
  Findings first, second;
  first.rows_of_whole = {-1, 4};
  second.rows_of_whole = {7, 5};
  first.merge(second);
  EXPECT_EQ(first.rows_of_whole[0], 7);
  EXPECT_EQ(first.of[static_cast<std::size_t>(Invariant::whole_rows)].breached, 1);
}

/// From the store's file to the table.
TEST(SubgroupStore, IsReadInOnePassOnAnyNumberOfThreads) {
  const example::Folder folder;
  const auto shape = counted::shape({"all", "g=a", "g=b"});
  const auto path = (folder.path() / "store.h5").string();
  {
    auto writer = store::Writer::create(path, counted::header(shape, {"one", "two"}, {0.5, 1.0}, 3, 4));
    for (std::uint32_t m = 0; m < 2; ++m)
      for (std::uint32_t f = 0; f < 2; ++f)
        for (std::uint32_t t = 0; t < 3; ++t) {
          if (m == 1 && f == 1 && t == 2) continue;  // not yet run
          auto record = t == 1 ? counted::refused(writer.layout(m)) : counted::record(writer.layout(m), rows);
          if (m == 1 && f == 0 && t == 2) record.doubles(Field::performance)[0] = 0.75;
          record.seal(m == 0 ? "one" : "two", f == 0 ? 0.5 : 1.0, t);
          writer.write({{0, m, f, t}, CellState::done, std::move(record).take_bytes(), {}});
        }
    writer.sync();
  }
  const store::Reader reader(path);
  SubgroupOptions options;
  options.threads = 1;
  const auto found = analyse_subgroups(reader, options);
  ASSERT_EQ(found.points.size(), 8);
  EXPECT_EQ(found.points[3].model, 0);
  EXPECT_EQ(found.points[3].fraction, 1);
  EXPECT_EQ(found.points[3].rule, Rule::hard);
  EXPECT_EQ(found.points[3].solutions, 2);
  EXPECT_EQ(found.points[3].recorded, 3);
  EXPECT_EQ(found.points[7].recorded, 2);
  ASSERT_EQ(found.breaches.size(), 1);
  EXPECT_EQ(found.breaches[0].model, 1);
  EXPECT_EQ(found.breaches[0].fraction, 0);
  EXPECT_EQ(found.breaches[0].trial, 2);
  EXPECT_THAT(to_csv(invariant_table(found, reader.header())),
              HasSubstr("\"data fraction 0.5, trial 2: performance 'accuracy': 0.75 instead of 0.5\""));
  options.threads = 4;
  const auto again = analyse_subgroups(reader, options);
  for (std::size_t p = 0; p < found.points.size(); ++p)
    for (std::size_t s = 0; s < 3; ++s)
      for (std::size_t c = 0; c < found.columns.size(); ++c) {
        const auto &a = found.points[p].estimates[s][c], &b = again.points[p].estimates[s][c];
        EXPECT_TRUE(a.value == b.value || (std::isnan(a.value) && std::isnan(b.value)));
      }
  options.models = {1};
  options.fractions = {1};
  options.soft = false;
  EXPECT_EQ(analyse_subgroups(reader, options).points.size(), 1);
}

TEST(SubgroupStore, WithoutCountsIsRefused) {
  const example::Folder folder;
  auto results = example::empty(1, {1.0}, 1);
  example::solve(results, 0, 0, 0, 0.5, -0.1);
  const store::Reader reader(example::write_store(results, folder.path()));
  try {
    analyse_subgroups(reader);
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("holds results without subgroup counts"));
  }
}

}  // namespace
}  // namespace seldon::analysis
