#pragma once
// Runs what must fail and returns what it says.

#include <string>

#include <gtest/gtest.h>

#include "core/error.h"

namespace seldon::table {

template <class Action>
std::string input_error(Action&& action) {
  try {
    action();
  } catch (const InputError& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace seldon::table
