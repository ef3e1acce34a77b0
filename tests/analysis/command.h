#pragma once
// Programs as a person starts them.

#include <array>
#include <cstdio>
#include <string>
#include <sys/wait.h>

namespace seldon::analysis::example {

struct Run {
  int status;
  std::string output;  ///< of both streams
};

/// Through a shell; status -1 if it was killed.
inline Run run(const std::string& command) {
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::string output;
  std::array<char, 4096> buffer;
  while (const auto count = std::fread(buffer.data(), 1, buffer.size(), pipe))
    output.append(buffer.data(), count);
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

}  // namespace seldon::analysis::example
