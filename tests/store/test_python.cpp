// What users do: h5py beside a writer, with the lines that docs/store.md gives.

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include <gtest/gtest.h>

#include "store/store.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

using Pipe = std::unique_ptr<FILE, int (*)(FILE*)>;

/// A Python that has h5py, or nothing.
std::string python() {
  for (const std::string candidate : {"python3", "/usr/bin/python3"})
    if (std::system((candidate + " -c 'import h5py' 2>/dev/null").c_str()) == 0) return candidate;
  return {};
}

class Python : public testing::Test {
 protected:
  void SetUp() override {
    python_ = python();
    if (python_.empty()) GTEST_SKIP() << "no Python with h5py (Debian: python3-h5py)";
  }

  Pipe start(const std::string& arguments) const {
    const std::string command = "cd '" + folder_.path() + "' && " + python_ +
                                " " SELDON_SOURCE_DIR "/tests/store/read_store.py " + arguments;
    return {::popen(command.c_str(), "r"), ::pclose};
  }

  /// The next `name value` line.
  static std::pair<std::string, std::string> line_of(FILE* pipe) {
    std::string line;
    for (int c = std::fgetc(pipe); c != EOF && c != '\n'; c = std::fgetc(pipe)) line += static_cast<char>(c);
    const auto space = line.find(' ');
    return {line.substr(0, space), space == std::string::npos ? "" : line.substr(space + 1)};
  }

  const example::Folder folder_;
  std::string python_;
};

TEST_F(Python, ThreeLinesReachEveryNumberWhileAWriterIsAlive) {
  const Header header = example::header();
  Writer writer = Writer::create(folder_.file(), header);
  const CellKey key{0, 0, 1, 2};
  const CellReport report = example::report(writer, key);
  writer.write(report);
  writer.write(example::report(writer, {0, 0, 2, 0}));
  writer.write(example::report(writer, {0, 1, 0, 3}));
  const CellKey leased{0, 0, 0, 0};
  writer.set_states(std::span(&leased, 1), CellState::leased, 1);

  const Pipe pipe = start("read " SELDON_SOURCE_DIR "/docs/store.md");
  std::map<std::string, std::string> found;
  for (auto line = line_of(pipe.get()); !line.first.empty(); line = line_of(pipe.get())) found.insert(line);
  const double performance = CellRecord(writer.layout(0), report.record).doubles(Field::performance)[1];
  EXPECT_EQ(found["lines"], "3");
  EXPECT_EQ(found["shape"], "3 4");
  EXPECT_EQ(found["members"],
            "crc outcome nsf_reason n best_iteration performance g upper node_n node_mean node_sd node_lower "
            "node_upper "
            "hard_counts soft_sums soft_squares log_loss_sums");
  EXPECT_EQ(found["done"], "2");
  EXPECT_EQ(found["not_recorded_are_nan"], "True");
  EXPECT_EQ(std::strtod(found["performance"].c_str(), nullptr), performance);
  EXPECT_EQ(found["subgroup"], "all gender=M gender=F");
  EXPECT_EQ(found["axes"], "fraction trial constraint rule truth");
  EXPECT_EQ(found["axes_histogram"], "fraction trial truth subgroup true_class bin bin_sum");
  EXPECT_EQ(found["seed"], std::to_string(header.seed));
  EXPECT_EQ(found["config"], "name = \"example\"  # Größe");
  EXPECT_EQ(found["expression"], header.constraints[0].expression);
  EXPECT_EQ(found["fractions"], "0.25 0.5 1.0");
  EXPECT_EQ(found["pack"], "0 1 1 0 4");
  EXPECT_EQ(found["host"], "node1");
  EXPECT_EQ(found["attempt"], "1");
  EXPECT_EQ(found["digest"], digest(folder_.file()));  // computed by hashlib over what h5py reads
}

TEST_F(Python, AReaderNeverKeepsTheWriterOut) {
  { Writer::create(folder_.file(), example::header()); }
  const Pipe pipe = start("hold go");
  EXPECT_EQ(line_of(pipe.get()), (std::pair<std::string, std::string>{"ready", "0"}));
  {
    Writer writer = Writer::open(folder_.file());
    writer.write(example::report(writer, {0, 0, 0, 1}));
    std::ofstream(folder_.file("go"));
    EXPECT_EQ(line_of(pipe.get()), (std::pair<std::string, std::string>{"after", "1"}));
  }
}

}  // namespace
}  // namespace seldon::store
