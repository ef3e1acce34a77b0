// kill -9 at random moments: the store opens afterwards, and all that was acknowledged is there.

#include <chrono>
#include <csignal>
#include <iostream>
#include <random>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "store/store.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

/// What the dying process tells: shared memory outlives it.
struct Acknowledged {
  static constexpr std::size_t most = 1 << 14;
  volatile std::uint8_t created;
  volatile std::uint8_t done[most];
};

/// Creates the store if need be, and writes what is missing, each cell by way of FAILED and LEASED; again and
/// again in new stores until it is killed.
[[noreturn]] void write_back_to_back(const std::string& path, const Header& header,
                                     Acknowledged& acknowledged) {
  try {
    Writer writer = std::filesystem::exists(path) ? Writer::open(path) : Writer::create(path, header);
    acknowledged.created = 1;
    const auto cells = example::all_cells(header);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const CellKey key = cells[i];
      if (writer.state(key) == CellState::done) continue;
      CellReport failed{.key = key, .state = CellState::failed, .record = {}, .run = {}};
      if (i % 2 == 0) writer.write(failed);
      if (i % 3 == 0) writer.set_states(std::span(&key, 1), CellState::leased, 2);
      writer.write(example::report(writer, key));
      acknowledged.done[i] = 1;
    }
  } catch (const std::exception& error) {
    std::cerr << "the writer failed: " << error.what() << '\n';
    ::_exit(1);
  }
  while (true) ::pause();
}

/// Every DONE cell is as it was written, and every acknowledged cell is DONE. Returns how many are DONE.
std::size_t check(const std::string& path, const Header& header, const Acknowledged& acknowledged) {
  Writer::open(path).lose_torn_records();  // the next run can go on ...
  const Reader reader(path);
  EXPECT_EQ(reader.header(), header);
  const std::vector<std::vector<CellState>> states = {reader.states(0), reader.states(1)};
  const auto cells = example::all_cells(header);
  std::size_t done = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const CellKey key = cells[i];
    const CellState state = states[key.model][key.fraction * header.n_trials + key.trial];
    // ... and has found nothing torn, which it would have marked as LOST.
    EXPECT_NE(state, CellState::lost);
    if (acknowledged.done[i]) {
      EXPECT_EQ(state, CellState::done) << "an acknowledged record is gone";
    }
    if (state != CellState::done) continue;
    ++done;
    const auto expected = example::record(reader.layout(key.model), header, key);
    EXPECT_TRUE(std::ranges::equal(reader.record(key).bytes(), expected));
  }
  return done;
}

TEST(Kill, AStoreSurvivesSigkillAtAnyMoment) {
  constexpr int kills = 100;
  const unsigned seed = std::random_device{}();
  std::cout << "seed " << seed << '\n';
  std::mt19937 random(seed);
  const Header header = example::header(3, 300);
  const std::size_t cell_count = example::all_cells(header).size();
  ASSERT_LE(cell_count, Acknowledged::most);
  void* memory =
      ::mmap(nullptr, sizeof(Acknowledged), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto& acknowledged = *static_cast<Acknowledged*>(memory);

  const example::Folder folder;
  const std::string path = folder.file();
  int in_creation = 0, in_writing = 0, stores = 0;
  for (int kill = 0; kill < kills; ++kill) {
    if (!std::filesystem::exists(path)) {
      acknowledged.created = 0;
      for (std::size_t i = 0; i < cell_count; ++i) acknowledged.done[i] = 0;
    }
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_back_to_back(path, header, acknowledged);
    if (kill % 10 != 0)  // every tenth dies in the store's creation, or soon after
      while (!acknowledged.created && ::waitpid(child, nullptr, WNOHANG) == 0) ::usleep(100);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 25'000));
    ::kill(child, SIGKILL);
    int status = 0;
    if (::waitpid(child, &status, 0) == child) {
      ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended with status " << status;
    }
    if (!std::filesystem::exists(path)) {
      EXPECT_FALSE(acknowledged.created);
      ++in_creation;
      continue;
    }
    const std::size_t done = check(path, header, acknowledged);
    ASSERT_FALSE(HasFailure()) << "kill " << kill << " of seed " << seed;
    if (done < cell_count) ++in_writing;
    if (done == cell_count) {
      std::filesystem::remove(path);
      ++stores;
    }
  }
  ::munmap(memory, sizeof(Acknowledged));
  std::cout << kills << " kills: " << in_creation << " before the store was there, " << in_writing
            << " while records were written, " << stores << " stores completed\n";
  EXPECT_GE(in_writing, kills / 2);
}

}  // namespace
}  // namespace seldon::store
