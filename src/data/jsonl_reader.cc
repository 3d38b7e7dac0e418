#include "data/jsonl_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/strings.h"
#include "data/line_reader.h"
#include "data/utf8.h"

namespace colossus::data {
namespace {

constexpr size_t kPartBytes = 64 << 10;
constexpr size_t kMaxLineBytes = 64 << 20;
constexpr int kMaxDepth = 64;  // the parser itself knows no bound

// Takes one string field of the outermost object and no memory for the rest.
class FieldFinder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit FieldFinder(const std::string& field) : field_(field) {}

  std::string take() {
    if (!is_object_) throw user_error("not a JSON object");
    if (!found_) {
      throw user_error("no field \"{}\"{}", field_,
                       did_you_mean(field_, other_fields_));
    }
    return std::move(text_);
  }

  bool null() override { return other_value("null"); }
  bool boolean(bool) override { return other_value("true or false"); }
  bool number_integer(number_integer_t) override {
    return other_value("a number");
  }
  bool number_unsigned(number_unsigned_t) override {
    return other_value("a number");
  }
  bool number_float(number_float_t, const string_t&) override {
    return other_value("a number");
  }
  bool binary(binary_t&) override { return other_value("binary"); }
  bool string(string_t& value) override {
    if (is_wanted_) text_ = std::move(value);
    found_ = found_ || is_wanted_;
    is_wanted_ = false;
    return true;
  }
  bool start_object(size_t) override {
    if (depth_ == 0) is_object_ = true;
    return enter("an object");
  }
  bool start_array(size_t) override { return enter("an array"); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    is_wanted_ = depth_ == 1 && name == field_;
    if (is_wanted_ && found_) throw user_error("\"{}\" stands twice", field_);
    if (depth_ == 1 && other_fields_.size() < 32) other_fields_.push_back(name);
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    const std::string what = error.what();
    const size_t reason = what.find(": ");
    throw user_error(
        "not valid JSON at byte {} of the line ({})", position,
        reason == std::string::npos ? what : what.substr(reason + 2));
  }

 private:
  bool other_value(const char* kind) {
    if (is_wanted_) {
      throw user_error("\"{}\" is {}, not a string", field_, kind);
    }
    return true;
  }
  bool enter(const char* kind) {
    other_value(kind);
    if (++depth_ > kMaxDepth) {
      throw user_error("nested deeper than {} levels", kMaxDepth);
    }
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }

  const std::string& field_;
  std::string text_;
  std::vector<std::string> other_fields_;
  int depth_ = 0;
  bool is_object_ = false;
  bool is_wanted_ = false;
  bool found_ = false;
};

// Where to cut a text that is too long for one document.
size_t document_size(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text.size();
  const size_t newline = text.rfind('\n', max_bytes - 1);
  if (newline != std::string_view::npos && newline >= max_bytes / 2) {
    return newline + 1;
  }
  return utf8_cut(text, max_bytes);
}

class JsonlReader : public DocumentReader {
 public:
  JsonlReader(ByteSource& source, const std::string& name,
              const ReadOptions& options)
      : name_(name),
        options_(options),
        max_bytes_(static_cast<size_t>(options.max_document_bytes)),
        lines_(source, kPartBytes) {}

  bool next(std::string& document) override {
    while (position_ == text_.size()) {
      if (!read_line()) return false;
      position_ = 0;
      text_.clear();
      if (line_.find_first_not_of(" \t\r\n") == std::string::npos) continue;
      text_ = parse_line();
    }
    const std::string_view rest = std::string_view(text_).substr(position_);
    const size_t size = document_size(rest, max_bytes_);
    document.assign(rest.substr(0, size));
    position_ += size;
    return true;
  }

 private:
  bool read_line() {
    line_.clear();
    ++line_number_;
    LineReader::Part part;
    while (lines_.next(part)) {
      line_ += part.bytes;
      if (part.ends_line) break;
      if (line_.size() > kMaxLineBytes) {
        throw user_error("{}:{}: a line longer than {}; split the document",
                         name_, line_number_, human_bytes(kMaxLineBytes));
      }
    }
    return !line_.empty();
  }

  std::string parse_line() const {
    try {
      return parse_json_text(line_, options_.text_field);
    } catch (const UserError& error) {
      throw user_error("{}:{}: {}", name_, line_number_, error.what());
    }
  }

  const std::string name_;
  const ReadOptions& options_;
  const size_t max_bytes_;
  LineReader lines_;
  std::string line_;
  int64_t line_number_ = 0;
  std::string text_;
  size_t position_ = 0;
};

}  // namespace

std::string parse_json_text(std::string_view line,
                            const std::string& text_field) {
  FieldFinder finder(text_field);
  nlohmann::json::sax_parse(line, &finder);
  return finder.take();
}

std::unique_ptr<DocumentReader> make_jsonl_reader(ByteSource& source,
                                                  const std::string& name,
                                                  const ReadOptions& options) {
  return std::make_unique<JsonlReader>(source, name, options);
}

}  // namespace colossus::data
