#pragma once
// A small valid config for tests, and what an attempt to read one says.

#include <string>
#include <vector>

#include "experiment/config.h"

namespace seldon::experiment::test {

/// Lines are counted from 1: messages in tests name them.
inline const std::string example =
    "[experiment]\n"                                     // 1
    "name = \"loans\"\n"                                 // 2
    "seed = 1\n"                                         // 3
    "n_trials = 25\n"                                    // 4
    "data_fracs = [0.1,\n"                               // 5
    "  0.5, 1.0]\n"                                      // 6
    "[data]\n"                                           // 7
    "path = \"loans.csv\"\n"                             // 8
    "label = \"rating\"\n"                               // 9
    "numeric = [\"age\", \"months\"]\n"                  // 10
    "categorical = [\"housing\"]\n"                      // 11
    "[[group]]\n"                                        // 12
    "attribute = \"gender\"\n"                           // 13
    "name = \"M\"\n"                                     // 14
    "where = \"gender == 0\"\n"                          // 15
    "[[group]]\n"                                        // 16
    "attribute = \"gender\"\n"                           // 17
    "name = \"F\"\n"                                     // 18
    "where = \"gender == 1\"\n"                          // 19
    "[[constraint]]\n"                                   // 20
    "name = \"parity\"\n"                                // 21
    "expression = \"(PR | [M]) - (PR | [F]) <= 0.1\"\n"  // 22
    "delta = 0.05\n"                                     // 23
    "[[model]]\n"                                        // 24
    "name = \"qsa\"\n"                                   // 25
    "architecture = \"logistic\"\n"                      // 26
    "iterations = 100\n"                                 // 27
    "[[model]]\n"                                        // 28
    "name = \"random.v2\"\n"                             // 29
    "kind = \"baseline\"\n"                              // 30
    "architecture = \"uniform_random\"\n"                // 31
    "[evaluation]\n"                                     // 32
    "subgroups = [\"gender\"]\n";                        // 33

/// `text` with the first `from` replaced; an InternalError where there is none, so that no test passes by
/// accident.
inline std::string with(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) throw InternalError("the example has no " + from);
  return text.replace(at, from.size(), to);
}

inline Description parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_config(text, "x.toml", overrides);
}

/// The message of the InputError that the config gives, "" if it is accepted.
inline std::string refusal(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    parse(text, overrides);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

}  // namespace seldon::experiment::test
