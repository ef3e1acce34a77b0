#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "worker/accelerator.h"

namespace seldon::worker {
namespace {

LocalRank rank_in(const std::map<std::string, std::string>& environment) {
  return local_rank([&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

TEST(LocalRank, IsWhatTheLauncherSays) {
  EXPECT_EQ(rank_in({}).index, 0U);
  EXPECT_EQ(rank_in({}).count, 1U);
  const LocalRank open_mpi =
      rank_in({{"OMPI_COMM_WORLD_LOCAL_RANK", "3"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "9"}});
  EXPECT_EQ(open_mpi.index, 3U);
  EXPECT_EQ(open_mpi.count, 9U);
  EXPECT_EQ(rank_in({{"MPI_LOCALRANKID", "2"}, {"MPI_LOCALNRANKS", "4"}}).count, 4U);
  EXPECT_EQ(rank_in({{"PMI_LOCAL_RANK", "5"}}).index, 5U);
  EXPECT_EQ(rank_in({{"SLURM_LOCALID", "6"}}).count, 7U) << "there are at least those before it";
}

TEST(LocalRank, BelievesTheInnermostLauncherAndNoNonsense) {
  EXPECT_EQ(rank_in({{"OMPI_COMM_WORLD_LOCAL_RANK", "1"}, {"SLURM_LOCALID", "0"}}).index, 1U);
  EXPECT_EQ(rank_in({{"OMPI_COMM_WORLD_LOCAL_RANK", "one"}, {"SLURM_LOCALID", "2"}}).index, 2U);
}

TEST(GpuOf, GoesRoundAmongTheWorkersOfANode) {
  Machine machine;
  machine.gpus = 3;
  machine.open = [](std::size_t index) {
    return Gpu{"cuda:0", std::string(1, static_cast<char>('A' + index)), 1};
  };
  std::string taken;
  for (std::uint32_t index = 0; index < 7; ++index) taken += gpu_of(machine, index).name;
  EXPECT_EQ(taken, "ABCABCA");
}

TEST(GpuOf, SaysWhyThereIsNone) {
  Machine machine;
  machine.why_none = "no driver";
  try {
    gpu_of(machine, 0);
    FAIL();
  } catch (const IncompleteError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("none that LibTorch can use (no driver)"));
  }
}

}  // namespace
}  // namespace seldon::worker
