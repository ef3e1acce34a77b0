#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/report/report.h"
#include "core/error.h"
#include "example.h"
#include "store/pack_rows.h"

namespace seldon::analysis {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Report : public testing::Test {
 protected:
  std::string html(const Results& made, const ReportOptions& options = {}) {
    const auto store = example::write_store(made, folder_.path());
    return report_html(store, read_results(store, Runs::read), options);
  }
  example::Folder folder_;
};

/// References that a browser would follow by itself, or load when asked to.
std::string external_reference(const std::string& html) {
  static const std::regex reference(
      R"re((src|href|action|data|poster|srcset)\s*=\s*["']?\s*([a-z]+:)?//[^"'\s>]*|url\(\s*["']?[^#)][^)]*\)|@import)re",
      std::regex::icase);
  std::smatch found;
  return std::regex_search(html, found, reference) ? found.str() : "";
}

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_F(Report, SaysWhatWasRunAndWhatIsGuaranteed) {
  const auto page = html(example::small());
  EXPECT_THAT(page, HasSubstr("<h1>example</h1>"));
  EXPECT_THAT(page, HasSubstr("Complete</span> <b>80</b> of 80 cells recorded"));
  EXPECT_THAT(
      page, HasSubstr("the probability that it returns a solution that violates <b>parity</b> is at most <b "
                      "class=\"nowrap\">δ = 0.05</b>"));
  EXPECT_THAT(page, HasSubstr("abs((PR | [M]) - (PR | [F])) &lt;= 0.2"));
  EXPECT_THAT(page, HasSubstr("soft decisions (means of predicted probabilities) on the original data"));
  EXPECT_THAT(page, Not(HasSubstr("PARTIAL")));
}

TEST_F(Report, HasOneHeadlineAndNoDoubleIds) {
  const auto page = html(example::small());
  EXPECT_EQ(occurrences(page, "<h1"), 1U);
  std::set<std::string> ids;
  static const std::regex id(" id=\"([^\"]*)\"");
  for (std::sregex_iterator at(page.begin(), page.end(), id), end; at != end; ++at)
    EXPECT_TRUE(ids.insert((*at)[1]).second) << (*at)[1];
  EXPECT_GT(ids.size(), 8U);
}

TEST_F(Report, RefersToNothingOutside) {
  const auto page = html(example::small());
  EXPECT_EQ(external_reference(page), "");
  // The test itself sees what it should.
  for (const auto* bad : {"<img src='http://x/y'>", "<a href=//x>", "<style>@import 'x'</style>",
                          "<style>a{background:url(x.png)}</style>", "<link href = \"https://x\">"})
    EXPECT_NE(external_reference(page + bad), "") << bad;
}

TEST_F(Report, MarksWhatIsPartial) {
  auto results = example::small();
  example::set_state(results, 0, 3, 9, CellState::pending);
  example::set_state(results, 1, 3, 9, CellState::failed, "out of <memory>");
  const auto page = html(results);
  EXPECT_THAT(page, HasSubstr("PARTIAL</span> <b>78</b> of 80 cells recorded, 1 failed"));
  EXPECT_THAT(page, HasSubstr("out of &lt;memory&gt;"));
}

TEST_F(Report, OfAnExperimentThatHasJustBegun) {
  const auto page = html(example::empty(2, {0.1, 1.0}, 3));
  EXPECT_THAT(page, HasSubstr("PARTIAL</span> <b>0</b> of 12 cells recorded"));
  EXPECT_THAT(page, HasSubstr("No cell has been recorded yet"));
  EXPECT_THAT(page, Not(HasSubstr("class=\"chart\"")));
}

TEST_F(Report, WarnsOfDamage) {
  auto results = example::small();
  example::solve(results, 1, 3, 9, 0.123456789, -0.1);
  const auto store = example::write_store(results, folder_.path());
  example::damage(store, 0.123456789);
  const auto page = report_html(store, read_results(store, Runs::read), {});
  EXPECT_THAT(page,
              AllOf(HasSubstr("Damaged</span> 1 record"), HasSubstr("baseline_1"), HasSubstr("PARTIAL")));
  EXPECT_THAT(page, Not(HasSubstr("Digest of the results")));
}

TEST_F(Report, HostileNamesAreText) {
  auto results = example::small();
  const std::string evil = "<script>alert(1)<!-- \" ' & ]]> \u2028";
  results.header.name = evil;
  results.header.config = "# </pre></script><img src=x onerror=alert(1)>";
  results.header.version = evil;
  results.header.constraints[0].expression = evil;
  for (std::size_t m = 0; m < 2; ++m) {
    const auto name = evil + std::to_string(m);
    results.header.models[m].name = results.models[m].header.name = name;
    for (auto& run : results.models[m].runs) run.host = "</dd><b>";
  }
  example::set_state(results, 0, 0, 0, CellState::failed, evil);
  ReportOptions options;
  options.title = "</title><script>alert(1)</script>";
  const auto page = html(results, options);
  EXPECT_THAT(page, Not(HasSubstr("alert(1)<")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("</dd><b>")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)"));
  EXPECT_EQ(occurrences(page, "<script>"), 1U) << "the report's own";
  EXPECT_EQ(occurrences(page, "</title>"), 1U);
}

TEST_F(Report, TellsTheFiguresOfTheThreePlots) {
  const auto page = html(example::small());
  // Model qsa at n = 1000: 9 of 10 trials with a solution.
  EXPECT_THAT(page,
              HasSubstr("data-tip=\"qsa\nn = 1,000\nSolution rate 0.900 [0.800, 1.000]\n9 of 10 trials\""));
  // The baseline violates in trials 0, 3, 6, 9.
  EXPECT_THAT(page, HasSubstr("data-tip=\"baseline_1\nn = 1,000\nFailure rate 0.400 ["));
  EXPECT_THAT(page, HasSubstr("δ = 0.05</text>"));
  EXPECT_THAT(page, HasSubstr("Safety test"));
}

TEST_F(Report, DrawsNoDeltaForHeldOutRows) {
  ReportOptions options;
  options.selection.truth = "held_out";
  const auto page = html(example::small(), options);
  EXPECT_THAT(page, Not(HasSubstr("δ = 0.05</text>")));
  EXPECT_THAT(page, HasSubstr("on held-out rows"));
}

TEST_F(Report, ClaimsNoMoreThanTheBoundCanPromise) {
  auto results = example::small();
  const std::string approximate = "up to the approximation in Student’s t";
  results.header.constraints[0].bound = "student_t";
  EXPECT_THAT(html(results), HasSubstr("δ = 0.05</b>, " + approximate));
  std::filesystem::remove(folder_.path() / "example.h5");
  results.header.constraints[0].bound = "hoeffding";
  EXPECT_THAT(html(results), AllOf(HasSubstr("δ = 0.05</b>. Where"), Not(HasSubstr(approximate))));
}

TEST_F(Report, DrawsNoDeltaForOtherDecisionsThanThoseCertified) {
  auto results = example::small();
  results.header.constraints[0].decision = "soft";
  EXPECT_THAT(html(results), AllOf(HasSubstr("δ = 0.05</text>"), Not(HasSubstr("certified on other"))));
  std::filesystem::remove(folder_.path() / "example.h5");
  ReportOptions options;
  options.selection.rule = "hard";
  EXPECT_THAT(html(results, options), AllOf(Not(HasSubstr("δ = 0.05</text>")),
                                            HasSubstr("<b>parity</b> was certified on other decisions")));
}

TEST_F(Report, DigestsOnlyWhatIsFinished) {
  auto results = example::small();
  EXPECT_THAT(html(results), HasSubstr("Digest of the results"));
  std::filesystem::remove(folder_.path() / "example.h5");
  example::set_state(results, 0, 3, 9, CellState::pending);
  EXPECT_THAT(html(results), Not(HasSubstr("Digest of the results")));
}

TEST_F(Report, ThinsHugeScatters) {
  const auto small = html(example::small());
  EXPECT_THAT(small, Not(HasSubstr("Thinned")));
  auto results = example::empty(2, {0.01, 1.0}, 3000);
  for (std::size_t m = 0; m < 2; ++m)
    for (std::size_t f = 0; f < 2; ++f)
      for (std::size_t t = 0; t < 3000; ++t) example::solve(results, m, f, t, 0.5, -0.1);
  std::filesystem::remove(folder_.path() / "example.h5");
  ReportOptions options;
  options.with_digest = false;
  const auto page = html(results, options);
  EXPECT_THAT(page, HasSubstr("Thinned: of each model and amount of data the first 1,000 of 3,000 trials"));
  EXPECT_LT(page.size(), 4'000'000U);
}

TEST_F(Report, OfAHundredModelsStaysSmall) {
  std::vector<double> fractions;
  for (int i = 1; i <= 15; ++i) fractions.push_back(i / 15.0);
  auto results = example::empty(100, fractions, 20);
  for (std::size_t m = 0; m < 100; ++m)
    for (std::size_t f = 0; f < fractions.size(); ++f)
      for (std::size_t t = 0; t < 20; ++t)
        if (m % 7 == 0 && t % 3 == 0)
          example::refuse(results, m, f, t, NsfReason::safety_test);
        else
          example::solve(results, m, f, t, 0.5 + 0.001 * static_cast<double>(m + t), t % 5 == 0 ? 0.1 : -0.1);
  const auto page = html(results);
  EXPECT_LT(page.size(), 6'000'000U);
  EXPECT_THAT(page, HasSubstr("data-series=\"99\""));
}

TEST_F(Report, ShowsWhoWorkedWhen) {
  const auto store = example::write_store(example::small(), folder_.path());
  EXPECT_THAT(report_html(store, read_results(store, Runs::read), {}),
              Not(HasSubstr("<h2 id=\"timeline-title\"")));
  std::string lines;
  store::append_line(lines, store::RunMark{1000, true, "node", "", 0, 1});
  store::PackRow row;
  row.start = 1000;
  row.end = 1010;
  row.rank = 1;
  row.host = "<node>";
  row.model = "qsa";
  row.fraction = 0.1;
  row.wanted = row.done = 10;
  store::append_line(lines, row);
  std::ofstream(store::pack_rows_path(store)) << lines;
  const auto page = report_html(store, read_results(store, Runs::read), {});
  EXPECT_THAT(page, HasSubstr("<h2 id=\"timeline-title\""));
  EXPECT_THAT(page, HasSubstr("1 lease in 1 run"));
  EXPECT_THAT(page, HasSubstr("fill=\"var(--c0)\""));
  // The timeline's own styles hold for nothing else on the page.
  EXPECT_THAT(page, HasSubstr("<style>#timeline-picture text{"));
  EXPECT_EQ(page.find("\n.title{"), std::string::npos);
  EXPECT_EQ(page.find("}.title{"), std::string::npos);
}

TEST_F(Report, WithoutConstraintsNothingIsGuaranteed) {
  const auto store = example::write_store(example::small(), folder_.path());
  auto results = read_results(store, Runs::read);
  results.header.constraints.clear();
  EXPECT_THAT(report_html(store, results, {}), HasSubstr("nothing is guaranteed"));
}

TEST_F(Report, OfImportedResultsClaimsNoMoreThanIsKnown) {
  auto results = example::small();
  results.header.constraints[0].bound = results.header.constraints[0].decision = "recorded";
  for (std::size_t m = 0; m < 2; ++m)
    for (auto* header : {&results.header.models[m], &results.models[m].header})
      header->shape.rules = {"recorded", std::string(failures_only)};
  example::refuse(results, 0, 0, 0, NsfReason::none);
  const auto page = html(results);
  EXPECT_THAT(
      page,
      AllOf(HasSubstr("Report of imported results"), HasSubstr("as stated when the results were imported"),
            HasSubstr("imported results do not tell why"), HasSubstr("only whether it was violated")));
  EXPECT_THAT(page, Not(HasSubstr("Run it again")));
}

TEST_F(Report, BaselinesCarryNoGuarantee) {
  auto results = example::small();
  results.header.models[0].kind = results.models[0].header.kind = "baseline";
  EXPECT_THAT(html(results), HasSubstr("none of them carries a guarantee"));
}

TEST_F(Report, RefusesWhatTheStoreDoesNotHold) {
  ReportOptions options;
  options.selection.rule = "softly";
  EXPECT_THROW(html(example::small(), options), InputError);
  std::filesystem::remove(folder_.path() / "example.h5");
  options = {};
  options.choice.models = {"nobody"};
  EXPECT_THROW(html(example::small(), options), InputError);
}

}  // namespace
}  // namespace seldon::analysis
