#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "store/schema.h"
#include "store/store.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

/// The store of `header` with every cell DONE, written in an order drawn from `order_seed`.
std::string digest_of(const Header& header, std::uint64_t order_seed) {
  const example::Folder folder;
  {
    Writer writer = Writer::create(folder.file(), header);
    const auto cells = example::all_cells(header);
    for (auto i : Stream(Purpose::synthetic_data, order_seed).permutation(cells.size())) {
      CellReport report = example::report(writer, cells[i]);
      report.run.attempt = static_cast<std::uint32_t>(order_seed);  // circumstances are not promised
      report.run.host = "host" + std::to_string(order_seed);
      writer.write(report);
    }
  }
  return digest(folder.file());
}

TEST(Digest, DoesNotDependOnTheOrderOfWriting) {
  const Header header = example::header();
  EXPECT_EQ(digest_of(header, 1), digest_of(header, 2));
}

TEST(Digest, DoesNotDependOnPositionsInLists) {
  const Header header = example::header();
  Header turned = header;
  std::ranges::reverse(turned.models);
  std::ranges::reverse(turned.data_fracs);
  std::ranges::reverse(turned.rows);
  turned.packs.clear();
  EXPECT_EQ(digest_of(header, 1), digest_of(turned, 1));
}

TEST(Digest, DiffersForMoreTrialsFractionsOrModels) {
  const Header header = example::header();
  const std::string plain = digest_of(header, 1);
  Header larger = header;
  larger.n_trials += 1;
  EXPECT_NE(digest_of(larger, 1), plain);
  larger = example::header(4);
  EXPECT_NE(digest_of(larger, 1), plain);
  larger = header;
  larger.models.push_back(larger.models[1]);
  larger.models[2].name = "random";
  EXPECT_NE(digest_of(larger, 1), plain);
}

TEST(Digest, DiffersForOneChangedBitInAnyPartOfARecord) {
  const Header header = example::header();
  const CellKey key{0, 0, 1, 2};
  const auto digest_with_flipped = [&](std::size_t byte) {
    const example::Folder folder;
    {
      Writer writer = Writer::create(folder.file(), header);
      CellReport report = example::report(writer, key);
      if (byte > 0) report.record[byte] ^= std::byte{1};
      CellRecord record(writer.layout(0), std::move(report.record));
      record.seal(header.models[0].name, header.data_fracs[1], 2);
      report.record = std::move(record).take_bytes();
      writer.write(report);
    }
    return digest(folder.file());
  };
  const std::string plain = digest_with_flipped(0);
  const RecordLayout layout(header.models[0].shape);
  for (const auto* parts : {&layout.members(), &layout.arrays()})
    for (const auto& part : *parts)
      if (part.field != Field::crc && part.field != Field::outcome) {
        EXPECT_NE(digest_with_flipped(part.offset + part.bytes() - 1), plain) << name_of(part.field);
      }
}

/// Changes one bit of the file.
void flip(const std::string& path, std::uint64_t offset) {
  File file = File::open(path, File::Mode::read_write);
  std::byte byte;
  file.read(offset, std::span(&byte, 1));
  byte ^= std::byte{1};
  file.write(offset, std::span(&byte, 1));
}

TEST(Digest, RefusesADamagedRecordAndCountsOnlyWhatIsPromised) {
  const example::Folder folder;
  const Header header = example::header();
  const CellKey key{0, 0, 1, 2};
  {
    Writer writer = Writer::create(folder.file(), header);
    writer.write(example::report(writer, key));
  }
  const Schema schema = read_schema(folder.file());
  const ModelPlaces& places = schema.places[0];
  const std::uint64_t row = schema.row(key);
  const std::string before = digest(folder.file());
  std::vector<Place> promised = places.arrays;
  promised.push_back(places.cells);
  for (const Place& place : promised)
    for (std::uint64_t byte : {std::uint64_t{0}, place.row_bytes / 2, place.row_bytes - 1}) {
      flip(folder.file(), place.offset + row * place.row_bytes + byte);
      EXPECT_THROW(digest(folder.file()), InputError);
      flip(folder.file(), place.offset + row * place.row_bytes + byte);
    }
  EXPECT_EQ(digest(folder.file()), before);

  // Circumstances, and the contents of a cell that is not DONE, are outside the promise.
  flip(folder.file(), places.runs.offset + row * places.runs.row_bytes);
  flip(folder.file(), places.cells.offset);
  EXPECT_EQ(digest(folder.file()), before);

  // A state counts, DONE or not.
  flip(folder.file(), places.state.offset);
  EXPECT_NE(digest(folder.file()), before);
}

}  // namespace
}  // namespace seldon::store
