// Any bytes as JSONL and as text: they are refused with a UserError, or every
// document is within its bounds.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "data/document_reader.h"

namespace {

using colossus::data::kMinDocumentBytes;

void read_all(std::string_view bytes, colossus::data::TextFormat format) {
  colossus::data::ReadOptions options;
  options.document_separator = "-";
  options.max_document_bytes = kMinDocumentBytes;
  const auto source = colossus::data::memory_source(bytes);
  const auto reader = make_document_reader(*source, format, "fuzz", options);
  std::string document;
  try {
    while (reader->next(document)) {
      COLOSSUS_CHECK(
          !document.empty() && document.size() <= size_t{kMinDocumentBytes},
          "a document of {} bytes", document.size());
    }
  } catch (const colossus::UserError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_all(bytes, colossus::data::TextFormat::kJsonl);
  read_all(bytes, colossus::data::TextFormat::kText);
  return 0;
}
