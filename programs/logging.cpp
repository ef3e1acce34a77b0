#include "programs/logging.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <unistd.h>
#include <vector>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "core/error.h"
#include "core/log_context.h"

namespace seldon::programs {
namespace {

constexpr std::chrono::seconds between_flushes(2);

/// %* in a pattern: what the thread works on, in brackets, with a blank behind it.
class ContextFlag final : public spdlog::custom_flag_formatter {
 public:
  explicit ContextFlag(std::string outside) : outside_(std::move(outside)) {}
  void format(const spdlog::details::log_msg&, const std::tm&, spdlog::memory_buf_t& to) override {
    const std::string& text = LogScope::current().empty() ? outside_ : LogScope::current();
    if (!text.empty()) fmt::format_to(std::back_inserter(to), "[{}] ", text);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<ContextFlag>(outside_);
  }

 private:
  std::string outside_;  // what stands there while there is no context; empty: no brackets either
};

void set_pattern(spdlog::sinks::sink& sink, const std::string& pattern, const std::string& outside) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<ContextFlag>('*', outside).set_pattern(pattern);
  sink.set_formatter(std::move(formatter));
}

/// Flushes the files from a thread that takes no signals: those are for the main thread, which they wake.
void flush_now_and_then() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  spdlog::flush_every(between_flushes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

void set_up_logging(int rank, const std::string& folder, bool terminal) {
  const std::string who = "rank " + std::to_string(rank) + " ";
  auto console = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  console->set_level(rank == 0 ? spdlog::level::info : spdlog::level::warn);
  // On a terminal a message takes the place of the live line, which is drawn again below it.
  const std::string start = terminal ? "\r\033[K" : "";
  set_pattern(*console, start + "%H:%M:%S " + (rank > 0 ? who : "") + "%*%^%l%$ %v", "");
  std::vector<spdlog::sink_ptr> sinks{console};

  if (!folder.empty()) {
    try {
      std::filesystem::create_directories(folder);
      const auto file = std::filesystem::path(folder) / ("seldon-" + std::to_string(rank) + ".log");
      sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string()));
      set_pattern(*sinks.back(), "%Y-%m-%d %H:%M:%S.%e " + who + "%*%l %v", "-");
    } catch (const std::exception& error) {
      throw InputError("--log-dir " + folder + ": " + error.what() + "; name a folder that can be written");
    }
  }
  auto logger = std::make_shared<spdlog::logger>("seldon", sinks.begin(), sinks.end());
  logger->set_level(folder.empty() ? spdlog::level::info : spdlog::level::debug);
  logger->flush_on(spdlog::level::warn);
  logger->set_error_handler([who, told = false](const std::string& why) mutable {
    if (!std::exchange(told, true))
      std::fprintf(stderr, "%slogging fails, the run goes on without: %s\n", who.c_str(), why.c_str());
  });
  spdlog::set_default_logger(std::move(logger));
  if (folder.empty()) return;
  flush_now_and_then();
  spdlog::debug("process {} starts", ::getpid());
}

}  // namespace seldon::programs
