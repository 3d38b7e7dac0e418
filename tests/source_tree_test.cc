#include "tests/source_tree.h"

#include <gtest/gtest.h>

namespace colossus::tests {
namespace {

TEST(SourceTree, FindsIncludesHoweverTheyAreWritten) {
  EXPECT_EQ(included_path("#include \"base/error.h\""), "base/error.h");
  EXPECT_EQ(included_path("  #  include <vector>  // why"), "vector");
  EXPECT_EQ(included_path("// #include \"x.h\""), "");
}

TEST(SourceTree, FindsTheSources) {
  EXPECT_GT(files_below("src", {".cc", ".h"}).size(), 20U);
}

}  // namespace
}  // namespace colossus::tests
