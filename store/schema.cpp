#include "store/schema.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "store/hdf5.h"
#include "store/run_row.h"

namespace seldon::store {
namespace {

// ---- types -------------------------------------------------------------------------------------

hid_t scalar_type(ScalarType type) {
  switch (type) {
    case ScalarType::int32:
      return H5T_STD_I32LE;
    case ScalarType::int64:
      return H5T_STD_I64LE;
    case ScalarType::uint64:
      return H5T_STD_U64LE;
    case ScalarType::float64:
      return H5T_IEEE_F64LE;
  }
  throw InternalError("a record's member has an unknown type");
}

Handle member_type(const RecordLayout::Member& member) {
  if (member.dims.empty()) return {H5Tcopy(scalar_type(member.type)), H5Tclose};
  const std::vector<hsize_t> dims(member.dims.begin(), member.dims.end());
  return {H5Tarray_create2(scalar_type(member.type), static_cast<unsigned>(dims.size()), dims.data()),
          H5Tclose};
}

Handle cell_type(const RecordLayout& layout) {
  Handle type(H5Tcreate(H5T_COMPOUND, layout.compound_bytes()), H5Tclose);
  for (const auto& member : layout.members())
    checked(H5Tinsert(type, std::string(name_of(member.field)).c_str(), member.offset, member_type(member)));
  return type;
}

Handle state_type() {
  Handle type(H5Tenum_create(H5T_STD_U8LE), H5Tclose);
  constexpr std::array names = {"PENDING", "LEASED", "DONE", "FAILED", "LOST", "PREEMPTED"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto value = static_cast<std::uint8_t>(i);
    checked(H5Tenum_insert(type, names[i], &value));
  }
  return type;
}

Handle text_type(std::size_t bytes) {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  checked(H5Tset_size(type, bytes));
  checked(H5Tset_cset(type, H5T_CSET_UTF8));
  return type;
}

Handle run_type() {
  Handle type(H5Tcreate(H5T_COMPOUND, sizeof(RunRow)), H5Tclose);
  const auto insert = [&](const char* name, std::size_t offset, hid_t member) {
    checked(H5Tinsert(type, name, offset, member));
  };
  insert("attempt", offsetof(RunRow, attempt), H5T_STD_U32LE);
  insert("rank", offsetof(RunRow, rank), H5T_STD_I32LE);
  insert("host", offsetof(RunRow, host), text_type(sizeof(RunRow::host)));
  insert("device", offsetof(RunRow, device), text_type(sizeof(RunRow::device)));
  insert("width", offsetof(RunRow, width), H5T_STD_U32LE);
  insert("failures", offsetof(RunRow, failures), H5T_STD_U32LE);
  insert("suspicion", offsetof(RunRow, suspicion), H5T_STD_U32LE);
  insert("deaths", offsetof(RunRow, deaths), H5T_STD_U32LE);
  insert("alone", offsetof(RunRow, alone), H5T_STD_U32LE);
  insert("start", offsetof(RunRow, start), H5T_IEEE_F64LE);
  insert("seconds_selection", offsetof(RunRow, seconds_selection), H5T_IEEE_F64LE);
  insert("seconds_safety", offsetof(RunRow, seconds_safety), H5T_IEEE_F64LE);
  insert("seconds_evaluation", offsetof(RunRow, seconds_evaluation), H5T_IEEE_F64LE);
  insert("seconds_total", offsetof(RunRow, seconds_total), H5T_IEEE_F64LE);
  insert("message", offsetof(RunRow, message), text_type(sizeof(RunRow::message)));
  return type;
}

Handle pack_type() {
  Handle type(H5Tcreate(H5T_COMPOUND, sizeof(Pack)), H5Tclose);
  checked(H5Tinsert(type, "experiment", offsetof(Pack, experiment), H5T_STD_U32LE));
  checked(H5Tinsert(type, "model", offsetof(Pack, model), H5T_STD_U32LE));
  checked(H5Tinsert(type, "fraction", offsetof(Pack, fraction), H5T_STD_U32LE));
  checked(H5Tinsert(type, "first_trial", offsetof(Pack, first_trial), H5T_STD_U32LE));
  checked(H5Tinsert(type, "width", offsetof(Pack, width), H5T_STD_U32LE));
  return type;
}

/// What a header contradicts itself in; empty where it does not.
std::string contradiction(const Header& header) {
  if (header.models.empty() || header.data_fracs.empty() || header.n_trials == 0)
    return "it has no models, data fractions or trials";
  if (header.rows.size() != header.data_fracs.size())
    return "it has " + std::to_string(header.rows.size()) + " row counts for " +
           std::to_string(header.data_fracs.size()) + " data fractions";
  for (const Pack& pack : header.packs)
    if (pack.model >= header.models.size() || pack.fraction >= header.data_fracs.size() || pack.width == 0 ||
        std::uint64_t{pack.first_trial} + pack.width > header.n_trials)
      return "a pack lies outside the experiment";
  return {};
}

// ---- writing -----------------------------------------------------------------------------------

/// No creation times (equal experiments give equal metadata).
Handle group(hid_t parent, const std::string& name) {
  const Handle properties(H5Pcreate(H5P_GROUP_CREATE), H5Pclose);
  checked(H5Pset_obj_track_times(properties, false));
  return {H5Gcreate2(parent, name.c_str(), H5P_DEFAULT, properties, H5P_DEFAULT), H5Gclose};
}

/// Contiguous and allocated at once, so that its place never changes. HDF5 writes no fill values: the writer
/// does.
Handle dataset(hid_t parent, const std::string& name, hid_t type, const std::vector<hsize_t>& shape) {
  const Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  checked(H5Pset_layout(properties, H5D_CONTIGUOUS));
  checked(H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY));
  checked(H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER));
  checked(H5Pset_obj_track_times(properties, false));
  const Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  return {H5Dcreate2(parent, name.c_str(), type, space, H5P_DEFAULT, properties, H5P_DEFAULT), H5Dclose};
}

