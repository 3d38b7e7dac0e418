#include "data/dataset.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace colossus::data {
namespace {

using nlohmann::ordered_json;

constexpr int kFormatVersion = 1;

ordered_json json_of(const SplitInfo& split, const char* file) {
  return {{"file", file},
          {"tokens", split.num_tokens},
          {"documents", split.num_documents},
          {"text_bytes", split.num_text_bytes},
          {"content_hash", split.content_hash.hex()}};
}

SplitInfo split_of(const ordered_json& json) {
  return {json.at("tokens").get<int64_t>(), json.at("documents").get<int64_t>(),
          json.at("text_bytes").get<int64_t>(),
          parse_hash128(json.at("content_hash").get<std::string>())};
}

ordered_json json_of(const std::vector<DatasetInfo::Source>& sources) {
  ordered_json list = ordered_json::array();
  for (const auto& source : sources) {
    list.push_back({{"name", source.name},
                    {"bytes", source.num_bytes},
                    {"validation", source.validation}});
  }
  return list;
}

DatasetInfo info_of(const ordered_json& json, const std::string& path) {
  const auto version = json.at("version").get<int>();
  if (version != kFormatVersion) {
    throw user_error(
        "{}: version {}, this program reads {}; prepare the data again", path,
        version, kFormatVersion);
  }
  DatasetInfo info;
  info.vocab_size = json.at("vocab_size").get<int64_t>();
  info.tokenizer_hash =
      parse_hash128(json.at("tokenizer").at("hash").get<std::string>());
  info.train = split_of(json.at("train"));
  info.val = split_of(json.at("val"));
  info.num_excluded_documents =
      json.at("excluded").at("documents").get<int64_t>();
  info.num_excluded_bytes = json.at("excluded").at("text_bytes").get<int64_t>();
  for (const auto& source : json.at("sources")) {
    info.sources.push_back({source.at("name").get<std::string>(),
                            source.at("bytes").get<int64_t>(),
                            source.at("validation").get<bool>()});
  }
  info.options = json.at("options").dump();
  return info;
}

TokenFile open_split(const std::string& path, const SplitInfo& expected,
                     const DatasetInfo& info) {
  TokenFile file(path);
  if (file.content_hash() != expected.content_hash ||
      file.info().tokenizer_hash != info.tokenizer_hash ||
      file.info().vocab_size != info.vocab_size) {
    throw corrupt_file(
        "{}: not the file that dataset.json beside it describes; prepare the "
        "data again",
        path);
  }
  return file;
}

}  // namespace

void write_dataset_info(FileSystem& fs, const std::string& folder,
                        const DatasetInfo& info) {
  const ordered_json json = {
      {"format", "colossus-dataset"},
      {"version", kFormatVersion},
      {"vocab_size", info.vocab_size},
      {"tokenizer",
       {{"file", kTokenizerFile}, {"hash", info.tokenizer_hash.hex()}}},
      {"train", json_of(info.train, kTrainFile)},
      {"val", json_of(info.val, kValFile)},
      {"excluded",
       {{"documents", info.num_excluded_documents},
        {"text_bytes", info.num_excluded_bytes}}},
      {"options", ordered_json::parse(info.options)},
      {"sources", json_of(info.sources)}};
  // File names need not be UTF-8; JSON must be.
  constexpr auto kReplace = ordered_json::error_handler_t::replace;
  write_file_atomically(fs, join_path(folder, kDatasetFile),
                        json.dump(2, ' ', false, kReplace) + "\n");
}

DatasetInfo read_dataset_info(const std::string& folder) {
  const std::string path = join_path(folder, kDatasetFile);
  if (!path_exists(path)) {
    throw user_error(
        "{}: no such file: the folder was not prepared, or not to the end; run "
        "`colossus data prepare TEXTS --out {}`",
        path, folder);
  }
  try {
    return info_of(ordered_json::parse(read_file(path)), path);
  } catch (const nlohmann::json::exception& error) {
    throw corrupt_file("{}: {}; prepare the data again", path, error.what());
  }
}

Dataset open_dataset(const std::string& folder) {
  DatasetInfo info = read_dataset_info(folder);
  const std::string model = join_path(folder, kTokenizerFile);
  Tokenizer tokenizer = Tokenizer::from_file(model);
  if (tokenizer.hash() != info.tokenizer_hash) {
    throw corrupt_file(
        "{}: not the tokenizer that dataset.json beside it describes; prepare "
        "the data again",
        model);
  }
  TokenFile train = open_split(join_path(folder, kTrainFile), info.train, info);
  TokenFile val = open_split(join_path(folder, kValFile), info.val, info);
  return {std::move(info), std::move(tokenizer), std::move(train),
          std::move(val)};
}

}  // namespace colossus::data
