#include "tests/source_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>

namespace colossus::tests {

std::vector<std::string> files_below(const std::string& folder,
                                     const std::vector<std::string>& endings) {
  namespace fs = std::filesystem;
  const fs::path root = COLOSSUS_SOURCE_DIR;
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
    const std::string path = entry.path().lexically_relative(root).string();
    const bool wanted = std::any_of(
        endings.begin(), endings.end(),
        [&](const std::string& ending) { return path.ends_with(ending); });
    if (wanted && entry.is_regular_file()) files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(std::string(COLOSSUS_SOURCE_DIR "/") + path);
  EXPECT_TRUE(file.is_open()) << path;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::string included_path(const std::string& line) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*["<]([^">]+)[">])");
  std::smatch match;
  return std::regex_search(line, match, kInclude) ? match[1].str() : "";
}

}  // namespace colossus::tests
