#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/fault_point.h"
#include "store/schema.h"
#include "store/store.h"
#include "store/verify.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

TEST(Writer, GoesOnWithAStore) {
  const example::Folder folder;
  const Header header = example::header();
  const CellKey done{0, 1, 2, 3}, leased{0, 0, 0, 0};
  {
    Writer writer = Writer::create(folder.file(), header);
    EXPECT_EQ(writer.header(), header);
    writer.write(example::report(writer, done));
    writer.set_states(std::span(&leased, 1), CellState::leased, 2);
    writer.sync();
  }
  EXPECT_THAT(folder.names(), testing::ElementsAre("store.h5"));
  Writer writer = Writer::open(folder.file());
  EXPECT_EQ(writer.header(), header);
  EXPECT_EQ(writer.state(done), CellState::done);
  EXPECT_EQ(writer.state(leased), CellState::leased);
  EXPECT_EQ(writer.state({0, 0, 0, 1}), CellState::pending);
  EXPECT_EQ(Reader(folder.file()).runs(0)[0].attempt, 2U);
  EXPECT_THROW(writer.state({0, 0, 3, 0}), InternalError);
  EXPECT_THROW(writer.state({0, 9, 0, 0}), InternalError);
}

TEST(Writer, TakesTheWholeSpaceAtOnce) {
  const example::Folder folder;
  const Header header = example::header(3, 100);
  Writer writer = Writer::create(folder.file(), header);
  struct stat status {};
  ASSERT_EQ(::stat(folder.file().c_str(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, status.st_size);
  EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), size_on_disk(header));
  for (CellKey key : example::all_cells(header)) writer.write(example::report(writer, key));
  ASSERT_EQ(::stat(folder.file().c_str(), &status), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), size_on_disk(header));
}

