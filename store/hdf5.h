#pragma once
// A thin layer over the HDF5 C API: handles that close themselves, return codes that become exceptions,
// attributes. Internal to the store room.

#include <concepts>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <hdf5.h>

namespace seldon::store {

/// A call of HDF5 failed; what() is the library's own error stack, from the outermost call to the cause.
class Hdf5Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// While one lives, HDF5 does not print its error stack: the exceptions carry it.
class QuietHdf5 {
 public:
  QuietHdf5();
  ~QuietHdf5();
  QuietHdf5(const QuietHdf5&) = delete;
  QuietHdf5& operator=(const QuietHdf5&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

/// Throws Hdf5Error with the error stack.
[[noreturn]] void throw_hdf5_error();

/// Passes a result on; throws Hdf5Error where it is negative.
template <std::signed_integral T>
T checked(T result) {
  if (result < 0) throw_hdf5_error();
  return result;
}

/// Owns an HDF5 identifier.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  /// Throws Hdf5Error where `id` is an error.
  Handle(hid_t id, Close closer) : id_(checked(id)), close_(closer) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  operator hid_t() const { return id_; }  // NOLINT: a handle is used like the identifier it owns

  /// Closes now, so that an error is seen: closing a file is when HDF5 writes.
  void close() {
    const hid_t id = std::exchange(id_, H5I_INVALID_HID);
    checked(close_(id));
  }

 private:
  hid_t id_;
  Close close_;
};

// Attributes. Texts are of variable length (UTF-8), so that long ones lie in the file's heap and not in the
// object header, which ends at 64 KiB; h5py gives them as `str`.

/// Throws InputError for a text with a NUL in it, or for more texts than an attribute holds (about 4000).
void put_texts(hid_t object, const std::string& name, std::span<const std::string> texts);
void put_text(hid_t object, const std::string& name, const std::string& text);
void put_integer(hid_t object, const std::string& name, std::uint64_t value);
void put_real(hid_t object, const std::string& name, double value);

std::vector<std::string> get_texts(hid_t object, const std::string& name);
std::string get_text(hid_t object, const std::string& name);
std::uint64_t get_integer(hid_t object, const std::string& name);
double get_real(hid_t object, const std::string& name);
bool has_attribute(hid_t object, const std::string& name);

}  // namespace seldon::store
