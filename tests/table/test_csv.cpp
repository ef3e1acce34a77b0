#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "table/csv.h"
#include "tests/table/expect_input_error.h"

namespace seldon::table {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Rows = std::vector<std::vector<std::string>>;

Rows scan(std::string_view text, char delimiter = ',') {
  CsvScanner scanner(text, delimiter, "d.csv");
  Rows rows;
  while (scanner.next()) rows.emplace_back(scanner.fields().begin(), scanner.fields().end());
  return rows;
}

TEST(CsvScanner, CutsPlainRows) {
  EXPECT_EQ(scan("a,b\n1,2\n"), (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(scan("a,b\r\n1,2\r\n"), (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(scan("1,,\n,2,"), (Rows{{"1", "", ""}, {"", "2", ""}}));
  EXPECT_EQ(scan("\xEF\xBB\xBF"
                 "a\n1"),
            (Rows{{"a"}, {"1"}}));
  EXPECT_EQ(scan("a\n\n1\n\n\r\n\n"), (Rows{{"a"}, {""}, {"1"}}));
  EXPECT_EQ(scan("a;b", ';'), (Rows{{"a", "b"}}));
  EXPECT_EQ(scan(""), Rows{});
  EXPECT_EQ(scan("\n\n"), Rows{});
}

TEST(CsvScanner, CutsQuotedRows) {
  EXPECT_EQ(scan("\"a,b\",c\r\n1,\"x\"\r\n"), (Rows{{"a,b", "c"}, {"1", "x"}}));
  EXPECT_EQ(scan("\"he said \"\"no\"\"\",2"), (Rows{{"he said \"no\"", "2"}}));
  EXPECT_EQ(scan("\"\",\"\"\"\"\n"), (Rows{{"", "\""}}));
  EXPECT_EQ(scan("a\"b,c"), (Rows{{"a\"b", "c"}}));
  EXPECT_EQ(scan("\"two\nlines\",1\n3,4"), (Rows{{"two\nlines", "1"}, {"3", "4"}}));
  EXPECT_EQ(scan("\"x\",\n1,2"), (Rows{{"x", ""}, {"1", "2"}}));
}

TEST(CsvScanner, TakesRunsOfBlanks) {
  EXPECT_EQ(scan("  a   b\tc \n1 2 3\n  \n", ' '), (Rows{{"a", "b", "c"}, {"1", "2", "3"}}));
  EXPECT_EQ(scan("\"a b\"  c\r\n d \"e\" \n", ' '), (Rows{{"a b", "c"}, {"d", "e"}}));
}

TEST(CsvScanner, KnowsTheLineOfARow) {
  CsvScanner scanner("a\n\"x\ny\nz\"\nb\n", ',', "d.csv");
  std::vector<int> lines;
  while (scanner.next()) lines.push_back(scanner.place().line);
  EXPECT_EQ(lines, (std::vector<int>{1, 2, 5}));
}

TEST(CsvScanner, RefusesBrokenQuotes) {
  EXPECT_EQ(input_error([] { scan("a\nb,\"c\nd\n"); }),
            "d.csv:2: a quote opens here and never closes; add the closing quote");
  EXPECT_THAT(input_error([] { scan("\"a\"b,c\n"); }),
              StartsWith("d.csv:1: a quoted field goes on after its closing quote"));
}

CsvFile file_of(std::string_view text, const CsvFormat& format = {}) {
  return CsvFile(text, format, "d.csv", {"c.toml", 5});
}

TEST(CsvFile, NamesColumnsByHeaderOrByList) {
  CsvFile with_header = file_of("a, b \n1,2\n3,4\n");
  EXPECT_EQ(with_header.columns(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(with_header.rows(), 2U);
  EXPECT_EQ(with_header.row(1)[0], "3");
  EXPECT_EQ(with_header.place().line, 3);
  EXPECT_EQ(with_header.row(0)[1], "2");

  CsvFile without = file_of("1 2\n3 4", {false, ' ', {"x", "y"}});
  EXPECT_EQ(without.columns(), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(without.rows(), 2U);
  EXPECT_EQ(without.row(0)[0], "1");
}

TEST(CsvFile, StopsAtTheRowsAskedFor) {
  CsvFile file("a\n1\n2\n3\n", {}, "d.csv", {}, 2);
  EXPECT_EQ(file.rows(), 2U);
}

TEST(CsvFile, SaysWhatIsWrong) {
  EXPECT_EQ(input_error([] { file_of(""); }), "d.csv: the file is empty; it needs rows of data");
  EXPECT_EQ(input_error([] { file_of("\r\n\n"); }), "d.csv: the file is empty; it needs rows of data");
  EXPECT_EQ(input_error([] { file_of("a,b\n"); }),
            "d.csv: there is a header and no row of data under it; add rows");
  EXPECT_EQ(input_error([] { file_of("a,b\n1,2\n1,2,3\n"); }),
            "d.csv:3: the row has 3 fields where the header has 2; correct the row, or check the delimiter");
  EXPECT_EQ(input_error([] { file_of("a,b\n1,2\n\n1,2\n"); }),
            "d.csv:3: the row has 1 fields where the header has 2; correct the row, or check the delimiter");
  EXPECT_EQ(input_error([] {
              file_of("1,2\n1\n", {false, ',', {"a", "b"}});
            }),
            "d.csv:2: the row has 1 fields where data.names has 2; correct the row, or check the delimiter");
  EXPECT_EQ(input_error([] { file_of("a,b,a\n1,2,3\n"); }),
            "d.csv:1: two columns are named 'a'; rename one of them");
  EXPECT_EQ(input_error([] {
              file_of("1,2\n", {false, ',', {"a", "a"}});
            }),
            "c.toml:5: two columns are named 'a'; rename one of them");
  EXPECT_EQ(
      input_error([] {
        file_of("1,2\n", {false, ',', {}});
      }),
      "c.toml:5: d.csv has no header, so the names of its 2 columns are needed; list them in data.names");
}

class ReadText : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("seldon_read_text_" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) + "_" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name) const { return (folder_ / name).string(); }

  std::string write(const char* name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  std::string write_gzip(const char* name, const std::string& text) const {
    gzFile file = gzopen(path(name).c_str(), "wb1");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    return path(name);
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(ReadText, InflatesByContentNotByName) {
  EXPECT_EQ(read_text(write("plain.csv", "a\n1\n"), {}), "a\n1\n");
  EXPECT_EQ(read_text(write("plain.csv.gz", "a\n1\n"), {}), "a\n1\n");
  EXPECT_EQ(read_text(write("empty.csv", ""), {}), "");
  std::string large;  // over one part of the reader, and hard to compress
  for (unsigned i = 0; large.size() < (std::size_t{17} << 20); ++i)
    large += std::to_string(i * 2654435761U) + "\n";
  EXPECT_TRUE(read_text(write_gzip("large.csv.gz", large), {}) == large);
  EXPECT_TRUE(read_text(write_gzip("odd_name", large), {}) == large);
  EXPECT_TRUE(read_text(write("large.csv", large), {}) == large);
}

TEST_F(ReadText, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(input_error([&] {
              read_text(path("none.csv"), {"c.toml", 2});
            }),
            "c.toml:2: cannot read " + path("none.csv") +
                " (No such file or directory); check the path and its permissions");
  EXPECT_EQ(input_error([&] {
              read_text(path(""), {"c.toml", 2});
            }),
            "c.toml:2: cannot read " + path("") + " (Is a directory); check the path and its permissions");
}

TEST_F(ReadText, NoticesDamage) {
  std::string text;
  for (int i = 0; i < 10000; ++i) text += std::to_string(i * i) + "\n";
  std::ifstream whole(write_gzip("whole.csv.gz", text), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(whole)), {});

  for (std::size_t keep : {bytes.size() / 2, bytes.size() - 1, bytes.size() - 8, std::size_t{20}}) {
    const std::string cut = write("cut.csv.gz", bytes.substr(0, keep));
    EXPECT_EQ(input_error([&] { read_text(cut, {}); }),
              cut + ": the gzip file ends early, so rows are missing; fetch or write it again")
        << keep << " bytes of " << bytes.size();
  }
  std::string flipped = bytes;
  flipped[bytes.size() - 6] ^= 1;  // the checksum
  const std::string damaged = write("damaged.csv.gz", flipped);
  EXPECT_EQ(input_error([&] { read_text(damaged, {}); }),
            damaged + ": the gzip file is damaged; fetch or write it again");
}

}  // namespace
}  // namespace seldon::table
