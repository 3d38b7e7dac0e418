// No test and no source is left out of the build by accident.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "tests/source_tree.h"

namespace colossus::tests {
namespace {

// The files that this build compiles, relative to the clone.
std::set<std::string> compiled_files() {
  std::ifstream file(COLOSSUS_BINARY_DIR "/compile_commands.json");
  EXPECT_TRUE(file.is_open());
  const std::string root = COLOSSUS_SOURCE_DIR "/";
  std::set<std::string> files;
  for (const auto& command : nlohmann::json::parse(file)) {
    const std::string path = command.at("file");
    if (path.starts_with(root)) files.insert(path.substr(root.size()));
  }
  return files;
}

TEST(Registration, EverySourceIsCompiled) {
  const std::set<std::string> compiled = compiled_files();
  for (const char* folder : {"src", "tests"}) {
    for (const std::string& file : files_below(folder, {".cc"})) {
      if (file.ends_with("_fuzz.cc")) continue;  // preset `fuzz`
      EXPECT_TRUE(compiled.contains(file)) << file;
    }
  }
}

TEST(Registration, EveryTestStandsBesideItsSource) {
  for (const std::string& file : files_below("src", {".cc"})) {
    EXPECT_EQ(file.find("/tests/"), std::string::npos) << file;
  }
}

}  // namespace
}  // namespace colossus::tests
