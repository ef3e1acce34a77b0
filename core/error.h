#pragma once
// What can go wrong, by who can mend it. The programs turn each kind into an exit code
// (docs/architecture.md).

#include <stdexcept>
#include <string>

namespace seldon {

/// Exit codes of every program.
enum class ExitCode : int { complete = 0, bad_input = 2, incomplete = 3, internal = 4 };

/// The base of every error this project throws; `what()` says what is wrong, why, and what to do.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// A place in a file that a user wrote. Line 0 means the whole file; an empty file name means the command
/// line.
struct Location {
  std::string file;
  int line = 0;

  /// "configs/loans.toml:14", "configs/loans.toml" or "command line".
  std::string str() const {
    if (file.empty()) return "command line";
    return line > 0 ? file + ":" + std::to_string(line) : file;
  }
};

/// A config, data file, argument or store that the user must mend (exit code 2).
class InputError : public Error {
 public:
  explicit InputError(const std::string& message) : Error(ExitCode::bad_input, message) {}
  InputError(const Location& where, const std::string& message)
      : Error(ExitCode::bad_input, where.str() + ": " + message) {}
};

/// The run had to stop, nothing recorded is harmed, the same command goes on (exit code 3).
class IncompleteError : public Error {
 public:
  explicit IncompleteError(const std::string& message) : Error(ExitCode::incomplete, message) {}
};

/// A promise of this program to itself is broken (exit code 4).
class InternalError : public Error {
 public:
  explicit InternalError(const std::string& message) : Error(ExitCode::internal, message) {}
};

}  // namespace seldon