TEST(Writer, SizeOnDiskNeedsNoSpace) {
  Header header = example::header(15, 4'000'000);
  const RecordLayout full(header.models[0].shape), plain(header.models[1].shape);
  const std::uint64_t data = std::uint64_t{15} * 4'000'000 * (full.bytes() + plain.bytes() + 2 * (328 + 1));
  EXPECT_GE(size_on_disk(header), data);
  EXPECT_LE(size_on_disk(header), data + 100'000);
}

TEST(Writer, CountsAttemptsAndMessagesOfFailures) {
  const example::Folder folder;
  Writer writer = Writer::create(folder.file(), example::header());
  const Reader reader(folder.file());
  const CellKey key{0, 0, 0, 1};
  CellReport failed{.key = key, .state = CellState::failed, .record = {}, .run = {}};
  failed.run.attempt = 1;
  failed.run.message = "the table has no rows";
  writer.write(failed);
  EXPECT_EQ(writer.state(key), CellState::failed);
  EXPECT_EQ(reader.runs(0)[1].message, "the table has no rows");
  writer.set_states(std::span(&key, 1), CellState::leased, 2);
  EXPECT_EQ(reader.states(0)[1], CellState::leased);
  EXPECT_EQ(reader.runs(0)[1].attempt, 2U);
  EXPECT_EQ(reader.runs(0)[1].message, "");
  writer.write(failed);
  writer.write(example::report(writer, key));  // from FAILED to DONE, without a lease between
  EXPECT_EQ(reader.states(0)[1], CellState::done);
  EXPECT_EQ(reader.runs(0)[1].message, "");
}

TEST(Writer, KeepsFailuresOverLeasesUntilARetry) {
  const example::Folder folder;
  Writer writer = Writer::create(folder.file(), example::header());
  const CellKey bad{0, 0, 0, 1};
  CellReport failed{.key = bad, .state = CellState::failed, .record = {}, .run = {}};
  failed.run.attempt = 4;
  failed.run.failures = 3;
  failed.run.message = "singular matrix";
  writer.write(failed);
  writer.set_states(std::span(&bad, 1), CellState::leased, 5);
  EXPECT_EQ(Reader(folder.file()).runs(0)[1].failures, 3U);
  EXPECT_EQ(Reader(folder.file()).runs(0)[1].message, "");
  EXPECT_EQ(writer.retry_failed(), 0U);  // it is LEASED

  failed.run.attempt = 5;
  writer.write(failed);
  EXPECT_EQ(writer.retry_failed(), 1U);
  const Reader reader(folder.file());
  EXPECT_EQ(reader.states(0)[1], CellState::pending);
  EXPECT_EQ(reader.runs(0)[1].failures, 0U);
  EXPECT_EQ(reader.runs(0)[1].attempt, 5U);
}

TEST(Writer, RefusesNamesThatNoFileCanHave) {
  const example::Folder folder;
  EXPECT_FALSE(name_taken(folder.file()));
  EXPECT_FALSE(name_taken(folder.file("none/store.h5")));
  EXPECT_TRUE(name_taken(folder.path()));
  EXPECT_THAT([&] { name_taken(folder.file(std::string(300, 'x'))); },
              ThrowsMessage<InputError>(HasSubstr("File name too long")));
  // Short enough for the store, too long for its lock or its temporary name.
  EXPECT_THROW(Writer::create(folder.file(std::string(252, 'x')), example::header()), InputError);
  EXPECT_THROW(Writer::create(folder.file(std::string(248, 'x')), example::header()), InputError);
  EXPECT_THAT(folder.names(), IsEmpty());
  EXPECT_THAT([&] { Writer::create(folder.file("none/store.h5"), example::header()); },
              ThrowsMessage<InputError>(HasSubstr("for the store '" + folder.file("none/store.h5") + "'")));
}

TEST(Writer, SetsTheStatesOfAPack) {
  const example::Folder folder;
  const Header header = example::header();
  Writer writer = Writer::create(folder.file(), header);
  const std::vector<CellKey> pack = {{0, 1, 1, 1}, {0, 1, 1, 2}, {0, 1, 1, 3}};
  for (CellState state :
       {CellState::leased, CellState::lost, CellState::leased, CellState::preempted, CellState::pending}) {
    writer.set_states(pack, state, 4);
    std::vector<CellState> expected(12, CellState::pending);
    std::fill_n(expected.begin() + 5, 3, state);
    EXPECT_EQ(Reader(folder.file()).states(1), expected);
    EXPECT_EQ(writer.state(pack[2]), state);
  }
  const auto runs = Reader(folder.file()).runs(1);
  for (std::size_t row = 0; row < runs.size(); ++row)
    EXPECT_EQ(runs[row].attempt, row >= 5 && row < 8 ? 4U : 0U);
}

/// What stands in the file when a fault point is passed.
struct Moment {
  explicit Moment(void (*look)(std::string_view)) { fault_hook = look; }
  Moment(const Moment&) = delete;
  Moment& operator=(const Moment&) = delete;
  ~Moment() { fault_hook = nullptr; }
};

TEST(Writer, PutsTheRowThatAStartJudgesByBeforeTheState) {
  static std::string path;
  static std::vector<std::pair<CellState, RunInfo>> seen;
  const example::Folder folder;
  path = folder.file();
  seen.clear();
  Writer writer = Writer::create(path, example::header());
  const CellKey key{0, 0, 0, 1};
  const std::span<const CellKey> one(&key, 1);
  const Moment moment([](std::string_view point) {
    if (point != "store.between-run-and-state") return;
    const Reader reader(path);
    seen.emplace_back(reader.states(0)[1], reader.runs(0)[1]);
  });
  const Suspicion begun{2, 1, true}, counted{2, 2, false};
  writer.set_states(one, CellState::leased, 1, begun, "node7");
  writer.set_states(one, CellState::lost, 1, counted);
  CellReport failed{.key = key, .state = CellState::failed, .record = {}, .run = {}};
  failed.run.message = "singular matrix";
  writer.write(failed);
  writer.set_states(one, CellState::leased, 2);
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0].first, CellState::pending);
  EXPECT_EQ(seen[0].second.suspicion, begun);
  EXPECT_EQ(seen[0].second.host, "node7");
  EXPECT_EQ(seen[1].first, CellState::leased);
  EXPECT_EQ(seen[1].second.suspicion, counted) << "a death is neither forgotten nor counted twice";
  EXPECT_EQ(seen[2].first, CellState::pending) << "no cell is FAILED without its message";
  EXPECT_EQ(seen[2].second.attempt, 2U);
}

TEST(Writer, SetsNoStateAfterASyncThatFailedBesideIt) {
  static Writer* beside = nullptr;
  const example::Folder folder;
  Writer writer = Writer::create(folder.file(), example::header());
  beside = &writer;
  const CellKey key{0, 0, 0, 1};
  const Moment moment([](std::string_view point) {
    if (point == "store.during-sync") throw IncompleteError("the disk is gone");
    if (point == "store.between-record-and-state") {
      EXPECT_THROW(beside->sync(), IncompleteError);
    }
  });
  EXPECT_THAT([&] { writer.write(example::report(writer, key)); },
              ThrowsMessage<IncompleteError>(HasSubstr("no more records after a failed write")));
  EXPECT_EQ(Reader(folder.file()).states(0)[1], CellState::pending);
}

