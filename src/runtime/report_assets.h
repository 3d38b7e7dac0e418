// The style sheet and the script of a report. They stand in the page itself: it
// loads nothing, and without the script only the read-out under the pointer is
// missing.
#pragma once

#include <string_view>

namespace colossus::runtime {

std::string_view report_css();
std::string_view report_script();

}  // namespace colossus::runtime
