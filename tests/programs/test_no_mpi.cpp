// What a user does on a login node works where MPI cannot be started and neither launcher nor GPU is at hand.

#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/programs/command.h"

namespace seldon {
namespace {

using ::testing::HasSubstr;

const std::string config = SELDON_SOURCE_DIR "/configs/quickstart.toml";

/// `seldon`, which aborts if it starts MPI.
std::vector<std::string> seldon_without_mpi(std::vector<std::string> arguments) {
  std::vector<std::string> whole{"env", "LD_PRELOAD=" SELDON_ABORT_MPI,
                                 "CUDA_VISIBLE_DEVICES=", SELDON_BINARY_DIR "/bin/seldon"};
  whole.insert(whole.end(), arguments.begin(), arguments.end());
  return whole;
}

CommandResult on_a_login_node(std::vector<std::string> arguments) {
  auto whole = seldon_without_mpi(std::move(arguments));
  whole.insert(whole.begin() + 1, "PATH=/nonexistent");
  return run_command(whole);
}

std::string store() {
  return (std::filesystem::temp_directory_path() / ("seldon-no-mpi-" + std::to_string(getpid()) + ".h5"))
      .string();
}

TEST(NoMpi, TheTestWouldNoticeMpi) {
  const auto result = run_command(with_ranks(2, seldon_without_mpi({"run", config, "--store", store()})));
  EXPECT_THAT(result.output, HasSubstr("MPI was started"));
  EXPECT_NE(result.status, 0);
}

TEST(NoMpi, CheckNeedsNone) {
  const auto result = on_a_login_node({"check", config});
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("1125 cells"));
}

TEST(NoMpi, SubmitNeedsNone) {
  const auto result = on_a_login_node({"submit", config, "--store", store(), "--nodes", "2", "--dry-run"});
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("#SBATCH --nodes=2"));
}

TEST(NoMpi, SimulateNeedsNone) {
  const auto result = on_a_login_node({"simulate", config, "--workers", "100"});
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("makespan"));
}

}  // namespace
}  // namespace seldon
