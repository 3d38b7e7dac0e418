// The documents hold what they promise: links lead somewhere, the packages of
// tools/packages.txt are explained.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <sstream>
#include <string>

#include "tests/source_tree.h"

namespace colossus::tests {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> documents() {
  std::vector<std::string> files = files_below("docs", {".md"});
  files.emplace_back("README.md");
  return files;
}

std::vector<std::string> links_of(const std::string& line) {
  static const std::regex kLink(R"(\]\(([^)#\s]+)[^)]*\))");
  std::vector<std::string> links;
  for (std::sregex_iterator at(line.begin(), line.end(), kLink), end; at != end;
       ++at) {
    links.push_back((*at)[1].str());
  }
  return links;
}

TEST(Documents, EveryLinkLeadsToAFile) {
  const fs::path root = COLOSSUS_SOURCE_DIR;
  for (const std::string& document : documents()) {
    for (const std::string& line : lines_of(document)) {
      for (const std::string& link : links_of(line)) {
        if (link.starts_with("http")) continue;
        const fs::path target = (root / document).parent_path() / link;
        EXPECT_TRUE(fs::exists(target)) << document << ": " << link;
      }
    }
  }
}

TEST(Documents, EveryLibraryThatIsInstalledIsExplained) {
  std::string text;
  for (const std::string& line : lines_of("docs/dependencies.md")) {
    text += line + "\n";
  }
  for (const std::string& line : lines_of("tools/packages.txt")) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string group, package;
    words >> group >> package;
    EXPECT_NE(text.find(package), std::string::npos) << package;
  }
}

}  // namespace
}  // namespace colossus::tests
