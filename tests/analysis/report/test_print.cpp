// What is done with a Chromium, shown with scripts in its place; the real one is tested by browser_test.py.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/report/print.h"
#include "core/error.h"
#include "example.h"

namespace seldon::analysis {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// A variable of the environment, as it was again afterwards.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (before_)
      setenv(name_, before_->c_str(), 1);
    else
      unsetenv(name_);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

class Print : public testing::Test {
 protected:
  /// A program that does this with its arguments.
  std::filesystem::path chromium(const std::string& script, const std::string& name = "chromium") {
    const auto path = folder_.path() / name;
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  void print(const std::string& script, double seconds = 20) {
    print_pdf(chromium(script), html_, pdf_, seconds);
  }

  static constexpr const char* writes =
      "for a in \"$@\"; do case $a in --print-to-pdf=*) out=${a#*=};; esac; done\n";
  example::Folder folder_;
  std::filesystem::path html_ = folder_.path() / "a b's \"report\".html",
                        pdf_ = folder_.path() / "report.pdf";
};

TEST_F(Print, WritesThePdfAndLeavesNothingElse) {
  const auto seen = folder_.path() / "seen";
  const Variable temporary("TMPDIR", folder_.path().string());
  print(std::string(writes) + "printf '%s\\n' \"$@\" >'" + seen.string() + "'; printf %%PDF-1.4 >\"$out\"");
  EXPECT_EQ(example::read_file(pdf_), "%PDF-1.4");
  const auto arguments = example::read_file(seen);
  EXPECT_THAT(arguments, AllOf(HasSubstr("--headless\n"), HasSubstr("--no-pdf-header-footer\n"),
                               HasSubstr("/a%20b%27s%20%22report%22.html\n"), HasSubstr("file:///")));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_.path())) ++files;
  EXPECT_EQ(files, 3U) << "the program, what it has seen, and the PDF";
}

TEST_F(Print, KeepsAnOlderPdfWhereChromiumFails) {
  std::ofstream(pdf_) << "old";
  EXPECT_THAT([&] { print("echo it hurts >&2; exit 3"); },
              ThrowsMessage<InputError>(
                  AllOf(HasSubstr("failed"), HasSubstr("it hurts"), HasSubstr("--formats html"))));
  EXPECT_THAT([&] { print(std::string(writes) + "echo nonsense >\"$out\""); },
              ThrowsMessage<InputError>(HasSubstr("wrote no PDF")));
  EXPECT_THAT([&] { print("exit 0"); }, ThrowsMessage<InputError>(HasSubstr("wrote no PDF")));
  EXPECT_EQ(example::read_file(pdf_), "old");
}

TEST_F(Print, EndsAChromiumThatHangs) {
  const auto child = folder_.path() / "child";
  EXPECT_THAT([&] { print("sleep 100 & echo $! >'" + child.string() + "'; wait", 1); },
              ThrowsMessage<InputError>(HasSubstr("did not end in 1 s")));
  const auto pid = std::stoi(example::read_file(child));
  // A zombie may be left to whoever adopts it; what matters is that it does not go on.
  std::string state = "gone";
  for (int tries = 0; tries < 100; ++tries) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
    std::string number, name;
    if (!(status >> number >> name >> state)) state = "gone";
    if (state == "gone" || state == "Z") break;
    usleep(20'000);
  }
  EXPECT_TRUE(state == "gone" || state == "Z") << state;
}

TEST_F(Print, FindsAChromium) {
  const Variable unset("SELDON_CHROMIUM", "");
  const auto program = chromium("exit 0", "google-chrome");
  {
    const Variable path("PATH", "/nowhere:" + folder_.path().string());
    EXPECT_EQ(find_chromium(), program);
    const Variable named("SELDON_CHROMIUM", "google-chrome");
    EXPECT_EQ(find_chromium(), program);
  }
  const Variable path("PATH", "/nowhere");
  EXPECT_EQ(find_chromium(), std::nullopt);
  const Variable named("SELDON_CHROMIUM", program.string());
  EXPECT_EQ(find_chromium(), program);
  const Variable wrong("SELDON_CHROMIUM", "/nowhere/chromium");
  EXPECT_THAT([] { find_chromium(); }, ThrowsMessage<InputError>(HasSubstr("is no program")));
}

}  // namespace
}  // namespace seldon::analysis
