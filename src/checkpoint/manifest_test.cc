#include "checkpoint/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/hash.h"

namespace colossus::checkpoint {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Manifest example() {
  Manifest manifest;
  manifest.info = {500, "fma-1", "abc", {{"key \"x\"", "line\nline"}}};
  manifest.files["weights.safetensors"] = {17, {1, 2}, {{3, 4}}};
  manifest.files["optimizer.safetensors"] = {
      kBlockBytes + 1, {5, 6}, {{7, 8}, {9, 10}}};
  return manifest;
}

TEST(Manifest, WhatIsWrittenIsRead) {
  EXPECT_EQ(parse_manifest(write_manifest(example()), "m"), example());
}

TEST(Manifest, EveryFlippedBitIsRefused) {
  const std::string good = write_manifest(example());
  for (size_t byte = 0; byte < good.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string text = good;
      text[byte] = static_cast<char>(text[byte] ^ (1 << bit));
      EXPECT_THROW(parse_manifest(text, "m"), CorruptFile) << byte;
    }
  }
}

TEST(Manifest, IsRefusedWhereverItIsCut) {
  const std::string good = write_manifest(example());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THROW(parse_manifest(good.substr(0, size), "m"), CorruptFile);
  }
  EXPECT_THROW(parse_manifest(good + "\n", "m"), CorruptFile);
}

// The text with something exchanged and a checksum that fits again.
std::string forged(const std::string& from, const std::string& to) {
  std::string text = write_manifest(example());
  const size_t tail = text.find(",\n  \"checksum\"");
  std::string body = text.substr(0, tail);
  body.replace(body.find(from), from.size(), to);
  const Hash128 hash = hash128(std::as_bytes(std::span(body)));
  return body + ",\n  \"checksum\": \"" + hash.hex() + "\"\n}\n";
}

TEST(Manifest, AnUnknownVersionIsAUserError) {
  EXPECT_THAT(
      [] {
        parse_manifest(forged("\"format_version\": 1", "\"format_version\": 2"),
                       "m");
      },
      ThrowsMessage<UserError>(HasSubstr("version 2")));
}

TEST(Manifest, ASoundChecksumOverNonsenseIsRefused) {
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{
           {"\"step\": 500", "\"step\": \"500\""},
           {"\"step\"", "\"stop\""},
           {"\"bytes\": 17", "\"bytes\": 18446744073709551615"},
           {"00000000000000010000000000000002", "xyz"},
           {"\"files\"", "]"}}) {
    EXPECT_THROW(parse_manifest(forged(from, to), "m"), CorruptFile) << to;
  }
}

}  // namespace
}  // namespace colossus::checkpoint
