#include "base/utf8.h"

#include <gtest/gtest.h>

namespace colossus {
namespace {

TEST(Utf8, KeepsWellFormedText) {
  const std::string text = "a\xc3\xa9\xe2\x96\x81\xf0\x9f\x98\x80\n";
  EXPECT_EQ(valid_utf8(text), text);
}

TEST(Utf8, ReplacesEachByteThatIsPartOfNoCharacter) {
  const std::string mark = "\xef\xbf\xbd";
  EXPECT_EQ(valid_utf8("a\xff"
                       "b"),
            "a" + mark + "b");
  EXPECT_EQ(valid_utf8("\xe2\x96"), mark + mark);             // cut off
  EXPECT_EQ(valid_utf8("\xc0\xaf"), mark + mark);             // overlong
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), mark + mark + mark);  // surrogate
  EXPECT_EQ(utf8_length("\xf4\x90\x80\x80"), 0u);             // beyond U+10FFFF
}

TEST(Utf8, OutputIsAlwaysWellFormed) {
  std::string bytes;
  for (unsigned i = 0; i < 40000; ++i) {
    bytes += static_cast<char>((i * 2654435761u) >> 24);
  }
  const std::string text = valid_utf8(bytes);
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(std::string_view(text).substr(at));
    ASSERT_GT(length, 0u) << "at byte " << at;
    at += length;
  }
}

TEST(Shortened, CutsBetweenCharacters) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "abc...");
  EXPECT_EQ(shortened("ab\xe2\x96\x81"
                      "c",
                      4),
            "ab...");
}

}  // namespace
}  // namespace colossus
