#include "store/hdf5.h"

#include <memory>

#include "core/error.h"

namespace seldon::store {
namespace {

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  checked(H5Tset_size(type, H5T_VARIABLE));
  checked(H5Tset_cset(type, H5T_CSET_UTF8));
  return type;
}

Handle scalar_space() {
  return {H5Screate(H5S_SCALAR), H5Sclose};
}

Handle list_space(hsize_t count) {
  return {H5Screate_simple(1, &count, nullptr), H5Sclose};
}

void put(hid_t object, const std::string& name, hid_t type, hid_t space, const void* data) {
  const Handle attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  checked(H5Awrite(attribute, type, data));
}

void put_pointers(hid_t object, const std::string& name, hid_t space, std::span<const std::string> texts) {
  constexpr std::size_t most = 4000;  // 16 bytes each in an object header message of at most 64 KiB
  if (texts.size() > most)
    throw InputError("the store keeps the names of '" + name + "' in one attribute, which holds " +
                     std::to_string(most) + "; there are " + std::to_string(texts.size()));
  std::vector<const char*> pointers;
  for (const std::string& text : texts) {
    if (text.find('\0') != std::string::npos)
      throw InputError("'" + name + "' holds a NUL character, which the store cannot keep; remove it");
    pointers.push_back(text.c_str());
  }
  const char* none = nullptr;
  put(object, name, text_type(), space, pointers.empty() ? &none : pointers.data());
}

herr_t append_frame(unsigned, const H5E_error2_t* frame, void* text) {
  auto& out = *static_cast<std::string*>(text);
  if (!out.empty()) out += " <- ";
  out += frame->desc && *frame->desc ? frame->desc : "(no description)";
  return 0;
}

}  // namespace

QuietHdf5::QuietHdf5() {
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

QuietHdf5::~QuietHdf5() {
  H5Eset_auto2(H5E_DEFAULT, function_, data_);
}

void throw_hdf5_error() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, append_frame, &text);
  H5Eclear2(H5E_DEFAULT);
  throw Hdf5Error(text.empty() ? "an HDF5 call failed without saying why" : text);
}

void put_texts(hid_t object, const std::string& name, std::span<const std::string> texts) {
  put_pointers(object, name, list_space(texts.size()), texts);
}

void put_text(hid_t object, const std::string& name, const std::string& text) {
  put_pointers(object, name, scalar_space(), std::span(&text, 1));
}

void put_integer(hid_t object, const std::string& name, std::uint64_t value) {
  put(object, name, H5T_STD_U64LE, scalar_space(), &value);
}

void put_real(hid_t object, const std::string& name, double value) {
  put(object, name, H5T_IEEE_F64LE, scalar_space(), &value);
}

std::vector<std::string> get_texts(hid_t object, const std::string& name) {
  const Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
  const Handle space(H5Aget_space(attribute), H5Sclose);
  const auto count = static_cast<std::size_t>(checked(H5Sget_simple_extent_npoints(space)));
  if (count == 0) return {};
  const Handle type = text_type();
  std::vector<char*> pointers(count, nullptr);
  checked(H5Aread(attribute, type, pointers.data()));
  std::vector<std::string> texts;
  for (const char* pointer : pointers) texts.emplace_back(pointer ? pointer : "");
  checked(H5Dvlen_reclaim(type, space, H5P_DEFAULT, pointers.data()));
  return texts;
}

std::string get_text(hid_t object, const std::string& name) {
  auto texts = get_texts(object, name);
  if (texts.size() != 1) throw Hdf5Error("attribute '" + name + "' is not one text");
  return std::move(texts.front());
}

std::uint64_t get_integer(hid_t object, const std::string& name) {
  const Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
  if (H5Aget_storage_size(attribute) != sizeof(std::uint64_t))
    throw Hdf5Error("attribute '" + name + "' is not one 64-bit integer");
  std::uint64_t value = 0;
  checked(H5Aread(attribute, H5T_STD_U64LE, &value));
  return value;
}

double get_real(hid_t object, const std::string& name) {
  const Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
  if (H5Aget_storage_size(attribute) != sizeof(double))
    throw Hdf5Error("attribute '" + name + "' is not one number");
  double value = 0;
  checked(H5Aread(attribute, H5T_IEEE_F64LE, &value));
  return value;
}

bool has_attribute(hid_t object, const std::string& name) {
  return checked(H5Aexists(object, name.c_str())) > 0;
}

}  // namespace seldon::store
