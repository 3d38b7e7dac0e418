// Documents out of one stream of bytes, with bounded memory: plain text, whole
// or cut at lines that a rule names, and JSONL.
//
// A document longer than ReadOptions::max_document_bytes is cut into several,
// behind a line where one ends, else between two characters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "data/byte_source.h"
#include "data/inputs.h"

namespace colossus::data {

inline constexpr int64_t kMaxDocumentBytes = 16 << 20;
inline constexpr int64_t kMinDocumentBytes = 1 << 10;

struct ReadOptions {
  std::string text_field = "text";  // of a .jsonl line
  // Text files: a line equal to this ends a document and is left out; "" =
  // none.
  std::string document_separator;
  // Text files: a line of which a part fits this regular expression
  // (POSIX extended; looked for in its first 256 bytes) begins a document; "" =
  // none.
  std::string document_start;
  int64_t max_document_bytes = 1 << 20;
  // Text files: keep bytes that are no UTF-8 instead of refusing them.
  bool keep_invalid_utf8 = false;
};

// Throws UserError for options that cannot be.
void validate(const ReadOptions& options);

// One owner, one thread.
class DocumentReader {
 public:
  virtual ~DocumentReader() = default;
  // False at the end. Documents are never empty. UserError that names file and
  // line or byte offset (in the decompressed text) for bytes that are no text.
  virtual bool next(std::string& document) = 0;
};

// `name` stands in messages; `options` must outlive the reader.
std::unique_ptr<DocumentReader> make_document_reader(
    ByteSource& source, TextFormat format, const std::string& name,
    const ReadOptions& options);

// The string in the field `text_field` of the JSON object `line`. UserError
// with the reason if there is no such thing.
std::string parse_json_text(std::string_view line,
                            const std::string& text_field);

}  // namespace colossus::data
