// What standard output is: a terminal, how wide; and text made safe for one.
#pragma once

#include <string>
#include <string_view>

#include "runtime/progress.h"

namespace colossus::cli {

runtime::ProgressOptions progress_options(int file_descriptor);

// Control characters and invalid UTF-8 become visible marks; newlines stay.
std::string printable(std::string_view text);

}  // namespace colossus::cli
