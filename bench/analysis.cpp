// How fast the analysis is on a large store: a million cells (two models, ten data fractions, 50,000 trials)
// with 24 subgroups, and a fiftieth as many with histograms of scores. Each is made, then read from the page
// cache.
//
// usage: bench_analysis [CELLS] [FOLDER]

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include "analysis/aggregate.h"
#include "analysis/results.h"
#include "analysis/scan.h"
#include "analysis/subgroups/subgroups.h"
#include "core/checksum.h"
#include "core/error.h"
#include "core/random.h"
#include "store/store.h"

namespace {

using namespace seldon;

constexpr std::size_t models = 2, fractions = 10;
constexpr std::size_t genders = 2, ages = 7;  // and each with each: 23 subgroups, and all rows
constexpr std::size_t classes = 2;

RecordShape shape_of(bool histograms) {
  RecordShape shape;
  shape.performance = {"log_loss", "accuracy"};
  shape.constraints = {"demographic_parity"};
  shape.base_nodes = {"demographic_parity: PR | [gender=0]", "demographic_parity: PR | [gender=1]"};
  shape.subgroups = {"all"};
  for (std::size_t gender = 0; gender < genders; ++gender)
    shape.subgroups.push_back("gender=" + std::to_string(gender));
  for (std::size_t age = 0; age < ages; ++age) shape.subgroups.push_back("age=" + std::to_string(age));
  for (std::size_t gender = 0; gender < genders; ++gender)
    for (std::size_t age = 0; age < ages; ++age)
      shape.subgroups.push_back("gender=" + std::to_string(gender) + " x age=" + std::to_string(age));
  shape.truths = {"original"};
  shape.rules = {"soft", "hard"};
  shape.histograms = histograms;
  return shape;
}

store::Header header_of(std::uint32_t trials, bool histograms) {
  store::Header header;
  header.name = "bench";
  header.version = "bench";
  header.n_trials = trials;
  header.total_rows = 10'000;
  header.identity = header.numerics = "{}";
  for (std::size_t i = 1; i <= fractions; ++i) {
    header.data_fracs.push_back(static_cast<double>(i) / fractions);
    header.rows.push_back(header.total_rows * i / fractions);
  }
  header.constraints = {
      {"demographic_parity", "abs((PR | [gender=0]) - (PR | [gender=1])) <= 0.1", "soft", "student_t", 0.05}};
  for (std::uint32_t model = 0; model < models; ++model) {
    header.models.push_back({model == 0 ? "qsa" : "logistic_regression",
                             model == 0 ? "seldonian" : "baseline", shape_of(histograms)});
    for (std::uint32_t fraction = 0; fraction < fractions; ++fraction)
      header.packs.push_back({0, model, fraction, 0, trials});
  }
  return header;
}

/// Counts of an evaluation set of some 400 rows: of each, its true class and score at random, in all the
/// subgroups to which it belongs.
CellRecord counts_of(const RecordLayout& layout, std::uint64_t number) {
  const Stream draws(Purpose::synthetic_data, number, {0, 0}, "bench");
  CellRecord record(layout);
  for (const auto* list : {&layout.members(), &layout.arrays()})
    for (const auto& member : *list)
      if (member.type == ScalarType::float64) std::ranges::fill(record.doubles(member.field), 0.0);
  const auto hard = record.doubles(Field::hard_counts), soft = record.doubles(Field::soft_sums),
             squares = record.doubles(Field::soft_squares), losses = record.doubles(Field::log_loss);
  for (std::size_t row = 0; row < 400; ++row) {
    const auto draw = [&](std::size_t what) { return draws.uniform(3 * row + what); };
    const auto cell = static_cast<std::size_t>(draw(0) * genders * ages);
    const std::size_t truth = draw(1) < 0.4 ? 0 : 1;
    const double score = std::clamp(0.2 + 0.6 * draw(2) + (truth == 1 ? 0.15 : -0.15), 0.0, 1.0);
    const double loss = -std::log(truth == 1 ? score : 1 - score);
    for (const std::size_t group :
         {std::size_t{0}, 1 + cell / ages, 1 + genders + cell % ages, 1 + genders + ages + cell}) {
      const auto at = (group * classes + truth) * classes;
      hard[at + (score >= 0.5 ? 1 : 0)] += 1;
      soft[at] += 1 - score;
      soft[at + 1] += score;
      squares[at] += (1 - score) * (1 - score);
      squares[at + 1] += score * score;
      losses[2 * group] += loss;
      losses[2 * group + 1] += loss * loss;
      if (!layout.find(Field::histogram)) continue;
      const auto bin = std::min(static_cast<std::size_t>(score * histogram_bins), histogram_bins - 1);
      const auto sums =
          record.doubles(Field::histogram).subspan(((group * classes + truth) * histogram_bins + bin) * 2, 2);
      sums[0] += 1;
      sums[1] += score;
    }
  }
  record.set_outcome(Outcome::solution, NsfReason::none);
  return record;
}

/// Every cell DONE, nine of ten with a solution.
void make_store(const std::string& path, const store::Header& header) {
  auto writer = store::Writer::create(path, header);
  std::vector<CellRecord> some;  // to be varied
  for (std::uint64_t number = 0; number < 256; ++number) some.push_back(counts_of(writer.layout(0), number));
  CellReport report;
  report.run.host = "localhost";
  for (std::uint32_t model = 0; model < models; ++model)
    for (std::uint32_t fraction = 0; fraction < fractions; ++fraction)
      for (std::uint32_t trial = 0; trial < header.n_trials; ++trial) {
        auto& record = some[(trial * 7 + fraction) % some.size()];
        const double varied = static_cast<double>(trial % 1000) / 1000;
        record.doubles(Field::performance)[0] = 0.3 + varied / 10;
        std::ranges::fill(record.doubles(Field::g), varied / 10 - 0.095);
        record.view<std::int64_t>(Field::rows)[0] = static_cast<std::int64_t>(header.rows[fraction]);
        if (trial % 10 == 0)
          record.set_outcome(Outcome::no_solution_found, NsfReason::safety_test);
        else
          record.set_outcome(Outcome::solution, NsfReason::none);
        record.seal(header.models[model].name, header.data_fracs[fraction], trial);
        report.key = {0, model, fraction, trial};
        report.record.assign(record.bytes().begin(), record.bytes().end());
        writer.write(report);
      }
}

double megabytes_at_most() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1e3;
}

