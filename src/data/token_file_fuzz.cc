// Any bytes as a token file: they are refused with CorruptFile, or all of what
// they hold can be read.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "data/document_windows.h"
#include "data/token_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using colossus::data::DocumentWindows;
  using colossus::data::TokenFile;
  try {
    const TokenFile file(std::as_bytes(std::span(data, size)), "fuzz");
    file.verify();
    const DocumentWindows windows(file, 8);
    std::vector<int32_t> inputs(8), targets(8);
    for (int64_t i = 0; i < windows.size(); ++i) {
      windows.fill(i, inputs, targets);
    }
  } catch (const colossus::CorruptFile&) {
  }
  return 0;
}
