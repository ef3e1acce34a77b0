#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "core/record.h"

namespace seldon {
namespace {

RecordShape shape() {
  RecordShape shape;
  shape.performance = {"log_loss", "accuracy"};
  shape.constraints = {"di"};
  shape.base_nodes = {"di: PR | [M]", "di: PR | [F]"};
  shape.subgroups = {"all", "M", "F"};
  shape.truths = {"original", "held_out"};
  shape.rules = {"soft", "hard"};
  shape.trace_iterations = 5;
  shape.parameters = 7;
  return shape;
}

using Row = std::tuple<std::string, std::size_t, std::size_t>;  // name, offset, bytes

std::vector<Row> rows_of(const std::vector<RecordLayout::Member>& members) {
  std::vector<Row> rows;
  for (const auto& member : members) rows.emplace_back(name_of(member.field), member.offset, member.bytes());
  return rows;
}

TEST(RecordLayout, LaysOutAClassification) {
  const RecordLayout layout(shape());
  // By hand: 2 truths, 3 subgroups, 2 classes, 1 constraint, 2 base nodes, 2 rules, 2 performance measures.
  EXPECT_EQ(rows_of(layout.members()), (std::vector<Row>{{"crc", 0, 8},
                                                         {"outcome", 8, 4},
                                                         {"nsf_reason", 12, 4},
                                                         {"n", 16, 8},
                                                         {"best_iteration", 24, 8},
                                                         {"performance", 32, 32},
                                                         {"g", 64, 32},
                                                         {"upper", 96, 8},
                                                         {"node_n", 104, 16},
                                                         {"node_mean", 120, 16},
                                                         {"node_sd", 136, 16},
                                                         {"node_lower", 152, 16},
                                                         {"node_upper", 168, 16},
                                                         {"hard_counts", 184, 192},
                                                         {"soft_sums", 376, 192},
                                                         {"soft_squares", 568, 192},
                                                         {"log_loss_sums", 760, 96}}));
  EXPECT_EQ(layout.compound_bytes(), 856U);
  EXPECT_EQ(rows_of(layout.arrays()),
            (std::vector<Row>{{"histogram", 856, 12288}, {"trace", 13144, 120}, {"parameters", 13264, 56}}));
  EXPECT_EQ(layout.bytes(), 13320U);
}

TEST(RecordLayout, LaysOutARegression) {
  RecordShape regression = shape();
  regression.regime = Regime::regression;
  regression.classes = 0;
  regression.rules = {"value"};
  const RecordLayout layout(regression);
  EXPECT_EQ(layout.find(Field::hard_counts), nullptr);
  EXPECT_EQ(layout.find(Field::histogram), nullptr);
  ASSERT_NE(layout.find(Field::residuals), nullptr);
  EXPECT_EQ(layout.find(Field::residuals)->dims, (std::vector<std::size_t>{2, 3, 7}));
  EXPECT_EQ(layout.find(Field::residuals)->axes,
            (std::vector<std::string>{"truth", "subgroup", "residual_sum"}));
  EXPECT_EQ(layout.find(Field::residuals)->bytes(), 2 * 3 * 7 * 8U);
}

TEST(RecordLayout, LeavesOutWhatIsEmptyOrNotAskedFor) {
  RecordShape bare = shape();
  bare.constraints = bare.base_nodes = {};
  bare.histograms = false;
  bare.trace_iterations = bare.parameters = 0;
  const RecordLayout layout(bare);
  EXPECT_TRUE(layout.arrays().empty());
  for (Field field :
       {Field::g, Field::upper, Field::node_n, Field::node_upper, Field::histogram, Field::trace})
    EXPECT_EQ(layout.find(field), nullptr);
  EXPECT_EQ(layout.bytes(), layout.compound_bytes());
}

TEST(RecordLayout, KeepsToTwentyAlignedMembersOfDifferentNames) {
  RecordShape large = shape();
  large.subgroups.assign(200, "s");
  large.base_nodes.assign(50, "b");
  large.constraints.assign(10, "c");
  for (Regime regime : {Regime::classification, Regime::regression, Regime::multiclass_classification}) {
    large.regime = regime;
    large.classes = regime == Regime::multiclass_classification ? 7 : 2;
    const RecordLayout layout(large);
    EXPECT_LE(layout.members().size(), 20U);
    std::set<std::string_view> names;
    std::size_t end = 0;
    for (const auto* list : {&layout.members(), &layout.arrays()})
      for (const auto& member : *list) {
        EXPECT_TRUE(names.insert(name_of(member.field)).second);
        EXPECT_EQ(member.offset % (member.type == ScalarType::int32 ? 4 : 8), 0U);
        EXPECT_EQ(member.offset, end) << "a gap before " << name_of(member.field);
        EXPECT_EQ(member.axes.size(), member.dims.size());
        end = member.offset + member.bytes();
      }
    EXPECT_EQ(end, layout.bytes());
  }
}

TEST(CellRecord, StartsEmpty) {
  const RecordLayout layout(shape());
  const CellRecord record(layout);
  EXPECT_EQ(record.bytes().size(), layout.bytes());
  EXPECT_EQ(record.outcome(), Outcome::none);
  EXPECT_EQ(record.nsf_reason(), NsfReason::none);
  for (Field field : {Field::performance, Field::g, Field::hard_counts, Field::histogram, Field::parameters})
    EXPECT_TRUE(std::ranges::all_of(record.doubles(field), [](double x) { return std::isnan(x); }));
}

TEST(CellRecord, ViewsAreTypedAndApart) {
  const RecordLayout layout(shape());
  CellRecord record(layout);
  record.set_outcome(Outcome::no_solution_found, NsfReason::safety_test);
  double next = 1;
  for (const auto* list : {&layout.members(), &layout.arrays()})
    for (const auto& member : *list) {
      if (member.type != ScalarType::float64) continue;
      for (double& value : record.doubles(member.field)) value = next++;
    }
  record.view<std::int64_t>(Field::rows)[0] = 700;
  const CellRecord copy(layout, std::vector(record.bytes().begin(), record.bytes().end()));
  EXPECT_EQ(copy.outcome(), Outcome::no_solution_found);
  EXPECT_EQ(copy.nsf_reason(), NsfReason::safety_test);
  EXPECT_EQ(copy.view<std::int64_t>(Field::rows)[0], 700);
  EXPECT_EQ(copy.doubles(Field::performance)[0], 1);
  EXPECT_EQ(copy.doubles(Field::g)[0], 5);  // after the 4 performances
  EXPECT_EQ(copy.doubles(Field::parameters)[6], (13320 - 32) / 8);
  EXPECT_THROW(copy.doubles(Field::residuals), InternalError);
  EXPECT_THROW(copy.view<float>(Field::g), InternalError);
  EXPECT_THROW(CellRecord(layout, std::vector<std::byte>(layout.bytes() - 1)), InternalError);
}

TEST(CellRecord, TheSealKnowsItsCellAndEveryByte) {
  const RecordLayout layout(shape());
  CellRecord record(layout);
  record.doubles(Field::g)[0] = 0.5;
  record.seal("qsa", 0.25, 3);
  EXPECT_TRUE(record.intact("qsa", 0.25, 3));
  EXPECT_FALSE(record.intact("qsb", 0.25, 3));
  EXPECT_FALSE(record.intact("qsa", 0.5, 3));
  EXPECT_FALSE(record.intact("qsa", 0.25, 4));
  for (std::size_t at = 0; at < layout.bytes(); at += 5) {
    std::vector<std::byte> bytes(record.bytes().begin(), record.bytes().end());
    bytes[at] ^= std::byte{0x10};
    EXPECT_FALSE(CellRecord(layout, bytes).intact("qsa", 0.25, 3)) << "byte " << at;
  }
}

TEST(NsfReason, EveryOneHasAName) {
  std::set<std::string_view> names;
  for (int reason = 0; reason <= static_cast<int>(NsfReason::one_class); ++reason)
    names.insert(name_of(static_cast<NsfReason>(reason)));
  EXPECT_EQ(names.size(), 7U);
  EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace seldon
