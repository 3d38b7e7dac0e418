#include "config/strict_json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"

namespace colossus::config {
namespace {

using nlohmann::json;

// The library keeps the last of two equal keys and recurses as deep as the
// text says; both are refused while parsing.
class StrictParse {
 public:
  StrictParse(const std::string& source, int max_depth)
      : source_(source), max_depth_(max_depth) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    if (depth > max_depth_) {
      throw user_error("{}: nested deeper than {}", source_, max_depth_);
    }
    const auto level = static_cast<size_t>(depth);
    if (event == json::parse_event_t::object_start) {
      keys_.resize(level + 2);
      keys_[level + 1].clear();
    } else if (event == json::parse_event_t::key) {
      const auto key = parsed.get<std::string>();
      if (!keys_.at(level).insert(key).second) {
        throw user_error("{}: the key '{}' stands twice", source_,
                         key.substr(0, 80));
      }
    }
    return true;
  }

 private:
  const std::string& source_;
  int max_depth_;
  std::vector<std::set<std::string>> keys_;  // of the open object at each depth
};

}  // namespace

json parse_strict_json(const std::string& text, const std::string& source,
                       const JsonLimits& limits) {
  if (text.size() > limits.bytes) {
    throw user_error("{}: {} bytes; at most {} are read", source, text.size(),
                     limits.bytes);
  }
  try {
    return json::parse(text, StrictParse(source, limits.depth));
  } catch (const json::exception& error) {
    throw user_error("{}: {}", source, error.what());
  }
}

}  // namespace colossus::config
