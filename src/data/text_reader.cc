// The plain-text DocumentReader, declared in document_reader.h.
#include <regex.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "data/document_reader.h"
#include "data/jsonl_reader.h"
#include "data/line_reader.h"
#include "data/utf8.h"

namespace colossus::data {
namespace {

constexpr size_t kMaxPartBytes = 64 << 10;
// Bounds the time that an expression takes on a line without end.
constexpr size_t kMaxMatchedBytes = 256;

// A POSIX extended regular expression; matches bytes, not characters.
class LinePattern {
 public:
  // "" fits no line. UserError if it is no expression.
  explicit LinePattern(const std::string& pattern) {
    if (pattern.empty()) return;
    auto compiled = std::make_unique<regex_t>();
    const int error =
        regcomp(compiled.get(), pattern.c_str(), REG_EXTENDED | REG_NOSUB);
    if (error != 0) {
      char reason[128];
      regerror(error, compiled.get(), reason, sizeof(reason));
      throw user_error("--document-start '{}': not a regular expression: {}",
                       pattern, reason);
    }
    compiled_.reset(compiled.release());
  }

  bool fits(std::string_view line) const {
    if (!compiled_) return false;
    regmatch_t range{};
    range.rm_eo = static_cast<regoff_t>(line.size());
    return regexec(compiled_.get(), line.data(), 1, &range, REG_STARTEND) == 0;
  }

 private:
  struct Free {
    void operator()(regex_t* compiled) const {
      regfree(compiled);
      delete compiled;
    }
  };
  std::unique_ptr<regex_t, Free> compiled_;
};

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

class TextReader : public DocumentReader {
 public:
  TextReader(ByteSource& source, const std::string& name,
             const ReadOptions& options)
      : name_(name),
        options_(options),
        start_(options.document_start),
        max_bytes_(static_cast<size_t>(options.max_document_bytes)),
        lines_(source, std::min(kMaxPartBytes, max_bytes_)) {}

  bool next(std::string& document) override {
    document.clear();
    uint64_t offset = 0;
    while (has_part_ || lines_.next(part_)) {
      has_part_ = false;
      if (is_separator(part_)) {
        if (!document.empty()) break;
        continue;
      }
      if (!document.empty() && begins_another(document.size())) {
        has_part_ = true;  // its bytes stay valid: no further part is read
        break;
      }
      if (document.empty()) offset = part_.offset;
      document += part_.bytes;
    }
    if (!options_.keep_invalid_utf8) require_utf8(document, offset);
    return !document.empty();
  }

 private:
  bool is_separator(const LineReader::Part& part) const {
    return !options_.document_separator.empty() && part.starts_line &&
           part.ends_line &&
           without_line_end(part.bytes) == options_.document_separator;
  }

  bool begins_another(size_t document_size) const {
    if (document_size + part_.bytes.size() > max_bytes_) return true;
    if (!part_.starts_line) return false;
    return start_.fits(
        without_line_end(part_.bytes).substr(0, kMaxMatchedBytes));
  }

  void require_utf8(const std::string& document, uint64_t offset) const {
    const size_t valid = valid_utf8_prefix(document);
    if (valid == document.size()) return;
    throw user_error(
        "{}: not UTF-8: the byte 0x{:02X} at offset {}; convert the file "
        "(iconv), or keep such bytes with --invalid-utf8 bytes",
        name_, static_cast<uint8_t>(document[valid]), offset + valid);
  }

  const std::string name_;
  const ReadOptions& options_;
  const LinePattern start_;
  const size_t max_bytes_;
  LineReader lines_;
  LineReader::Part part_;
  bool has_part_ = false;
};

}  // namespace

void validate(const ReadOptions& options) {
  if (options.max_document_bytes < kMinDocumentBytes ||
      options.max_document_bytes > kMaxDocumentBytes) {
    throw user_error("--max-document-bytes {}: must be from {} to {}",
                     options.max_document_bytes, kMinDocumentBytes,
                     kMaxDocumentBytes);
  }
  if (options.text_field.empty()) {
    throw user_error("--text-field: the name of a JSON field is needed");
  }
  const LinePattern checked(options.document_start);
}

std::unique_ptr<DocumentReader> make_document_reader(
    ByteSource& source, TextFormat format, const std::string& name,
    const ReadOptions& options) {
  if (format == TextFormat::kJsonl) {
    return make_jsonl_reader(source, name, options);
  }
  return std::make_unique<TextReader>(source, name, options);
}

}  // namespace colossus::data
