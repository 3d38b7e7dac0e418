// Makes any bytes safe to show: models write text that need not be UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace colossus {

// Bytes of the UTF-8 character at the start of `text`, 1 to 4; 0 if what stands
// there is none (overlong, surrogate, beyond U+10FFFF, cut off, empty).
size_t utf8_length(std::string_view text);

// `bytes` with U+FFFD in place of every byte that is part of no character.
std::string valid_utf8(std::string_view bytes);

// At most `max_bytes` of `text`, cut between characters, "..." where cut.
std::string shortened(std::string_view text, size_t max_bytes);

}  // namespace colossus
