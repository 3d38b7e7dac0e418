// What the processor calls itself, for people.
#pragma once

#include <string>

namespace colossus::cli {

// As Linux tells it, or "unknown processor".
std::string processor_name();

}  // namespace colossus::cli
