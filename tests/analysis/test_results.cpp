#include <cmath>

#include <gtest/gtest.h>

#include "analysis/results.h"
#include "core/error.h"
#include "example.h"

namespace seldon::analysis {
namespace {

/// Equal, or both NaN.
void expect_same(const std::vector<double>& got, const std::vector<double>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_TRUE(got[i] == wanted[i] || (std::isnan(got[i]) && std::isnan(wanted[i]))) << i;
}

TEST(Results, StoreReadsBackWhatWasWritten) {
  const example::Folder folder;
  auto wanted = example::small();
  example::set_state(wanted, 0, 0, 3, CellState::failed, "no memory");
  example::set_state(wanted, 1, 2, 4, CellState::leased);
  const auto cell = std::size_t{3};
  for (auto* values : {&wanted.models[0].performance, &wanted.models[0].g})
    for (std::size_t i = 0; i < 4; ++i) (*values)[cell * 4 + i] = std::nan("");
  wanted.models[0].outcomes[cell] = Outcome::none;

  const auto got = read_results(example::write_store(wanted, folder.path()), Runs::read);
  ASSERT_EQ(got.models.size(), 2u);
  EXPECT_EQ(got.header.rows, wanted.header.rows);
  EXPECT_EQ(got.models[0].states, wanted.models[0].states);
  EXPECT_EQ(got.models[1].states, wanted.models[1].states);
  EXPECT_EQ(got.models[0].outcomes, wanted.models[0].outcomes);
  expect_same(got.models[0].performance, wanted.models[0].performance);
  expect_same(got.models[0].g, wanted.models[0].g);
  EXPECT_EQ(got.models[0].runs[cell].message, "no memory");
  EXPECT_EQ(got.models[1].runs[0].seconds_total, 0.25);
  EXPECT_EQ(got.models[1].performance_at(12, 1, 0), wanted.models[1].performance_at(12, 1, 0));
}

TEST(Results, CellThatIsNotDoneHasNoNumbers) {
  const example::Folder folder;
  auto results = example::empty(1, {1.0}, 2);
  example::solve(results, 0, 0, 0, 0.5, 0.1);
  const auto got = read_results(example::write_store(results, folder.path()));
  EXPECT_TRUE(got.models[0].runs.empty());
  EXPECT_TRUE(std::isnan(got.models[0].performance_at(1, 0, 0)));
  EXPECT_FALSE(got.models[0].solved(1));
  EXPECT_EQ(got.models[0].g_at(0, 0, 1, 1), 11.1);
}

TEST(Results, ModelsWithoutConstraintsOrMeasures) {
  const example::Folder folder;
  auto results = example::empty(1, {1.0}, 1);
  results.header.constraints.clear();
  auto& shape = results.header.models[0].shape;
  shape.constraints.clear();
  shape.base_nodes.clear();
  shape.performance.clear();
  results.models[0] = ModelResults::empty(results.header.models[0], 1);
  results.models[0].runs.resize(1);
  results.models[0].states[0] = CellState::done;
  results.models[0].outcomes[0] = Outcome::solution;
  const auto path = (folder.path() / "bare.h5").string();
  {
    auto writer = store::Writer::create(path, results.header);
    CellRecord record(writer.layout(0));
    record.set_outcome(Outcome::solution, NsfReason::none);
    record.seal("qsa", 1.0, 0);
    writer.write({{0, 0, 0, 0}, CellState::done, std::move(record).take_bytes(), {}});
  }
  const auto got = read_results(path);
  EXPECT_TRUE(got.models[0].solved(0));
  EXPECT_TRUE(std::isnan(got.models[0].performance_at(0, 0, 0)));
}

TEST(Results, RecordThatDoesNotFitItsChecksumIsLost) {
  const example::Folder folder;
  auto results = example::small();
  example::solve(results, 1, 2, 4, 0.123456789, -0.1);
  const auto path = example::write_store(results, folder.path());
  EXPECT_EQ(read_results(path).damage.cells, 0u);
  example::damage(path, 0.123456789);
  const auto got = read_results(path);
  EXPECT_EQ(got.damage.cells, 1u);
  EXPECT_EQ(got.damage.first, "model 'baseline_1', data fraction 0.5, trial 4");
  EXPECT_EQ(got.models[1].states[24], CellState::lost);
  EXPECT_TRUE(std::isnan(got.models[1].performance_at(24, 0, 0)));
  EXPECT_FALSE(got.models[1].solved(24));
  EXPECT_TRUE(got.models[1].solved(23));
}

TEST(Results, ChecksumCoversTheArrays) {
  const example::Folder folder;
  const auto results = example::empty(1, {1.0}, 1);
  const auto path = (folder.path() / "example.h5").string();
  {
    auto writer = store::Writer::create(path, results.header);
    CellRecord record(writer.layout(0));
    record.set_outcome(Outcome::solution, NsfReason::none);
    record.doubles(Field::histogram)[7] = 0.123456789;
    record.seal("qsa", 1.0, 0);
    writer.write({{0, 0, 0, 0}, CellState::done, std::move(record).take_bytes(), {}});
  }
  EXPECT_EQ(read_results(path).damage.cells, 0u);
  example::damage(path, 0.123456789);
  EXPECT_EQ(read_results(path).damage.cells, 1u);
}

TEST(Results, PathThatIsNoStoreIsAnInputError) {
  EXPECT_THROW(read_results("/nowhere/store.h5"), InputError);
  EXPECT_THROW(read_results(__FILE__), InputError);
}

TEST(Results, ViolationIsPositiveOrNotANumber) {
  EXPECT_TRUE(has_failed(1e-300));
  EXPECT_TRUE(has_failed(std::nan("")));
  EXPECT_FALSE(has_failed(0));
  EXPECT_FALSE(has_failed(-HUGE_VAL));
}

}  // namespace
}  // namespace seldon::analysis
