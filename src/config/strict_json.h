// JSON from people and from other programs, read without trust: its size, its
// depth and keys that stand twice are refused while parsing.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace colossus::config {

struct JsonLimits {
  size_t bytes = 64 * 1024;
  int depth = 8;
};

// `source` is the text's name in messages. Throws UserError. The caller
// includes nlohmann/json.hpp, in a .cc file.
nlohmann::json parse_strict_json(const std::string& text,
                                 const std::string& source,
                                 const JsonLimits& limits);

}  // namespace colossus::config
