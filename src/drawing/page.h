// A page of HTML that loads nothing: its style and its script stand in it.
// Without the script only the read-out under the pointer is missing.
#pragma once

#include <string>
#include <string_view>

namespace colossus::drawing {

std::string_view page_css();
std::string_view page_script();

// `body` is HTML; `title` is text; `more_css` what one kind of page adds.
std::string page_html(std::string_view title, std::string_view body,
                      std::string_view more_css = "");

}  // namespace colossus::drawing