/// Prints the best of three by the clock, with the processor's time of all threads; on a busy machine the
/// second is what counts.
template <class Work>
void time(const char* what, Work work, double gigabytes = 0) {
  double best = 1e300, processor = 0;
  for (int round = 0; round < 3; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t before = std::clock();
    work();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (seconds >= best) continue;
    best = seconds;
    processor = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  }
  std::printf("%-38s %8.3f s, %8.3f s of the processor", what, best, processor);
  if (gigabytes > 0) std::printf(", %6.2f GB/s", gigabytes / best);
  std::printf("; at most %.0f MB of memory so far\n", megabytes_at_most());
  std::fflush(stdout);
}

void time_checksums(std::size_t bytes) {
  const std::vector<std::byte> record(bytes, std::byte{7});
  constexpr int times = 200'000;
  const double gigabytes = static_cast<double>(bytes) * times / 1e9;
  std::uint64_t crc = 0;
  time(
      "checksums of records",
      [&] {
        for (int i = 0; i < times; ++i) crc = crc64(record, crc);
      },
      gigabytes);
  time(
      "  by tables alone",
      [&] {
        for (int i = 0; i < times; ++i) crc = crc64_by_tables(record, crc);
      },
      gigabytes);
  if (crc == 0) std::printf("\n");  // it is used
}

void measure(std::uint32_t cells, const std::string& path, bool histograms) {
  const auto header = header_of(std::max<std::uint32_t>(cells / (models * fractions), 1), histograms);
  const RecordLayout layout(header.models[0].shape);
  const double all = static_cast<double>(models * fractions) * header.n_trials;
  const double gigabytes = all * static_cast<double>(layout.bytes()) / 1e9;
  std::printf("%.0f cells, %zu subgroups, records of %zu bytes%s: %.2f GB\n", all,
              layout.shape().subgroups.size(), layout.bytes(), histograms ? " with histograms" : "",
              gigabytes);
  std::fflush(stdout);
  make_store(path, header);
  if (!histograms) time_checksums(layout.bytes());
  const auto nothing = [](const analysis::Block&) { return analysis::Fold(); };
  time("opened", [&] { const store::Reader reader(path); });
  const store::Reader reader(path);
  time(
      "scanned by one thread", [&] { analysis::scan(reader, {.threads = 1}, nothing); }, gigabytes);
  time(
      "scanned", [&] { analysis::scan(reader, {}, nothing); }, gigabytes);
  time("Three Plots: read and aggregated", [&] { analysis::aggregate(analysis::read_results(path)); });
  time("subgroups: read and aggregated", [&] { analysis::analyse_subgroups(reader); });
}

}  // namespace

int main(int argc, char** argv) {
  std::uint32_t cells = 1'000'000;
  if (argc > 1) {
    const char* end = argv[1] + std::strlen(argv[1]);
    if (std::from_chars(argv[1], end, cells).ptr != end || cells == 0) {
      std::fprintf(stderr, "usage: bench_analysis [CELLS] [FOLDER]\n");
      return static_cast<int>(ExitCode::bad_input);
    }
  }
  const std::filesystem::path folder = argc > 2 ? argv[2] : std::filesystem::temp_directory_path();
  const std::string path = (folder / ("bench-analysis-" + std::to_string(::getpid()) + ".h5")).string();
  int code = static_cast<int>(ExitCode::complete);
  try {
    measure(cells, path, false);
    std::filesystem::remove(path);
    measure(std::max(cells / 50, 1U), path, true);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    code = static_cast<int>(error.code());
  }
  std::filesystem::remove(path);
  return code;
}
