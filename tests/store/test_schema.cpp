#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "store/hdf5.h"
#include "store/schema.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Schema, KeepsTheHeader) {
  const example::Folder folder;
  const Header header = example::header();
  write_schema(folder.file(), header);
  EXPECT_EQ(read_schema(folder.file()).header, header);
}

TEST(Schema, KeepsEmptyListsAndTexts) {
  const example::Folder folder;
  Header header = example::header();
  header.config = header.identity = header.numerics = header.name = header.version = "";
  header.constraints.clear();
  header.packs.clear();
  for (auto& model : header.models) model.shape.constraints = model.shape.base_nodes = {};
  write_schema(folder.file(), header);
  EXPECT_EQ(read_schema(folder.file()).header, header);
}

TEST(Schema, KeepsTextsBeyondAnObjectHeadersSize) {
  const example::Folder folder;
  Header header = example::header();
  header.config = std::string(1'000'000, 'c');
  header.identity = std::string(200'000, 'i');
  header.constraints[0].expression = std::string(100'000, '(');
  header.models[0].shape.subgroups.assign(900, std::string(200, 's'));
  write_schema(folder.file(), header);
  EXPECT_EQ(read_schema(folder.file()).header, header);
}

TEST(Schema, KeepsARegressionsShape) {
  const example::Folder folder;
  Header header = example::header();
  for (auto& model : header.models) {
    model.shape.regime = Regime::regression;
    model.shape.classes = 0;
    model.shape.rules = {"value"};
  }
  write_schema(folder.file(), header);
  const Schema schema = read_schema(folder.file());
  EXPECT_EQ(schema.header, header);
  EXPECT_NE(schema.layouts[0].find(Field::residuals), nullptr);
}

TEST(Schema, PlacesDoNotOverlapAndLieInTheFile) {
  const example::Folder folder;
  write_schema(folder.file(), example::header());
  const Schema schema = read_schema(folder.file());
  std::vector<std::pair<std::uint64_t, std::uint64_t>> extents;
  for (const auto& places : schema.places) {
    for (const Place& place : {places.cells, places.state, places.runs})
      extents.emplace_back(place.offset, place.offset + place.row_bytes * schema.cells_per_model());
    for (const Place& place : places.arrays)
      extents.emplace_back(place.offset, place.offset + place.row_bytes * schema.cells_per_model());
  }
  EXPECT_EQ(extents.size(), 2 * 3 + 3);
  std::ranges::sort(extents);
  for (std::size_t i = 1; i < extents.size(); ++i) EXPECT_LE(extents[i - 1].second, extents[i].first);
  EXPECT_GT(extents.front().first, 0U);
  EXPECT_LE(extents.back().second, std::filesystem::file_size(folder.file()));
  EXPECT_EQ(schema.places[0].cells.row_bytes, schema.layouts[0].compound_bytes());
  EXPECT_EQ(schema.places[0].arrays[0].row_bytes, 2 * 3 * 2 * 64 * 2 * 8U);
}

TEST(Schema, EqualHeadersGiveEqualFiles) {
  const example::Folder folder;
  write_schema(folder.file("a.h5"), example::header());
  write_schema(folder.file("b.h5"), example::header());
  const auto contents = [&](const char* name) {
    std::ifstream in(folder.file(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  EXPECT_EQ(contents("a.h5"), contents("b.h5"));
}

TEST(Schema, RefusesWhatCannotBeKept) {
  const example::Folder folder;
  const auto refuses = [&](auto spoil, const std::string& message) {
    Header header = example::header();
    spoil(header);
    EXPECT_THAT([&] { write_schema(folder.file(), header); }, ThrowsMessage<InputError>(HasSubstr(message)));
  };
  refuses([](Header& h) { h.models[0].name = "a/b"; }, "'a/b' cannot be the name of a model");
  refuses([](Header& h) { h.constraints[0].name = "."; }, "'.' cannot be the name of a constraint");
  refuses([](Header& h) { h.models[1].name = h.models[0].name; }, "two models of the name 'qsa'");
  refuses([](Header& h) { h.config[3] = '\0'; }, "NUL");
  refuses([](Header& h) { h.models[0].shape.subgroups.resize(5000, "s"); }, "'subgroup'");
}

TEST(Schema, RefusesAHeaderThatContradictsItself) {
  const example::Folder folder;
  const auto refuses = [&](auto spoil) {
    Header header = example::header();
    spoil(header);
    EXPECT_THROW(write_schema(folder.file(), header), InternalError);
  };
  refuses([](Header& h) { h.models.clear(); });
  refuses([](Header& h) { h.n_trials = 0; });
  refuses([](Header& h) { h.rows.pop_back(); });
  refuses([](Header& h) { h.packs[0].width = h.n_trials + 1; });
  refuses([](Header& h) { h.packs[0].model = 2; });
  refuses([](Header& h) { h.packs[0].fraction = 3; });
}

TEST(Schema, RefusesWhatIsNoStore) {
  const example::Folder folder;
  const auto refuses = [](const std::string& path, const std::string& message) {
    EXPECT_THAT([&] { read_schema(path); }, ThrowsMessage<InputError>(HasSubstr(message)));
  };
  refuses(folder.file("missing.h5"), "there is no store");
  refuses(folder.path(), "is not a store");
  refuses("/dev/null", "no ordinary file");
  std::ofstream(folder.file("empty.h5"));
  refuses(folder.file("empty.h5"), "is not a store");
  std::ofstream(folder.file("text.h5")) << std::string(5000, 'x');
  refuses(folder.file("text.h5"), "is not a store");
  Handle other(H5Fcreate(folder.file("other.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  other.close();
  refuses(folder.file("other.h5"), "no format_version");
}

TEST(Schema, RefusesAnotherVersionAndDamage) {
  const example::Folder folder;
  const auto refuses = [&](auto spoil, const std::string& message) {
    write_schema(folder.file(), example::header());
    Handle file(H5Fopen(folder.file().c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    spoil(static_cast<hid_t>(file));
    file.close();
    EXPECT_THAT([&] { read_schema(folder.file()); }, ThrowsMessage<InputError>(HasSubstr(message)));
  };
  const auto set = [](hid_t file, const char* name, std::uint64_t value) {
    checked(H5Adelete(file, name));
    put_integer(file, name, value);
  };
  refuses([&](hid_t file) { set(file, "format_version", 99); },
          "has format 99 and this program reads format 2");
  refuses([&](hid_t file) { set(file, "n_trials", 5); }, "another shape or type");
  refuses([&](hid_t file) { checked(H5Adelete(file, "seed")); }, "is damaged");
  refuses(
      [&](hid_t file) {
        const Handle packs(H5Dopen2(file, "packs", H5P_DEFAULT), H5Dclose);
        const Handle type(H5Dget_type(packs), H5Tclose);
        const std::vector<Pack> wild(6, Pack{0, 99, 0, 0, 1});
        checked(H5Dwrite(packs, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, wild.data()));
      },
      "a pack lies outside the experiment");
  refuses([&](hid_t file) { checked(H5Ldelete(file, "models/qsa/state", H5P_DEFAULT)); }, "is damaged");
}

TEST(Schema, RefusesACopyThatWasCutShort) {
  const example::Folder folder;
  write_schema(folder.file(), example::header());
  std::filesystem::resize_file(folder.file(), std::filesystem::file_size(folder.file()) - 1000);
  EXPECT_THROW(read_schema(folder.file()), InputError);
}

}  // namespace
}  // namespace seldon::store
