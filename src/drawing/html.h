// Text into HTML, safely: whatever a model, a path or a config holds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace colossus::drawing {

// Fit for element content and for attributes in double quotes. Invalid UTF-8
// becomes U+FFFD, a control character its picture (U+2400 + code); newlines and
// tabs stay.
std::string escape_html(std::string_view text);

// 3523456 -> "3.52M", 12345 -> "12.3k", 987 -> "987".
std::string compact_count(double value);

// Four significant digits, without an exponent where a person needs none.
std::string short_number(double value);

// <div class="NAME">, its content escaped already.
std::string element(std::string_view tag, std::string_view css_class,
                    std::string_view content);

}  // namespace colossus::drawing