template <class T>
void put_list(hid_t parent, const std::string& name, hid_t type, const std::vector<T>& values) {
  const Handle list = dataset(parent, name, type, {values.size()});
  if (!values.empty()) checked(H5Dwrite(list, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
}

/// HDF5 takes '/' and '.' for paths.
void require_name(const std::string& what, const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    throw InputError("'" + name + "' cannot be the name of a " + what +
                     " in a store; use letters, digits, _, - and .");
}

template <class T>
std::vector<std::string> names_of(const std::string& what, const std::vector<T>& things) {
  std::vector<std::string> names;
  for (const T& thing : things) {
    require_name(what, thing.name);
    if (std::ranges::find(names, thing.name) != names.end())
      throw InputError("there are two " + what + "s of the name '" + thing.name + "'; rename one");
    names.push_back(thing.name);
  }
  return names;
}

/// What the positions of an axis mean, for those axes of which RecordShape does not hold the names.
std::optional<std::vector<std::string>> fixed_names(const std::string& axis, const RecordShape& shape) {
  if (axis == "true_class" || axis == "class") {
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < shape.classes; ++i) names.push_back(std::to_string(i));
    return names;
  }
  if (axis == "log_loss_sum") return {{"sum", "sum of squares"}};
  if (axis == "residual_sum") return {{"n", "y", "y^2", "e", "|e|", "e^2", "e^4"}};
  if (axis == "bin_sum") return {{"count", "score"}};
  if (axis == "trace") {
    std::vector<std::string> names = {"loss"};
    for (const auto& constraint : shape.constraints)
      names.insert(names.end(), {"multiplier of " + constraint, "upper bound of " + constraint});
    return names;
  }
  return std::nullopt;  // "bin", "iteration" and "parameter" are counted
}

void put_shape(hid_t model, const RecordLayout& layout) {
  const RecordShape& shape = layout.shape();
  put_text(model, "regime", std::string(name_of(shape.regime)));
  put_integer(model, "classes", shape.classes);
  put_integer(model, "histograms", shape.histograms);
  put_integer(model, "trace_iterations", shape.trace_iterations);
  put_integer(model, "parameters", shape.parameters);
  put_texts(model, "performance", shape.performance);
  put_texts(model, "constraint", shape.constraints);
  put_texts(model, "base_node", shape.base_nodes);
  put_texts(model, "subgroup", shape.subgroups);
  put_texts(model, "truth", shape.truths);
  put_texts(model, "rule", shape.rules);
  std::set<std::string> axes;
  for (const auto* list : {&layout.members(), &layout.arrays()})
    for (const auto& member : *list) axes.insert(member.axes.begin(), member.axes.end());
  for (const auto& axis : axes)
    if (const auto names = fixed_names(axis, shape)) put_texts(model, axis, *names);
}

std::vector<std::string> axes_of(const RecordLayout::Member& member) {
  std::vector<std::string> axes = {"fraction", "trial"};
  axes.insert(axes.end(), member.axes.begin(), member.axes.end());
  return axes;
}

void put_model(hid_t models, const Header& header, const ModelHeader& description) {
  const RecordLayout layout(description.shape);
  const Handle model = group(models, description.name);
  put_text(model, "kind", description.kind);
  put_shape(model, layout);

  const std::vector<hsize_t> grid = {header.data_fracs.size(), header.n_trials};
  const Handle cells = dataset(model, "cells", cell_type(layout), grid);
  for (const auto& member : layout.members())
    put_texts(cells, "axes of " + std::string(name_of(member.field)), axes_of(member));
  dataset(model, "state", state_type(), grid);
  dataset(model, "runs", run_type(), grid);
  for (const auto& array : layout.arrays()) {
    std::vector<hsize_t> shape = grid;
    shape.insert(shape.end(), array.dims.begin(), array.dims.end());
    const auto name = std::string(name_of(array.field));
    const Handle handle = dataset(model, name, scalar_type(array.type), shape);
    put_texts(handle, "axes of " + name, axes_of(array));
  }
}

void put_header(hid_t file, const Header& header) {
  put_integer(file, "format_version", format_version);
  put_text(file, "name", header.name);
  put_text(file, "version", header.version);
  put_integer(file, "seed", header.seed);
  put_integer(file, "n_trials", header.n_trials);
  put_integer(file, "total_rows", header.total_rows);
  put_text(file, "config", header.config);
  put_text(file, "identity", header.identity);
  put_text(file, "numerics", header.numerics);
  put_list(file, "data_fracs", H5T_IEEE_F64LE, header.data_fracs);
  put_list(file, "rows", H5T_STD_U64LE, header.rows);
  put_list(file, "packs", pack_type(), header.packs);

  put_texts(file, "constraints", names_of("constraint", header.constraints));
  const Handle constraints = group(file, "constraints");
  for (const auto& description : header.constraints) {
    const Handle constraint = group(constraints, description.name);
    put_text(constraint, "expression", description.expression);
    put_text(constraint, "decision", description.decision);
    put_text(constraint, "bound", description.bound);
    put_real(constraint, "delta", description.delta);
  }
  put_texts(file, "models", names_of("model", header.models));
}

/// The file is never held open while it changes, so HDF5's own locks would only keep readers out.
Handle access_without_locks() {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  checked(H5Pset_file_locking(access, false, true));
  return access;
}

// ---- reading -----------------------------------------------------------------------------------

/// Damage that the schema's reader has found.
struct Damage {
  std::string what;
};

template <class T>
std::vector<T> get_list(hid_t file, const std::string& name, hid_t type) {
  const Handle list(H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose);
  const Handle space(H5Dget_space(list), H5Sclose);
  const auto count = static_cast<std::size_t>(checked(H5Sget_simple_extent_npoints(space)));
  if (count * sizeof(T) != H5Dget_storage_size(list))
    throw Damage{"'" + name + "' is not the list it should be"};
  std::vector<T> values(count);
  if (count > 0) checked(H5Dread(list, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  return values;
}

Regime get_regime(hid_t model) {
  const auto name = get_text(model, "regime");
  for (Regime regime : {Regime::classification, Regime::regression, Regime::multiclass_classification,
                        Regime::reinforcement_learning})
    if (name_of(regime) == name) return regime;
  throw Damage{"'" + name + "' is no regime"};
}

RecordShape get_shape(hid_t model) {
  RecordShape shape;
  shape.regime = get_regime(model);
  shape.classes = static_cast<std::uint32_t>(get_integer(model, "classes"));
  shape.histograms = get_integer(model, "histograms") != 0;
  shape.trace_iterations = get_integer(model, "trace_iterations");
  shape.parameters = get_integer(model, "parameters");
  shape.performance = get_texts(model, "performance");
  shape.constraints = get_texts(model, "constraint");
  shape.base_nodes = get_texts(model, "base_node");
  shape.subgroups = get_texts(model, "subgroup");
  shape.truths = get_texts(model, "truth");
  shape.rules = get_texts(model, "rule");
  return shape;
}

/// Where a dataset lies, after a look whether it is what the header promises.
Place get_place(hid_t model, const std::string& name, hid_t type, std::vector<hsize_t> shape) {
  const Handle handle(H5Dopen2(model, name.c_str(), H5P_DEFAULT), H5Dclose);
  const Handle found_type(H5Dget_type(handle), H5Tclose);
  const Handle space(H5Dget_space(handle), H5Sclose);
  std::vector<hsize_t> found_shape(static_cast<std::size_t>(checked(H5Sget_simple_extent_ndims(space))));
  checked(H5Sget_simple_extent_dims(space, found_shape.data(), nullptr));
  if (checked(H5Tequal(found_type, type)) == 0 || found_shape != shape)
    throw Damage{"dataset '" + name + "' has another shape or type than the header says"};
  const haddr_t offset = H5Dget_offset(handle);
  if (offset == HADDR_UNDEF) throw Damage{"dataset '" + name + "' has no place in the file"};
  std::uint64_t row_bytes = H5Tget_size(type);
  for (std::size_t axis = 2; axis < shape.size(); ++axis) row_bytes *= shape[axis];
  return {offset, row_bytes};
}

ModelPlaces get_places(hid_t model, const Header& header, const RecordLayout& layout) {
  const std::vector<hsize_t> grid = {header.data_fracs.size(), header.n_trials};
  ModelPlaces places;
  places.cells = get_place(model, "cells", cell_type(layout), grid);
  places.state = get_place(model, "state", state_type(), grid);
  places.runs = get_place(model, "runs", run_type(), grid);
  for (const auto& array : layout.arrays()) {
    std::vector<hsize_t> shape = grid;
    shape.insert(shape.end(), array.dims.begin(), array.dims.end());
    places.arrays.push_back(
        get_place(model, std::string(name_of(array.field)), scalar_type(array.type), shape));
  }
  return places;
}

Header get_header(hid_t file) {
  Header header;
  header.name = get_text(file, "name");
  header.version = get_text(file, "version");
  header.seed = get_integer(file, "seed");
  header.n_trials = static_cast<std::uint32_t>(get_integer(file, "n_trials"));
  header.total_rows = get_integer(file, "total_rows");
  header.config = get_text(file, "config");
  header.identity = get_text(file, "identity");
  header.numerics = get_text(file, "numerics");
  header.data_fracs = get_list<double>(file, "data_fracs", H5T_IEEE_F64LE);
  header.rows = get_list<std::uint64_t>(file, "rows", H5T_STD_U64LE);
  header.packs = get_list<Pack>(file, "packs", pack_type());
  for (const auto& name : get_texts(file, "constraints")) {
    const Handle constraint(H5Gopen2(file, ("constraints/" + name).c_str(), H5P_DEFAULT), H5Gclose);
    header.constraints.push_back({name, get_text(constraint, "expression"), get_text(constraint, "decision"),
                                  get_text(constraint, "bound"), get_real(constraint, "delta")});
  }
  return header;
}

Schema get_schema(hid_t file) {
  Schema schema;
  schema.header = get_header(file);
  for (const auto& name : get_texts(file, "models")) {
    const Handle model(H5Gopen2(file, ("models/" + name).c_str(), H5P_DEFAULT), H5Gclose);
    schema.header.models.push_back({name, get_text(model, "kind"), get_shape(model)});
    const RecordLayout& layout = schema.layouts.emplace_back(schema.header.models.back().shape);
    schema.places.push_back(get_places(model, schema.header, layout));
  }
  if (const auto what = contradiction(schema.header); !what.empty()) throw Damage{what};
  return schema;
}

void require_version(hid_t file, const std::string& path) {
  if (!has_attribute(file, "format_version"))
    throw InputError("'" + path + "' is an HDF5 file, but not a store: it has no format_version");
  const auto version = get_integer(file, "format_version");
  if (version != format_version)
    throw InputError("the store '" + path + "' has format " + std::to_string(version) +
                     " and this program reads format " + std::to_string(format_version) +
                     "; use the version of the program that wrote it");
}

[[noreturn]] void refuse_damaged(const std::string& path, const std::string& what) {
  throw InputError("the store '" + path + "' is damaged: " + what +
                   "; copy it again from where it was written");
}

/// A copy that was cut short keeps its header.
void require_whole(const Schema& schema, const std::string& path) {
  const std::uint64_t size = File::open(path, File::Mode::read).size();
  const auto require = [&](const Place& place) {
    if (place.offset + place.row_bytes * schema.cells_per_model() > size)
      refuse_damaged(path, "it is cut short at " + std::to_string(size) + " bytes");
  };
  for (const auto& places : schema.places) {
    for (const Place& place : {places.cells, places.state, places.runs}) require(place);
    for (const Place& place : places.arrays) require(place);
  }
}

}  // namespace

std::uint64_t Schema::row(CellKey key) const {
  if (key.model >= layouts.size() || key.fraction >= header.data_fracs.size() || key.trial >= header.n_trials)
    throw InternalError("the store has no cell (model " + std::to_string(key.model) + ", fraction " +
                        std::to_string(key.fraction) + ", trial " + std::to_string(key.trial) + ")");
  return std::uint64_t{key.fraction} * header.n_trials + key.trial;
}

std::string text_of(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.begin(), text.end(), value).ptr};
}

