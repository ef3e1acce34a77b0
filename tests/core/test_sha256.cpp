#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "core/sha256.h"

namespace seldon {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// The first two are FIPS 180-4's examples; the others, around the padding's borders, are from Python's
// hashlib.
TEST(Sha256, AgreesWithKnownDigests) {
  EXPECT_EQ(sha256_hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(bytes_of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const auto digest_of_a = [](std::size_t n) { return sha256_hex(bytes_of(std::string(n, 'a'))); };
  EXPECT_EQ(digest_of_a(55), "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  EXPECT_EQ(digest_of_a(56), "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
  EXPECT_EQ(digest_of_a(63), "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34");
  EXPECT_EQ(digest_of_a(64), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
  EXPECT_EQ(digest_of_a(119), "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb");
  EXPECT_EQ(digest_of_a(120), "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c");
}

TEST(Sha256, DoesNotDependOnHowTheBytesAreCut) {
  const std::string text(300, 'x');
  for (std::size_t part : {1, 7, 63, 64, 65, 200}) {
    Sha256 hash;
    for (std::size_t at = 0; at < text.size(); at += part) hash.add(bytes_of(text.substr(at, part)));
    EXPECT_EQ(hash.hex(), sha256_hex(bytes_of(text))) << "parts of " << part;
  }
}

}  // namespace
}  // namespace seldon
