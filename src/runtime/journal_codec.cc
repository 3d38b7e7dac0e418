// JSON stays in this file. A line carries the CRC-32C of its own bytes, so a
// flipped digit is found although the JSON would still be sound.
#include "runtime/journal_codec.h"

#include <fmt/core.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "runtime/crc32c.h"
#include "base/utf8.h"

namespace colossus::runtime {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxTextBytes = 256u << 10;
constexpr std::string_view kHeaderName = "journal";
constexpr std::string_view kFormat = "colossus-journal";
constexpr size_t kSealBytes = sizeof(R"(,"crc":"00000000"})") - 1;

// Four decimals of a share are more than a picture shows, and half the bytes.
double rounded_share(double share) { return std::round(share * 1e4) / 1e4; }

class JsonWriter {
 public:
  explicit JsonWriter(Json& json) : json_(json) {}

  void field(const char* name, bool value) { json_[name] = value; }
  void field(const char* name, int64_t value) { json_[name] = value; }
  void field(const char* name, double value) { json_[name] = value; }
  void field(const char* name, const std::string& value) {
    json_[name] = valid_utf8(shortened(value, kMaxTextBytes));
  }
  void field(const char* name, const std::vector<int64_t>& values) {
    json_[name] = values;
  }
  void field(const char* name, const std::vector<Hash128>& hashes) {
    Json& list = json_[name] = Json::array();
    for (const Hash128& hash : hashes) list.push_back(hash.hex());
  }
  void field(const char* name, const ExpertLoad& load) {
    if (load.empty()) return;
    Json& layers = json_[name] = Json::array();
    for (const std::vector<double>& shares : load) {
      Json& layer = layers.emplace_back(Json::array());
      for (const double share : shares) layer.push_back(rounded_share(share));
    }
  }

 private:
  Json& json_;
};

// A field that is missing keeps its default: older journals lack new ones.
class JsonReader {
 public:
  explicit JsonReader(const Json& json) : json_(json) {}

  void field(const char* name, bool& value) {
    if (const Json* found = find(name)) {
      expect(found->is_boolean(), name, "true or false");
      value = found->get<bool>();
    }
  }
  void field(const char* name, int64_t& value) {
    if (const Json* found = find(name)) {
      expect(found->is_number_integer(), name, "an integer");
      value = found->get<int64_t>();
    }
  }
  void field(const char* name, double& value) {
    if (const Json* found = find(name)) value = number(*found, name);
  }
  void field(const char* name, std::string& value) {
    if (const Json* found = find(name)) {
      expect(found->is_string(), name, "text");
      value = found->get<std::string>();
    }
  }
  void field(const char* name, std::vector<int64_t>& values) {
    const Json* found = find(name);
    if (found == nullptr) return;
    expect(found->is_array(), name, "a list of integers");
    for (const Json& value : *found) {
      expect(value.is_number_integer(), name, "a list of integers");
      values.push_back(value.get<int64_t>());
    }
  }
  void field(const char* name, std::vector<Hash128>& hashes) {
    const Json* found = find(name);
    if (found == nullptr) return;
    expect(found->is_array(), name, "a list of hashes");
    for (const Json& value : *found) {
      expect(value.is_string(), name, "a list of hashes");
      hashes.push_back(parse_hash128(value.get<std::string>()));
    }
  }
  void field(const char* name, ExpertLoad& load) {
    const Json* found = find(name);
    if (found == nullptr) return;
    expect(found->is_array(), name, "a list of lists");
    for (const Json& layer : *found) {
      expect(layer.is_array(), name, "a list of lists");
      std::vector<double>& shares = load.emplace_back();
      for (const Json& share : layer) shares.push_back(number(share, name));
    }
  }

 private:
  const Json* find(const char* name) const {
    const auto found = json_.find(name);
    return found == json_.end() ? nullptr : &*found;
  }
  static void expect(bool holds, const char* name, const char* what) {
    if (!holds) throw corrupt_file("field '{}' is not {}", name, what);
  }
  static double number(const Json& value, const char* name) {
    if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
    expect(value.is_number(), name, "a number");
    return value.get<double>();
  }

  const Json& json_;
};

// The end of a line whose other bytes are `body`.
std::string seal_of(std::string_view body) {
  return fmt::format(R"(,"crc":"{:08x}"}})", crc32c(body));
}

std::string sealed(const Json& json) {
  std::string body = json.dump();
  body.pop_back();  // the closing brace comes behind the checksum
  return seal_line(std::move(body));
}

Json unsealed(std::string_view line) {
  if (line.size() > kMaxJournalLineBytes) {
    throw corrupt_file("{} bytes, more than the {} a line may have",
                       line.size(), kMaxJournalLineBytes);
  }
  if (line.size() <= kSealBytes) throw corrupt_file("no checksum at its end");
  const std::string_view body = line.substr(0, line.size() - kSealBytes);
  if (line.substr(body.size()) != seal_of(body)) {
    throw corrupt_file("checksum does not match, computed {:08x}",
                       crc32c(body));
  }
  Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw corrupt_file("not a JSON object");
  return json;
}

std::string text_of(const Json& json, const char* name) {
  std::string text;
  JsonReader(json).field(name, text);
  return text;
}

template <size_t I = 0>
JournalEvent decode_event(const std::string& name, const Json& json) {
  if constexpr (I == std::variant_size_v<JournalEvent>) {
    throw corrupt_file("event '{}' is not known to this version",
                       shortened(name, 40));
  } else {
    using Event = std::variant_alternative_t<I, JournalEvent>;
    if (name != Event::kName) return decode_event<I + 1>(name, json);
    Event event;
    JsonReader reader(json);
    event.visit_fields(reader);
    return event;
  }
}

Json started_line(double wall_seconds, std::string_view name) {
  Json json = Json::object();
  // A thousandth of a second is enough, and shorter.
  json["time"] = std::round(wall_seconds * 1e3) / 1e3;
  json["event"] = name;
  return json;
}

}  // namespace

std::string seal_line(std::string body) { return body + seal_of(body) + "\n"; }

std::string encode_line(const JournalRecord& record) {
  return std::visit(
      [&](auto event) {
        Json json = started_line(record.wall_seconds, event.kName);
        JsonWriter writer(json);
        event.visit_fields(writer);
        if (record.source.rank >= 0) {
          json["told_by"] = record.source.rank;
          json["told_at"] = record.source.position;
        }
        return sealed(json);
      },
      record.event);
}

std::string encode_header(double wall_seconds) {
  Json json = started_line(wall_seconds, kHeaderName);
  json["format"] = kFormat;
  json["version"] = kJournalVersion;
  return sealed(json);
}

JournalRecord decode_line(std::string_view line) {
  const Json json = unsealed(line);
  JournalRecord record;
  JsonReader(json).field("time", record.wall_seconds);
  JsonReader(json).field("told_by", record.source.rank);
  JsonReader(json).field("told_at", record.source.position);
  record.event = decode_event(text_of(json, "event"), json);
  return record;
}

bool is_header(std::string_view line) {
  try {
    return text_of(unsealed(line), "event") == kHeaderName;
  } catch (const CorruptFile&) {
    return false;
  }
}

void check_header(std::string_view line) {
  const Json json = unsealed(line);
  if (text_of(json, "format") != kFormat) {
    throw corrupt_file("does not start as a journal of Colossus");
  }
  int64_t version = 0;
  JsonReader(json).field("version", version);
  if (version != kJournalVersion) {
    throw user_error(
        "journal version {}, but this program knows only version {}; use the "
        "program that wrote it, or a newer one",
        version, kJournalVersion);
  }
}

}  // namespace colossus::runtime
