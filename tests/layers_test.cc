// The house of docs/architecture.md, held against every #include under src/:
// includes point strictly down, and no heavy header stands in a header.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/source_tree.h"

namespace colossus::tests {
namespace {

// Folder -> level, from the block under "## The house": "3  model optimizer".
std::map<std::string, int> documented_levels() {
  static const std::regex kLevel(R"(^    (\d)  +([a-z ]+)$)");
  std::map<std::string, int> levels;
  bool inside = false;
  for (const std::string& line : lines_of("docs/architecture.md")) {
    if (line.starts_with("## ")) inside = line == "## The house";
    std::smatch match;
    if (!inside || !std::regex_match(line, match, kLevel)) continue;
    std::istringstream folders(match[2].str());
    for (std::string folder; folders >> folder;) {
      levels[folder] = std::stoi(match[1].str());
    }
  }
  return levels;
}

// "src/model/decoder.cc" -> "model"; "model/decoder.h" -> "model" too.
std::string folder_of(std::string path) {
  if (path.starts_with("src/")) path = path.substr(4);
  return path.substr(0, path.find('/'));
}

bool may_include(const std::map<std::string, int>& levels,
                 const std::string& from, const std::string& to) {
  return from == to || levels.at(from) > levels.at(to);
}

TEST(Layers, TheDocumentNamesEveryFolderAndNoOther) {
  std::set<std::string> documented, real;
  for (const auto& [folder, level] : documented_levels()) {
    documented.insert(folder);
  }
  for (const std::string& file : files_below("src", {"CMakeLists.txt"})) {
    real.insert(folder_of(file));
  }
  EXPECT_EQ(documented, real);
}

TEST(Layers, EveryIncludePointsStrictlyDown) {
  const std::map<std::string, int> levels = documented_levels();
  for (const std::string& file : files_below("src", {".cc", ".h"})) {
    const std::string from = folder_of(file);
    ASSERT_TRUE(levels.contains(from)) << file;
    for (const std::string& line : lines_of(file)) {
      const std::string to = folder_of(included_path(line));
      if (!levels.contains(to)) continue;  // not ours
      EXPECT_TRUE(may_include(levels, from, to))
          << file << " includes " << included_path(line) << ": " << from
          << " is on level " << levels.at(from) << ", " << to << " on level "
          << levels.at(to);
    }
  }
}

TEST(Layers, TheRuleRefusesUpwardAndSidewardEdges) {
  const std::map<std::string, int> levels = documented_levels();
  EXPECT_TRUE(may_include(levels, "model", "kernels"));
  EXPECT_FALSE(may_include(levels, "kernels", "model"));
  EXPECT_FALSE(may_include(levels, "model", "optimizer"));
  EXPECT_FALSE(may_include(levels, "data", "kernels"));
}

bool is_heavy(const std::string& include) {
  const std::array<const char*, 5> heavy = {"nlohmann/json.hpp",
                                            "toml++/toml.h", "CLI/",
                                            "sentencepiece", "gtest/gtest.h"};
  return std::any_of(heavy.begin(), heavy.end(), [&](const char* name) {
    return include.starts_with(name);
  });
}

// A header may hold a heavy library's types as a folder's private state, as
// long as only .cc files include it: then it costs nobody else.
TEST(Layers, NoHeavyLibraryIsReachedThroughTwoHeaders) {
  std::map<std::string, std::string> heavy;  // our header -> what it includes
  for (const std::string& file : files_below("src", {".h"})) {
    for (const std::string& line : lines_of(file)) {
      const std::string include = included_path(line);
      if (is_heavy(include)) heavy[file.substr(4)] = include;
    }
  }
  for (const std::string& file : files_below("src", {".h", ".cc"})) {
    for (const std::string& line : lines_of(file)) {
      const std::string include = included_path(line);
      if (!heavy.contains(include)) continue;
      // What tests alone include may build on what tests alone include.
      EXPECT_FALSE(file.ends_with(".h") && !file.ends_with("_testing.h"))
          << file << " includes " << include << ", so " << heavy[include];
      EXPECT_EQ(folder_of(file), folder_of(include))
          << file << " includes another folder's private " << include;
    }
  }
}

TEST(Layers, OnlyTheCommandLineReadsTheEnvironment) {
  const std::regex environment(R"(\b(secure_)?getenv\s*\()");
  for (const std::string& file : files_below("src", {".cc", ".h"})) {
    if (folder_of(file) == "cli") continue;
    for (const std::string& line : lines_of(file)) {
      EXPECT_FALSE(std::regex_search(line, environment))
          << file << ": " << line;
    }
  }
}

}  // namespace
}  // namespace colossus::tests
