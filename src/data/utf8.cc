#include "data/utf8.h"

#include <cstdint>
#include <cstring>

#include "base/error.h"

namespace colossus::data {
namespace {

uint8_t byte_at(std::string_view text, size_t i) {
  return static_cast<uint8_t>(text[i]);
}

bool is_continuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

// Bytes that a character with this first byte has; 0 if none starts so.
size_t size_from_first_byte(uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  if (first < 0xF5) return 4;
  return 0;
}

// The second byte excludes overlong forms, surrogates and > U+10FFFF.
bool second_byte_fits(uint8_t first, uint8_t second) {
  switch (first) {
    case 0xE0:
      return second >= 0xA0;
    case 0xED:
      return second < 0xA0;
    case 0xF0:
      return second >= 0x90;
    case 0xF4:
      return second < 0x90;
    default:
      return true;
  }
}

bool next_eight_are_ascii(std::string_view text, size_t i) {
  if (i + 8 > text.size()) return false;
  uint64_t word;
  std::memcpy(&word, text.data() + i, sizeof(word));
  return (word & 0x8080808080808080u) == 0;
}

}  // namespace

size_t utf8_character_size(std::string_view text) {
  if (text.empty()) return 0;
  const uint8_t first = byte_at(text, 0);
  const size_t size = size_from_first_byte(first);
  if (size == 0 || size > text.size()) return 0;
  for (size_t i = 1; i < size; ++i) {
    if (!is_continuation(byte_at(text, i))) return 0;
  }
  if (size > 1 && !second_byte_fits(first, byte_at(text, 1))) return 0;
  return size;
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    if (next_eight_are_ascii(text, i)) {
      i += 8;
      continue;
    }
    const size_t size = utf8_character_size(text.substr(i));
    if (size == 0) return i;
    i += size;
  }
  return i;
}

size_t utf8_cut(std::string_view text, size_t at) {
  COLOSSUS_CHECK(at <= text.size(), "cut at {} of {}", at, text.size());
  for (size_t back = 1; back <= 3 && back <= at; ++back) {
    const size_t start = at - back;
    if (is_continuation(byte_at(text, start))) continue;
    const size_t size = utf8_character_size(text.substr(start));
    return size > back ? start : at;
  }
  return at;
}

}  // namespace colossus::data
