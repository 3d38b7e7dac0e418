#include "checkpoint/manifest.h"

#include <nlohmann/json.hpp>

#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/hash.h"

namespace colossus::checkpoint {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxManifestBytes = 64'000'000;

// How the text ends; the checksum's 32 digits stand between.
constexpr std::string_view kBeforeChecksum = ",\n  \"checksum\": \"";
constexpr std::string_view kAfterChecksum = "\"\n}\n";
constexpr size_t kChecksumDigits = 32;
constexpr size_t kTailBytes =
    kBeforeChecksum.size() + kChecksumDigits + kAfterChecksum.size();

Hash128 hash_of(std::string_view text) {
  return hash128(std::as_bytes(std::span(text.data(), text.size())));
}

std::string tail_for(std::string_view body) {
  return std::string(kBeforeChecksum) + hash_of(body).hex() +
         std::string(kAfterChecksum);
}

void verify_checksum(const std::string& text, const std::string& source) {
  if (text.size() > kMaxManifestBytes || text.size() < kTailBytes) {
    throw corrupt_file("'{}': {} bytes cannot be a manifest", source,
                       text.size());
  }
  const std::string_view all = text;
  const std::string_view body = all.substr(0, all.size() - kTailBytes);
  if (all.substr(body.size()) != tail_for(body)) {
    throw corrupt_file(
        "'{}': its text does not match the checksum at its end (offset {})",
        source, body.size());
  }
}

Json json_of(const FileRecord& record) {
  Json blocks = Json::array();
  for (const Hash128& hash : record.block_hashes) blocks.push_back(hash.hex());
  return {{"bytes", record.size_bytes},
          {"xxh3_128", record.hash.hex()},
          {"block_bytes", kBlockBytes},
          {"blocks", std::move(blocks)}};
}

FileRecord record_of(const Json& json) {
  FileRecord record;
  record.size_bytes = json.at("bytes").get<uint64_t>();
  record.hash = parse_hash128(json.at("xxh3_128").get<std::string>());
  for (const Json& block : json.at("blocks")) {
    record.block_hashes.push_back(parse_hash128(block.get<std::string>()));
  }
  const uint64_t num_blocks =
      record.size_bytes / kBlockBytes + (record.size_bytes % kBlockBytes != 0);
  if (json.at("block_bytes").get<uint64_t>() != kBlockBytes ||
      record.block_hashes.size() != num_blocks) {
    throw corrupt_file("{} blocks of a file of {} bytes",
                       record.block_hashes.size(), record.size_bytes);
  }
  return record;
}

Manifest manifest_of(const Json& json) {
  Manifest manifest;
  CheckpointInfo& info = manifest.info;
  info.step = json.at("step").get<int64_t>();
  info.numerics_version = json.at("numerics_version").get<std::string>();
  info.config_digest = json.at("config_digest").get<std::string>();
  for (const auto& [key, value] : json.at("extra").items()) {
    info.extra[key] = value.get<std::string>();
  }
  for (const auto& [name, record] : json.at("files").items()) {
    manifest.files[name] = record_of(record);
  }
  return manifest;
}

}  // namespace

std::string write_manifest(const Manifest& manifest) {
  Json files = Json::object(), extra = Json::object();
  for (const auto& [name, record] : manifest.files) {
    files[name] = json_of(record);
  }
  for (const auto& [key, value] : manifest.info.extra) extra[key] = value;
  const Json json = {{"format_version", kFormatVersion},
                     {"step", manifest.info.step},
                     {"numerics_version", manifest.info.numerics_version},
                     {"config_digest", manifest.info.config_digest},
                     {"files", std::move(files)},
                     {"extra", std::move(extra)}};
  std::string body = json.dump(2);
  body.resize(body.size() - std::string_view("\n}").size());
  return body + tail_for(body);
}

Manifest parse_manifest(const std::string& text, const std::string& source) {
  verify_checksum(text, source);
  try {
    const Json json = Json::parse(text);
    const auto version = json.at("format_version").get<int64_t>();
    if (version != kFormatVersion) {
      throw user_error(
          "'{}': checkpoint format version {}, but this program reads {}; use "
          "the program that wrote it",
          source, version, kFormatVersion);
    }
    return manifest_of(json);
  } catch (const Json::exception& error) {
    throw corrupt_file("'{}': not a manifest: {}", source, error.what());
  } catch (const CorruptFile& error) {
    throw corrupt_file("'{}': not a manifest: {}", source, error.what());
  }
}

}  // namespace colossus::checkpoint
