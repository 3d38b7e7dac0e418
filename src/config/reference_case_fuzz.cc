// Any text as the JSON of a reference case: read, or refused with a UserError.
#include "config/reference_case.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    colossus::config::read_reference_case(
        std::string(reinterpret_cast<const char*>(data), size), "fuzz");
  } catch (const colossus::UserError&) {
  }
  return 0;
}
