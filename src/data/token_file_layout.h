// Where the fields of a token file stand; shared by its reader and its writer.
// All numbers are little-endian. docs/formats/token_file.md is the description.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/hash.h"

namespace colossus::data::token_file_layout {

static_assert(std::endian::native == std::endian::little,
              "files are little-endian and are mapped as they are");

inline constexpr char kMagic[8] = {'C', 'L', 'S', 'T', 'O', 'K', 'E', 'N'};
inline constexpr char kEndMagic[8] = {'N', 'E', 'K', 'O', 'T', 'S', 'L', 'C'};
inline constexpr uint32_t kVersion = 1;
inline constexpr uint64_t kBlockBytes = 1 << 20;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t token_width;
  uint64_t vocab_size;
  uint64_t tokenizer_hash_high;
  uint64_t tokenizer_hash_low;
  uint64_t reserved[3];  // zero
};
static_assert(sizeof(Header) == 64);

struct TableEntry {  // sums over the documents before this one
  uint64_t num_tokens;
  uint64_t num_text_bytes;
};
static_assert(sizeof(TableEntry) == 16);

struct Checksum {
  uint64_t high;
  uint64_t low;
};
static_assert(sizeof(Checksum) == 16);

struct Footer {
  uint64_t num_tokens;
  uint64_t num_documents;
  uint64_t num_text_bytes;
  uint64_t table_offset;
  uint64_t checksums_offset;
  Checksum checksums_hash;  // of the list of block checksums
  char magic[8];
  Checksum footer_hash;  // of all of the footer before it
};
static_assert(sizeof(Footer) == 80);

inline Checksum checksum_of(std::span<const std::byte> bytes) {
  const Hash128 hash = hash128(bytes);
  return {hash.high, hash.low};
}
inline bool operator==(const Checksum& a, const Checksum& b) {
  return a.high == b.high && a.low == b.low;
}
inline bool operator!=(const Checksum& a, const Checksum& b) {
  return !(a == b);
}

inline Checksum footer_hash_of(const Footer& footer) {
  return checksum_of(std::as_bytes(std::span(&footer, 1))
                         .first(offsetof(Footer, footer_hash)));
}

inline uint64_t num_blocks(uint64_t num_bytes) {
  return (num_bytes + kBlockBytes - 1) / kBlockBytes;
}
// The table starts at a multiple of 8.
inline uint64_t padded(uint64_t offset) { return (offset + 7) / 8 * 8; }

// Copies a struct out of bytes that may lie at any address.
template <typename Struct>
Struct load(std::span<const std::byte> bytes, uint64_t offset) {
  Struct value;
  std::memcpy(&value, bytes.data() + offset, sizeof(Struct));
  return value;
}

}  // namespace colossus::data::token_file_layout
