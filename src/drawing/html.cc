// See html.h.
#include "drawing/html.h"

#include <fmt/core.h>

#include <cmath>

#include "base/utf8.h"

namespace colossus::drawing {
namespace {

// U+2400 to U+241F, and U+2421 for DEL.
std::string picture_of_control(char c) {
  const int code = c == 0x7f ? 0x21 : c;
  return std::string("\xe2\x90") + static_cast<char>(0x80 + code);
}

bool is_control(char c) {
  return (c >= 0 && c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string html;
  for (const char c : valid_utf8(text)) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        if (is_control(c)) {
          html += picture_of_control(c);
        } else {
          html += c;
        }
    }
  }
  return html;
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return "not finite";
  return fmt::format("{:.4g}", value);
}

std::string compact_count(double value) {
  constexpr struct {
    double size;
    const char* letter;
  } kUnits[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
  // From 999.5 of a unit on, three digits would print as "1e+03".
  for (const auto& unit : kUnits) {
    if (std::abs(value) < unit.size * 0.9995) continue;
    return fmt::format("{:.3g}{}", value / unit.size, unit.letter);
  }
  return fmt::format("{:.3g}", value);
}

std::string element(std::string_view tag, std::string_view css_class,
                    std::string_view content) {
  if (css_class.empty()) return fmt::format("<{0}>{1}</{0}>", tag, content);
  return fmt::format("<{0} class=\"{1}\">{2}</{0}>", tag, css_class, content);
}

}  // namespace colossus::drawing
