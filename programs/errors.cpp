#include "programs/errors.h"

#include <cstdio>

namespace seldon::programs {

ExitCode code_of(const std::exception& error) {
  const auto* known = dynamic_cast<const Error*>(&error);
  return known ? known->code() : ExitCode::internal;
}

ExitCode report(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "seldon: error: %s\n", error.what());
    return code_of(error);
  } catch (...) {
    std::fprintf(stderr, "seldon: error: something was thrown that is no error\n");
    return ExitCode::internal;
  }
}

}  // namespace seldon::programs
