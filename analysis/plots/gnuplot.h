#pragma once
// gnuplot as a program: what it is told, and how it is started.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace seldon::analysis {

/// A text as a gnuplot string that means nothing else: in double quotes, on one line, as valid UTF-8, every
/// character that gnuplot could take for more than itself as an octal escape. (In single quotes gnuplot 5.4
/// ends a string that starts with a doubled quote too early.) Labels must still be drawn `noenhanced`.
std::string gnuplot_quoted(std::string_view text);

/// Runs `gnuplot -d ARGUMENTS` in a folder, without a shell and without anyone's start-up files, and returns
/// what it said. InputError if there is no gnuplot or if it lacks a terminal; InternalError with gnuplot's
/// message if it fails.
std::string run_gnuplot(const std::filesystem::path& folder, std::vector<std::string> arguments);

}  // namespace seldon::analysis
