// Any text as a config: it is refused with a UserError, or what it says can be
// written and read back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "config/config.h"
#include "config/toml.h"

namespace colossus::config {
namespace {

void read_and_write_back(const std::string& text) {
  Config config, again;
  Origins origins;
  const std::vector<Field> fields = fields_of(config);
  try {
    read_toml(text, "fuzz", fields, origins);
  } catch (const UserError&) {
    return;
  }
  const std::string written = write_toml(fields);
  read_toml(written, "again", fields_of(again), origins);
  if (write_toml(fields_of(again)) != written) std::abort();
}

void set_one_key(const std::string& text) {
  Config config;
  Origins origins;
  try {
    apply_override(text, fields_of(config), origins);
    validate(config);
  } catch (const UserError&) {
  }
}

}  // namespace
}  // namespace colossus::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  colossus::config::read_and_write_back(text);
  colossus::config::set_one_key(text);
  return 0;
}
