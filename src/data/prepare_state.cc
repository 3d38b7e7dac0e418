#include "data/prepare_state.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace colossus::data {
namespace {

using nlohmann::ordered_json;

constexpr const char* kStateFile = "prepare.json";
// To be raised when the same inputs and options give other bytes than before.
constexpr int kContentVersion = 1;
constexpr auto kReplace = ordered_json::error_handler_t::replace;

std::string hash_of_file(const std::string& path) {
  const MappedFile file(path);
  return hash128(file.bytes()).hex();
}

ordered_json json_of(const Scan& scan) {
  return {{"max_document_bytes", scan.max_document_bytes},
          {"documents", scan.num_documents},
          {"text_bytes", scan.num_text_bytes},
          {"train_documents", scan.num_train_documents},
          {"val_documents", scan.num_val_documents},
          {"forced_val_document", scan.forced_val_document},
          {"content", scan.content.hex()}};
}

Scan scan_of(const ordered_json& json) {
  Scan scan;
  scan.max_document_bytes = json.at("max_document_bytes").get<int64_t>();
  scan.num_documents = json.at("documents").get<int64_t>();
  scan.num_text_bytes = json.at("text_bytes").get<int64_t>();
  scan.num_train_documents = json.at("train_documents").get<int64_t>();
  scan.num_val_documents = json.at("val_documents").get<int64_t>();
  scan.forced_val_document = json.at("forced_val_document").get<int64_t>();
  scan.content = parse_hash128(json.at("content").get<std::string>());
  return scan;
}

}  // namespace

std::string options_json(const PrepareOptions& options) {
  ordered_json json = {{"document_separator", options.read.document_separator},
                       {"document_start", options.read.document_start},
                       {"exclude_every", options.exclude_every},
                       {"keep_invalid_utf8", options.read.keep_invalid_utf8},
                       {"max_document_bytes", options.read.max_document_bytes},
                       {"stdin_format", options.stdin_format},
                       {"text_field", options.read.text_field},
                       {"tokenizer", options.tokenizer},
                       {"val_every", options.val_every},
                       {"val_fraction", options.val_fraction}};
  if (options.tokenizer.empty()) json["vocab_size"] = options.vocab_size;
  return json.dump(-1, ' ', false, kReplace);
}

Hash128 fingerprint_of(const PrepareOptions& options,
                       const std::vector<InputFile>& files,
                       size_t num_train_files) {
  ordered_json json = {{"content_version", kContentVersion},
                       {"options", options_json(options)},
                       {"train_files", num_train_files}};
  if (!options.tokenizer.empty()) {
    json["tokenizer"] = hash_of_file(options.tokenizer);
  }
  for (const InputFile& file : files) {
    ordered_json entry = {file.name, file.num_bytes};
    if (file.name == "-") {
      entry.push_back(file.content.hex());
    } else {
      entry.push_back(file.modified_nanoseconds);
    }
    json["files"].push_back(std::move(entry));
  }
  const std::string text = json.dump(-1, ' ', false, kReplace);
  return hash128(std::as_bytes(std::span(text)));
}

void write_prepare_state(FileSystem& fs, const std::string& folder,
                         const PrepareState& state) {
  const ordered_json json = {{"fingerprint", state.fingerprint.hex()},
                             {"tokenizer_hash", state.tokenizer_hash.hex()},
                             {"scan", json_of(state.scan)}};
  write_file_atomically(fs, join_path(folder, kStateFile), json.dump(2) + "\n");
}

std::optional<PrepareState> read_prepare_state(const std::string& folder) {
  const std::string path = join_path(folder, kStateFile);
  if (!path_exists(path)) return std::nullopt;
  try {
    const auto json = ordered_json::parse(read_file(path));
    PrepareState state;
    state.fingerprint =
        parse_hash128(json.at("fingerprint").get<std::string>());
    state.tokenizer_hash =
        parse_hash128(json.at("tokenizer_hash").get<std::string>());
    state.scan = scan_of(json.at("scan"));
    return state;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const CorruptFile&) {
    return std::nullopt;
  }
}

}  // namespace colossus::data
