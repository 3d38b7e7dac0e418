// What the program shares with the libraries that it loads. One of them brings
// a protobuf of its own, of another version: were any function of ours in its
// sight, one version's code would work on the other's data.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

namespace colossus::tests {
namespace {

// Lines of `nm` about the program that have `name` in them.
std::vector<std::string> symbols(const std::string& flags,
                                 const std::string& name) {
  const std::string command =
      "nm -C " + flags + " '" COLOSSUS_BINARY_DIR "/colossus'";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::vector<std::string> found;
  std::string line;
  for (int c = std::getc(pipe); c != EOF; c = std::getc(pipe)) {
    if (c != '\n') {
      line += static_cast<char>(c);
      continue;
    }
    if (line.find(name) != std::string::npos) found.push_back(line);
    line.clear();
  }
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return found;
}

constexpr const char* kProtobuf = "google::protobuf::";

TEST(Symbols, OfProtobufAreAllInsideTheProgram) {
  EXPECT_FALSE(symbols("--defined-only", kProtobuf).empty())
      << "it has none of its own";
  EXPECT_THAT(symbols("-D --undefined-only", kProtobuf), testing::IsEmpty());
}

TEST(Symbols, OfProtobufAreInNoLibrarysSight) {
  EXPECT_FALSE(symbols("-D", "").empty()) << "nm shows nothing at all";
  EXPECT_THAT(symbols("-D --defined-only", kProtobuf), testing::IsEmpty());
}

}  // namespace
}  // namespace colossus::tests