std::string describe(const Header& header, CellKey key) {
  return "model '" + header.models.at(key.model).name + "', data fraction " +
         text_of(header.data_fracs.at(key.fraction)) + ", trial " + std::to_string(key.trial);
}

void write_schema(const std::string& path, const Header& header) {
  if (const auto what = contradiction(header); !what.empty())
    throw InternalError("a store's header is wrong: " + what);
  const QuietHdf5 quiet;
  const Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  checked(H5Pset_obj_track_times(creation, false));
  Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, access_without_locks()), H5Fclose);
  put_header(file, header);
  const Handle models = group(file, "models");
  for (const auto& model : header.models) put_model(models, header, model);
  checked(H5Fflush(file, H5F_SCOPE_GLOBAL));
  file.close();
}

Schema read_schema(const std::string& path) {
  File::open(path, File::Mode::read);  // its errors say more than HDF5's
  const QuietHdf5 quiet;
  std::optional<Handle> file;
  try {
    file.emplace(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access_without_locks()), H5Fclose);
  } catch (const Hdf5Error& error) {
    throw InputError("'" + path + "' is not a store: HDF5 cannot open it (" + error.what() + ")");
  }
  try {
    require_version(*file, path);
    Schema schema = get_schema(*file);
    require_whole(schema, path);
    return schema;
  } catch (const Hdf5Error& error) {
    refuse_damaged(path, error.what());
  } catch (const Damage& damage) {
    refuse_damaged(path, damage.what);
  }
}

