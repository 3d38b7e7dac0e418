// Table 3-7 of the Unicode Standard (well-formed UTF-8 byte sequences).
#include "base/utf8.h"

#include <algorithm>
#include <cstdint>

namespace colossus {
namespace {

struct LeadByte {
  uint8_t first;
  uint8_t last;
  uint8_t length;
  uint8_t second_low;  // the range of the byte behind it
  uint8_t second_high;
};

constexpr LeadByte kLeadBytes[] = {
    {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f},
    {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

bool is_between(char c, uint8_t low, uint8_t high) {
  const uint8_t byte = static_cast<uint8_t>(c);
  return low <= byte && byte <= high;
}

bool continues_well(std::string_view text, const LeadByte& lead) {
  if (text.size() < lead.length) return false;
  if (!is_between(text[1], lead.second_low, lead.second_high)) return false;
  return std::all_of(text.begin() + 2, text.begin() + lead.length,
                     [](char c) { return is_between(c, 0x80, 0xbf); });
}

}  // namespace

size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  if (is_between(text[0], 0x00, 0x7f)) return 1;
  for (const LeadByte& lead : kLeadBytes) {
    if (!is_between(text[0], lead.first, lead.last)) continue;
    return continues_well(text, lead) ? lead.length : 0;
  }
  return 0;
}

std::string valid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = utf8_length(bytes);
    if (length == 0) {
      text += "\xef\xbf\xbd";
    } else {
      text += bytes.substr(0, length);
    }
    bytes.remove_prefix(std::max<size_t>(length, 1));
  }
  return text;
}

std::string shortened(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  const auto is_inside = [&](size_t at) {
    return is_between(text[at], 0x80, 0xbf);
  };
  while (end > 0 && max_bytes - end < 3 && is_inside(end)) --end;
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace colossus
