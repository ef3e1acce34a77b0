#pragma once
// What this thread works on, for its log records: "qsa 0.5 trials 0-24 attempt 1".

#include <string>
#include <utility>

namespace seldon {

/// While it lives, every log record of this thread carries `text`. Scopes may nest; the inner one counts.
class LogScope {
 public:
  explicit LogScope(std::string text) : outer_(std::exchange(current(), std::move(text))) {}
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;
  ~LogScope() { current() = std::move(outer_); }

  /// Empty outside of any scope.
  static std::string& current() {
    thread_local std::string text;
    return text;
  }

 private:
  std::string outer_;
};

}  // namespace seldon
