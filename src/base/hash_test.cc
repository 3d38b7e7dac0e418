#include "base/hash.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace colossus {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Hash, IsXxh3OfTheBytes) {
  // The published value for no bytes at all.
  EXPECT_EQ(hash128({}).hex(), "99aa06d3014798d86001c324468d497f");
}

TEST(Hash, ComesBackFromItsText) {
  const Hash128 hash = hash128(bytes_of("text"));
  EXPECT_EQ(parse_hash128(hash.hex()), hash);
  EXPECT_EQ((Hash128{1, 0xab}).hex(), "000000000000000100000000000000ab");
}

TEST(Hash, OtherTextIsRefused) {
  const std::string good = hash128({}).hex();
  for (const std::string& text :
       {std::string(), good.substr(1), good + "0", "g" + good.substr(1),
        "A" + good.substr(1), "-" + good.substr(1)}) {
    EXPECT_THROW(parse_hash128(text), CorruptFile) << text;
  }
}

TEST(Hash, DependsOnTheBytesNotOnTheCuts) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 31);
  for (const size_t cut : {1u, 7u, 64u, 1024u, 4999u}) {
    StreamingHash128 hash;
    for (size_t at = 0; at < text.size(); at += cut) {
      const std::string piece = text.substr(at, cut);
      hash.update(piece.data(), piece.size());
    }
    EXPECT_EQ(hash.digest(), hash128(bytes_of(text))) << cut;
  }
}

TEST(Hash, AFlippedBitChangesIt) {
  std::string text = "some bytes";
  const Hash128 before = hash128(bytes_of(text));
  text[3] ^= 1;
  EXPECT_NE(hash128(bytes_of(text)), before);
}

}  // namespace
}  // namespace colossus
