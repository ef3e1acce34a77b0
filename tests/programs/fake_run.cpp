// `seldon run` with the fake engine: fake_run STORE [--trials N] ...

#include <CLI/CLI.hpp>

#include "programs/errors.h"
#include "programs/run.h"
#include "tests/programs/fake_engine.h"

int main(int argc, char** argv) {
  using namespace seldon;
  fake::Engine engine;
  programs::RunRequest request;
  bool bad_config = false;
  std::int64_t bad_rank = -1;

  CLI::App app;
  app.add_option("store", request.store_path)->required();
  app.add_option("--trials", engine.trials);
  app.add_option("--fractions", engine.fractions);
  app.add_option("--width", engine.width);
  app.add_option("--seed", engine.seed);
  app.add_option("--microseconds", engine.microseconds);
  app.add_option("--data-bytes", engine.data_bytes);
  app.add_option("--throws-at", engine.throws_at);
  app.add_flag("--throws-packs", engine.throws_packs);
  app.add_flag("--whole", engine.whole);
  app.add_option("--drift", engine.drift);
  app.add_flag("--retry-failed", request.retry_failed);
  app.add_flag("--bad-config", bad_config);
  app.add_option("--bad-rank", bad_rank, "the rank whose engine cannot be built");
  app.add_option("--log-dir", request.log_folder);
  CLI11_PARSE(app, argc, argv);

  request.prepare = [&] {
    if (bad_config) throw InputError({"fake.toml", 3}, "the config is bad");
    return fake::experiment(engine);
  };
  request.identity_difference = [](const std::string& held, const std::string& wanted) {
    return held == wanted ? std::vector<std::string>{}
                          : std::vector{held + " in the store, " + wanted + " here"};
  };
  request.make_runner = [&](const std::string& config, std::span<const std::byte> data, int rank) {
    if (rank == bad_rank) throw InternalError("this rank has no engine");
    return fake::make_runner(config, data);
  };
  try {
    return static_cast<int>(programs::run(request));
  } catch (...) {
    return static_cast<int>(programs::report(std::current_exception()));
  }
}
