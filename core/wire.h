#pragma once
// Bytes of messages: little-endian scalars, length-prefixed strings and vectors. No reflection, no versions:
// both ends are the same program, which the handshake checks.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/error.h"

namespace seldon {

using Bytes = std::vector<std::byte>;

class Writer {
 public:
  template <class T>
  requires std::is_trivially_copyable_v<T> Writer& put(const T& value) {
    const auto* first = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), first, first + sizeof(T));
    return *this;
  }
  Writer& put(const std::string& text) { return put_span(std::span(text.data(), text.size())); }
  template <class T>
  Writer& put(const std::vector<T>& values) {
    if constexpr (std::is_trivially_copyable_v<T>) {
      return put_span(std::span<const T>(values));
    } else {
      put<std::uint64_t>(values.size());
      for (const T& value : values) put(value);
      return *this;
    }
  }
  template <class T>
  Writer& put_span(std::span<const T> values) {
    put<std::uint64_t>(values.size());
    const auto raw = std::as_bytes(values);
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    return *this;
  }
  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

/// Reads what a Writer wrote; a message that is too short is an InternalError, never an overrun.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  requires std::is_trivially_copyable_v<T> T get() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string get_string() {
    const auto raw = take(get<std::uint64_t>());
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }
  template <class T>
  requires std::is_trivially_copyable_v<T> std::vector<T> get_vector() {
    const auto count = get<std::uint64_t>();
    if (count > bytes_.size() / sizeof(T)) throw InternalError("a message ends before its contents do");
    const auto raw = take(count * sizeof(T));
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), raw.data(), raw.size());
    return values;
  }
  bool done() const { return bytes_.empty(); }

 private:
  std::span<const std::byte> take(std::size_t count) {
    if (count > bytes_.size()) throw InternalError("a message ends before its contents do");
    const auto head = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return head;
  }
  std::span<const std::byte> bytes_;
};

}  // namespace seldon