TEST(Writer, SyncsAndBeatsBesideItsWrites) {
  const example::Folder folder;
  Writer writer = Writer::create(folder.file(), example::header(3, 100), {.stale_seconds = 0.6});
  std::atomic<int> syncs = 0;
  {
    const std::jthread beside([&](const std::stop_token& stop) {
      for (; !stop.stop_requested(); ++syncs) {
        writer.sync();
        writer.beat();
      }
    });
    for (const CellKey& key : example::all_cells(writer.header())) {
      writer.set_states(std::span(&key, 1), CellState::leased, 1);
      writer.write(example::report(writer, key));
    }
  }
  EXPECT_GT(syncs, 0);
  EXPECT_EQ(verify(folder.file()).records, 600U);
}

TEST(Writer, KeepsTheFirstRecordOfACell) {
  const example::Folder folder;
  Writer writer = Writer::create(folder.file(), example::header());
  const CellKey key{0, 0, 2, 3};
  CellReport first = example::report(writer, key);
  writer.write(first);
  CellReport again = first;
  again.run.attempt = 9;
  writer.write(again);  // equal: ignored
  EXPECT_EQ(Reader(folder.file()).runs(0)[11].attempt, 1U);
  EXPECT_THAT([&] { writer.write(example::report(writer, key, 1)); },
              ThrowsMessage<InternalError>(HasSubstr("computed twice with different results (model 'qsa'")));
  CellReport failed{.key = key, .state = CellState::failed, .record = {}, .run = {}};
  writer.write(failed);  // a late failure of another attempt takes nothing away
  EXPECT_EQ(writer.state(key), CellState::done);
  EXPECT_THROW(writer.set_states(std::span(&key, 1), CellState::leased, 2), InternalError);
  const Reader reader(folder.file());
  EXPECT_EQ(reader.states(0)[11], CellState::done);
  EXPECT_TRUE(std::ranges::equal(reader.record(key).bytes(), first.record));
}

TEST(Writer, RefusesReportsThatMakeNoSense) {
  const example::Folder folder;
  Writer writer = Writer::create(folder.file(), example::header());
  const std::string before = digest(folder.file());
  const CellReport good = example::report(writer, {0, 0, 0, 0});
  const auto refuses = [&](auto spoil) {
    CellReport report = good;
    spoil(report);
    EXPECT_THROW(writer.write(report), InternalError);
  };
  refuses([](CellReport& r) { r.key.trial = 1; });  // sealed for another cell
  refuses([](CellReport& r) { r.record[100] ^= std::byte{1}; });
  refuses([](CellReport& r) { r.record.pop_back(); });
  refuses([](CellReport& r) { r.record.clear(); });
  refuses([](CellReport& r) { r.state = CellState::failed; });  // with a record
  refuses([](CellReport& r) { r.state = CellState::leased; });
  refuses([](CellReport& r) { r.key.fraction = 3; });
  const CellKey key{0, 0, 0, 0};
  EXPECT_THROW(writer.set_states(std::span(&key, 1), CellState::done, 1), InternalError);
  EXPECT_EQ(digest(folder.file()), before);
  writer.write(good);  // none of these was a failure of the disk
}

TEST(Writer, NeverReplacesAFile) {
  const example::Folder folder;
  std::ofstream(folder.file()) << "precious";
  EXPECT_THAT([&] { Writer::create(folder.file(), example::header()); },
              ThrowsMessage<InputError>(HasSubstr("exists already")));
  std::string text;
  std::ifstream(folder.file()) >> text;
  EXPECT_EQ(text, "precious");
  std::filesystem::create_symlink(folder.file("nowhere"), folder.file("link"));
  EXPECT_THAT(folder.names(), testing::UnorderedElementsAre("store.h5", "link"));
}

TEST(Writer, IsTheOnlyOne) {
  const example::Folder folder;
  {
    Writer first = Writer::create(folder.file(), example::header());
    EXPECT_THAT([&] { Writer::open(folder.file()); },
                ThrowsMessage<InputError>(HasSubstr("is being written by")));
    std::filesystem::create_symlink(folder.file(), folder.file("link.h5"));
    EXPECT_THROW(Writer::open(folder.file("link.h5")), InputError);
  }
  EXPECT_NO_THROW(Writer::open(folder.file()));
}

TEST(Writer, RefusesWhatIsNoStoreAndLeavesNothingBehind) {
  const example::Folder folder;
  EXPECT_THROW(Writer::open(folder.file()), InputError);
  EXPECT_THROW(Writer::create(folder.file("none/store.h5"), example::header()), InputError);
  Header bad = example::header();
  bad.models[0].name = "a/b";
  EXPECT_THROW(Writer::create(folder.file(), bad), InputError);
  EXPECT_THAT(folder.names(), IsEmpty());
  std::ofstream(folder.file()) << "text";
  EXPECT_THROW(Writer::open(folder.file()), InputError);
  EXPECT_THAT(folder.names(), testing::ElementsAre("store.h5"));
}

