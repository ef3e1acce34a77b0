#include "programs/logging.h"

#include <filesystem>
#include <memory>
#include <vector>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "core/error.h"

namespace seldon::programs {

void set_up_logging(int rank, const std::string& folder, bool terminal) {
  const std::string who = rank > 0 ? "rank " + std::to_string(rank) + " " : "";
  auto console = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  console->set_level(rank == 0 ? spdlog::level::info : spdlog::level::warn);
  // On a terminal a message takes the place of the live line, which is drawn again below it.
  console->set_pattern((terminal ? "\r\033[K" : "") + std::string("%H:%M:%S ") + who + "%^%l%$ %v");
  std::vector<spdlog::sink_ptr> sinks{console};

  if (!folder.empty()) {
    try {
      std::filesystem::create_directories(folder);
      const auto file = std::filesystem::path(folder) / ("seldon-" + std::to_string(rank) + ".log");
      sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string()));
      sinks.back()->set_pattern("%Y-%m-%d %H:%M:%S.%e " + who + "%l %v");
    } catch (const std::exception& error) {
      throw InputError("--log-dir " + folder + ": " + error.what() + "; name a folder that can be written");
    }
  }
  auto logger = std::make_shared<spdlog::logger>("seldon", sinks.begin(), sinks.end());
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace seldon::programs
