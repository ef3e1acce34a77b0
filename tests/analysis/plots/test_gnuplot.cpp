#include <stdlib.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/output.h"
#include "analysis/plots/gnuplot.h"
#include "analysis/text.h"
#include "core/error.h"
#include "example.h"

namespace seldon::analysis {
namespace {

using testing::HasSubstr;

TEST(Gnuplot, QuotingEscapesWhatMeansSomething) {
  EXPECT_EQ(gnuplot_quoted("plain ≥ 0.9 (PR | [M])"), "\"plain ≥ 0.9 (PR | [M])\"");
  EXPECT_EQ(gnuplot_quoted("'\"`$@\\"), "\"\\047\\042\\140\\044\\100\\134\"");
  EXPECT_EQ(gnuplot_quoted("a\nb"), "\"a b\"");
  EXPECT_EQ(gnuplot_quoted("\xFF"), "\"\uFFFD\"");
}

/// What gnuplot prints of a quoted text is the text; nothing in it is carried out.
TEST(Gnuplot, QuotedTextMeansNothingToGnuplot) {
  const example::Folder folder;
  for (const std::string text : {"it's",
                                 "`touch pwned`",
                                 "$(touch pwned)",
                                 "'; system('touch pwned'); '",
                                 "\\",
                                 "a\\",
                                 "'",
                                 "''",
                                 "@macro",
                                 "%s%n",
                                 "{/Bold x}_2^3",
                                 "größe ≥ δ 😀",
                                 "a\n!touch pwned",
                                 "\"quoted\"",
                                 "# no comment",
                                 "",
                                 "x \\\n y",
                                 "`\n`touch pwned`",
                                 "'`touch pwned`",
                                 "'' . system('touch pwned')",
                                 "\" . system('touch pwned') . \"",
                                 "\\\"; !touch pwned",
                                 "\\140touch pwned\\140",
                                 "7\\0427"}) {
    write_file(folder.path() / "print.gp", "print " + gnuplot_quoted(text) + "\n");
    EXPECT_EQ(run_gnuplot(folder.path(), {"print.gp"}), one_line(text) + "\n");
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "pwned"));
}

TEST(Gnuplot, FailureCarriesItsMessage) {
  const example::Folder folder;
  write_file(folder.path() / "bad.gp", "no_such_command\n");
  try {
    run_gnuplot(folder.path(), {"bad.gp"});
    FAIL();
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), HasSubstr("invalid command"));
  }
}

TEST(Gnuplot, MissingTerminalNamesThePackage) {
  const example::Folder folder;
  write_file(folder.path() / "bad.gp", "set terminal no_such_terminal\n");
  try {
    run_gnuplot(folder.path(), {"bad.gp"});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("gnuplot-nox"));
  }
}

TEST(Gnuplot, MissingProgramNamesThePackage) {
  const example::Folder folder;
  const std::string path = std::getenv("PATH");
  setenv("PATH", folder.path().c_str(), 1);
  try {
    run_gnuplot(folder.path(), {"x.gp"});
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("gnuplot-nox"));
  }
  setenv("PATH", path.c_str(), 1);
}

TEST(Gnuplot, NobodysStartUpFilesAreRead) {
  const example::Folder folder;
  write_file(folder.path() / ".gnuplot", "print 'from the start-up file'\n");
  write_file(folder.path() / "empty.gp", "\n");
  const char* home = std::getenv("HOME");
  const std::string before = home ? home : "";
  setenv("HOME", folder.path().c_str(), 1);
  EXPECT_EQ(run_gnuplot(folder.path(), {"empty.gp"}), "");
  setenv("HOME", before.c_str(), 1);
}

}  // namespace
}  // namespace seldon::analysis