/// The file size limit makes the kernel refuse writes beyond it, as a full disk would.
class SizeLimit {
 public:
  explicit SizeLimit(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit{bytes, old_limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  SizeLimit(const SizeLimit&) = delete;
  SizeLimit& operator=(const SizeLimit&) = delete;
  ~SizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  void (*old_handler_)(int);
  rlimit old_limit_{};
};

TEST(Writer, WritesNothingMoreAfterAFailure) {
  const example::Folder folder;
  const Header header = example::header();
  Writer writer = Writer::create(folder.file(), header);
  const CellKey kept{0, 0, 0, 0}, hit{0, 1, 2, 2}, other{0, 0, 0, 1};
  writer.write(example::report(writer, kept));
  const std::string before = digest(folder.file());
  {
    // The limit ends within the row of `hit`: a short write comes first, then the error.
    const Schema schema = read_schema(folder.file());
    const Place& cells = schema.places[hit.model].cells;
    const SizeLimit limit(cells.offset + schema.row(hit) * cells.row_bytes + 100);
    EXPECT_THAT([&] { writer.write(example::report(writer, hit)); },
                ThrowsMessage<IncompleteError>(testing::AllOf(HasSubstr("writing"), HasSubstr(folder.file()),
                                                              HasSubstr("run the same command again"))));
  }
  EXPECT_THAT([&] { writer.write(example::report(writer, other)); },
              ThrowsMessage<IncompleteError>(HasSubstr("no more records after a failed write")));
  EXPECT_THROW(writer.set_states(std::span(&other, 1), CellState::leased, 1), IncompleteError);
  EXPECT_THROW(writer.sync(), IncompleteError);
  EXPECT_EQ(digest(folder.file()), before);  // the torn record's state was never set
  { const Writer gone = std::move(writer); }
  Writer next = Writer::open(folder.file());  // and the next run goes on
  EXPECT_EQ(next.state(kept), CellState::done);
  EXPECT_EQ(next.state(hit), CellState::pending);
  next.write(example::report(next, hit));
  EXPECT_EQ(next.state(hit), CellState::done);
}

TEST(Writer, LosesRecordsThatAPowerCutHasTorn) {
  const example::Folder folder;
  const Header header = example::header();
  const CellKey whole{0, 0, 1, 0}, torn{0, 0, 1, 1};
  {
    Writer writer = Writer::create(folder.file(), header);
    for (CellKey key : {whole, torn}) writer.write(example::report(writer, key));
  }
  {
    const Schema schema = read_schema(folder.file());
    File file = File::open(folder.file(), File::Mode::read_write);
    const Place& histogram = schema.places[0].arrays[0];
    const std::vector<std::byte> zeros(512);
    file.write(histogram.offset + schema.row(torn) * histogram.row_bytes, zeros);
  }
  Writer writer = Writer::open(folder.file());
  EXPECT_EQ(writer.state(torn), CellState::done);  // opening alone changes nothing: it may be the wrong store
  writer.lose_torn_records();
  EXPECT_EQ(writer.state(whole), CellState::done);
  EXPECT_EQ(writer.state(torn), CellState::lost);
  EXPECT_EQ(Reader(folder.file()).states(0)[5], CellState::lost);
  writer.write(example::report(writer, torn));
  EXPECT_EQ(writer.state(torn), CellState::done);
}

TEST(Writer, SaysThatAFolderIsReadOnly) {
  const example::Folder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0555), 0);
  const uid_t user = ::geteuid();
  constexpr uid_t nobody = 65534;
  if (user == 0) {  // root may write anywhere
    ASSERT_EQ(::seteuid(nobody), 0);
  }
  EXPECT_THAT([&] { Writer::create(folder.file(), example::header()); },
              ThrowsMessage<InputError>(
                  testing::AllOf(HasSubstr("Permission denied"), HasSubstr("choose another place"))));
  ASSERT_EQ(::seteuid(user), 0);
  ASSERT_EQ(::chmod(folder.path().c_str(), 0), 0);
  if (user == 0) {
    ASSERT_EQ(::seteuid(nobody), 0);
  }
  EXPECT_THAT([&] { name_taken(folder.file()); }, ThrowsMessage<InputError>(HasSubstr("Permission denied")));
  ASSERT_EQ(::seteuid(user), 0);
  ::chmod(folder.path().c_str(), 0755);
  EXPECT_THAT(folder.names(), IsEmpty());
}

}  // namespace
}  // namespace seldon::store
