// A config as commands take it: a TOML file, then --set overrides, then all
// rules; with the origin of every value.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "config/toml.h"

namespace colossus::config {

struct LoadedConfig {
  Config config;
  Origins origins;  // of every key
};

// `source` is the text's name in messages. Throws UserError.
LoadedConfig config_from_text(const std::string& text,
                              const std::string& source,
                              const std::vector<std::string>& overrides);

// A run without a run.dir goes into runs/NAME, of the file's name without
// .toml.
LoadedConfig load_config(const std::string& path,
                         const std::vector<std::string>& overrides);

}  // namespace colossus::config
