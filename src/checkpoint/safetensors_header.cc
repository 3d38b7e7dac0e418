// The header is read event by event, never as a tree: a state machine that
// knows the one form it may have. So depth is bounded by the states, and a
// duplicate key is seen, which a tree would silently drop.
#include "checkpoint/safetensors_header.h"

#include <nlohmann/json.hpp>

#include <set>
#include <utility>

#include "base/error.h"

namespace colossus::checkpoint {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxRank = 16;
constexpr uint64_t kFileOffset = 8;  // of the header in its file
constexpr const char* kMetadata = "__metadata__";

class HeaderEvents : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderEvents(const std::string& source) : source_(source) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool start_object(std::size_t) override {
    switch (state_) {
      case State::kStart:
        state_ = State::kTop;
        return true;
      case State::kTopValue:
        if (key_ == kMetadata) {
          state_ = State::kMetadata;
        } else {
          state_ = State::kTensor;
          header_.tensors.push_back({key_, "", {}, {}});
          seen_fields_.clear();
        }
        return true;
      default:
        refuse("an object where none may be");
    }
  }

  bool key(string_t& name) override {
    key_ = name;
    switch (state_) {
      case State::kTop:
        insert_once(names_);
        state_ = State::kTopValue;
        return true;
      case State::kMetadata:
        if (header_.metadata.contains(name)) refuse("the key occurs twice");
        state_ = State::kMetadataValue;
        return true;
      case State::kTensor:
        insert_once(seen_fields_);
        state_ = state_of_field();
        return true;
      default:
        refuse("a key where none may be");
    }
  }

  bool end_object() override {
    switch (state_) {
      case State::kTensor:
        // Each is known and none came twice: three are all.
        if (seen_fields_.size() != 3) refuse("a field is missing");
        state_ = State::kTop;
        return true;
      case State::kMetadata:
        state_ = State::kTop;
        return true;
      case State::kTop:
        state_ = State::kEnd;
        return true;
      default:
        refuse("an object ends where none may end");
    }
  }

  bool string(string_t& value) override {
    if (state_ == State::kDtype) {
      header_.tensors.back().dtype = value;
      state_ = State::kTensor;
    } else if (state_ == State::kMetadataValue) {
      header_.metadata[key_] = value;
      state_ = State::kMetadata;
    } else {
      refuse("a string where none may be");
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ == State::kShape) {
      state_ = State::kInShape;
    } else if (state_ == State::kOffsets) {
      state_ = State::kInOffsets;
    } else {
      refuse("a list where none may be");
    }
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    TensorHeader* tensor =
        header_.tensors.empty() ? nullptr : &header_.tensors.back();
    if (state_ == State::kInShape) {
      if (tensor->shape.size() == kMaxRank) refuse("too many dimensions");
      tensor->shape.push_back(value);
    } else if (state_ == State::kInOffsets) {
      if (tensor->data_offsets.size() == 2) refuse("more than two offsets");
      tensor->data_offsets.push_back(value);
    } else {
      refuse("a number where none may be");
    }
    return true;
  }

  bool end_array() override {
    if (state_ == State::kInOffsets &&
        header_.tensors.back().data_offsets.size() != 2) {
      refuse("fewer than two offsets");
    }
    state_ = State::kTensor;
    return true;
  }

  bool null() override { refuse("null where none may be"); }
  bool boolean(bool) override { refuse("a boolean where none may be"); }
  bool number_integer(number_integer_t value) override {
    refuse(fmt::format("the negative number {}", value));
  }
  bool number_float(number_float_t, const string_t& text) override {
    refuse(fmt::format("the number '{}', not a whole one", text));
  }
  bool binary(binary_t&) override { refuse("binary data"); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    throw corrupt_file("'{}': its header is not JSON at offset {}", source_,
                       kFileOffset + position - 1);  // it counts from 1
  }

 private:
  enum class State {
    kStart,
    kTop,
    kTopValue,
    kMetadata,
    kMetadataValue,
    kTensor,
    kDtype,
    kShape,
    kInShape,
    kOffsets,
    kInOffsets,
    kEnd,
  };

  State state_of_field() const {
    if (key_ == "dtype") return State::kDtype;
    if (key_ == "shape") return State::kShape;
    if (key_ == "data_offsets") return State::kOffsets;
    refuse("an unknown key");
  }

  void insert_once(std::set<std::string>& keys) const {
    if (!keys.insert(key_).second) refuse("the key occurs twice");
  }

  [[noreturn]] void refuse(const std::string& what) const {
    const std::string tensor =
        header_.tensors.empty() ? "" : header_.tensors.back().name;
    throw corrupt_file(
        "'{}': its header (at offset {}) is not of the safetensors form: {} "
        "(last tensor '{}', last key '{}')",
        source_, kFileOffset, what, tensor, key_);
  }

  const std::string& source_;
  State state_ = State::kStart;
  std::string key_;
  std::set<std::string> names_, seen_fields_;
  SafetensorsHeader header_;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text,
                                           const std::string& source) {
  if (text.empty() || text.front() != '{') {
    throw corrupt_file("'{}': its header does not start with '{{' at offset {}",
                       source, kFileOffset);
  }
  // The JSON library takes a zero byte for the end of its input.
  const size_t zero = text.find('\0');
  if (zero != std::string_view::npos) {
    throw corrupt_file("'{}': a zero byte in its header at offset {}", source,
                       kFileOffset + zero);
  }
  HeaderEvents events(source);
  Json::sax_parse(text.begin(), text.end(), &events);
  return events.take();
}

std::string write_safetensors_header(const SafetensorsHeader& header) {
  std::string text = "{";
  const auto add = [&](const std::string& name, const Json& value) {
    if (text.size() > 1) text += ",";
    text += Json(name).dump() + ":" + value.dump();
  };
  if (!header.metadata.empty()) add(kMetadata, header.metadata);
  for (const TensorHeader& tensor : header.tensors) {
    add(tensor.name, {{"dtype", tensor.dtype},
                      {"shape", tensor.shape},
                      {"data_offsets", tensor.data_offsets}});
  }
  return text + "}";
}

}  // namespace colossus::checkpoint