OpenStore open_to_read(const std::string& path) {
  // The number ends this on file systems that give one file several numbers.
  constexpr int most_tries = 100;
  for (int tries = 1;; ++tries) {
    File file = File::open(path, File::Mode::read);
    const auto settled = [&] { return file.is_still_named() || tries == most_tries; };
    try {
      Schema schema = read_schema(path);
      if (settled()) return {std::move(schema), std::move(file)};
    } catch (const InputError&) {
      if (settled()) throw;  // else it may have seen parts of two files
    }
  }
}

std::vector<std::byte> read_record(const File& file, const Schema& schema, CellKey key) {
  const std::uint64_t row = schema.row(key);
  const ModelPlaces& places = schema.places[key.model];
  std::vector<std::byte> bytes(schema.layouts[key.model].bytes());
  std::span<std::byte> rest(bytes);
  const auto read = [&](const Place& place) {
    file.read(place.offset + row * place.row_bytes, rest.first(place.row_bytes));
    rest = rest.subspan(place.row_bytes);
  };
  read(places.cells);
  for (const Place& place : places.arrays) read(place);
  return bytes;
}

void write_record(File& file, const Schema& schema, CellKey key, std::span<const std::byte> record) {
  const std::uint64_t row = schema.row(key);
  const ModelPlaces& places = schema.places[key.model];
  const auto write = [&](const Place& place) {
    file.write(place.offset + row * place.row_bytes, record.first(place.row_bytes));
    record = record.subspan(place.row_bytes);
  };
  write(places.cells);
  for (const Place& place : places.arrays) write(place);
}

std::vector<CellState> read_states(const File& file, const Schema& schema, std::uint32_t model) {
  std::vector<CellState> states(schema.cells_per_model());
  read_states(file, schema, model, 0, states);
  return states;
}

void read_states(const File& file, const Schema& schema, std::uint32_t model, std::uint64_t first,
                 std::span<CellState> to) {
  file.read(schema.places.at(model).state.offset + first, std::as_writable_bytes(to));
  if (std::ranges::any_of(to, [](CellState state) { return state > CellState::preempted; }))
    refuse_damaged(file.path(), "a cell's state has no meaning");
}

bool is_intact(const Schema& schema, CellKey key, std::vector<std::byte> bytes) {
  return CellRecord(schema.layouts[key.model], std::move(bytes))
      .intact(schema.header.models[key.model].name, schema.header.data_fracs[key.fraction], key.trial);
}

}  // namespace seldon::store
