// UTF-8: where the valid part of some bytes ends, and where text may be cut.
#pragma once

#include <cstddef>
#include <string_view>

namespace colossus::data {

// Length of the longest prefix that is whole, valid UTF-8 (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF).
size_t valid_utf8_prefix(std::string_view text);

// Length in bytes of the valid character that starts at `text[0]`, or 0.
size_t utf8_character_size(std::string_view text);

// The largest cut <= `at` that splits no character. Bytes that are not UTF-8
// may be cut anywhere. Requires at <= text.size().
size_t utf8_cut(std::string_view text, size_t at);

}  // namespace colossus::data
