#include "programs/report_store.h"

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "store/merge.h"
#include "store/verify.h"

namespace seldon::programs {
namespace {

void add_verify(CLI::App& app, ExitCode& code) {
  auto* command = app.add_subcommand(
      "verify",
      "recomputes every checksum, and lists torn and suspicious cells (exit 3 where there are any)");
  const auto path = std::make_shared<std::string>();
  command->add_option("STORE", *path, "the experiment's HDF5 file")->required();
  command->callback([path, &code] {
    const auto verification = store::verify(*path);
    std::cout << store::to_text(verification);
    code = verification.exit_code();
  });
}

struct MergeArguments {
  std::vector<std::string> inputs;
  std::string output;
  bool mixed_hardware = false;
};

void merge(const MergeArguments& arguments) {
  const auto merged = store::merge(arguments.inputs, arguments.output,
                                   arguments.mixed_hardware ? store::Hardware::mixed : store::Hardware::same);
  const auto count = [&](CellState state) { return merged.by_state[static_cast<std::size_t>(state)]; };
  std::uint64_t cells = 0;
  for (const std::uint64_t of_state : merged.by_state) cells += of_state;
  std::cout << arguments.output << ": " << count(CellState::done) << " of " << cells << " cells done, "
            << count(CellState::failed) << " failed\n";
  if (merged.torn > 0)
    std::cerr << "seldon-report: warning: " << merged.torn
              << " records do not fit their checksum and were left out; `seldon run` with the new store runs "
                 "these cells again\n";
}

void add_merge(CLI::App& app) {
  auto* command =
      app.add_subcommand("merge", "joins stores of one experiment, such as the shards of a job array");
  const auto arguments = std::make_shared<MergeArguments>();
  command->add_option("STORES", arguments->inputs, "HDF5 files of one experiment")->required();
  command->add_option("--out", arguments->output, "the store to make")->required();
  command->add_flag("--mixed-hardware", arguments->mixed_hardware,
                    "join them although numbers come out differently where they were made");
  command->callback([arguments] { merge(*arguments); });
}

}  // namespace

void add_store_commands(CLI::App& app, ExitCode& code) {
  add_verify(app, code);
  add_merge(app);
}

}  // namespace seldon::programs
