#include "config/load_config.h"

#include <filesystem>

#include "base/error.h"
#include "base/file_system.h"

namespace colossus::config {

LoadedConfig config_from_text(const std::string& text,
                              const std::string& source,
                              const std::vector<std::string>& overrides) {
  LoadedConfig loaded;
  const std::vector<Field> fields = fields_of(loaded.config);
  for (const Field& field : fields) loaded.origins[field.name] = "default";
  read_toml(text, source, fields, loaded.origins);
  for (const std::string& assignment : overrides) {
    apply_override(assignment, fields, loaded.origins);
  }
  try {
    validate(loaded.config);
  } catch (const UserError& error) {
    throw user_error("{}{}: {}", source, overrides.empty() ? "" : " with --set",
                     error.what());
  }
  return loaded;
}

LoadedConfig load_config(const std::string& path,
                         const std::vector<std::string>& overrides) {
  LoadedConfig loaded = config_from_text(read_file(path), path, overrides);
  std::string& origin = loaded.origins.at("run.dir");
  if (origin == "default") {
    loaded.config.run.dir =
        "runs/" + std::filesystem::path(path).stem().string();
    origin = "the file's name";
  }
  return loaded;
}

}  // namespace colossus::config
