#include "data/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace colossus::data {
namespace {

TEST(Utf8, TakesValidTextWhole) {
  const std::string text = "plain text, \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
  EXPECT_EQ(valid_utf8_prefix(text), text.size());
}

TEST(Utf8, StopsAtTheFirstBadByte) {
  EXPECT_EQ(valid_utf8_prefix("abcdefghij\xFFk"), 10u);
  EXPECT_EQ(valid_utf8_prefix("ab\xC0\x80"), 2u);          // overlong
  EXPECT_EQ(valid_utf8_prefix("ab\xE0\x80\x80"), 2u);      // overlong
  EXPECT_EQ(valid_utf8_prefix("ab\xED\xA0\x80"), 2u);      // surrogate
  EXPECT_EQ(valid_utf8_prefix("ab\xF4\x90\x80\x80"), 2u);  // > U+10FFFF
  EXPECT_EQ(valid_utf8_prefix("ab\xE2\x82"), 2u);          // cut short
  EXPECT_EQ(valid_utf8_prefix("ab\x80"), 2u);              // stray
}

TEST(Utf8, CutsBetweenCharacters) {
  const std::string text =
      "a\xE2\x82\xAC"
      "b";
  EXPECT_EQ(utf8_cut(text, 0), 0u);
  EXPECT_EQ(utf8_cut(text, 1), 1u);
  EXPECT_EQ(utf8_cut(text, 2), 1u);
  EXPECT_EQ(utf8_cut(text, 3), 1u);
  EXPECT_EQ(utf8_cut(text, 4), 4u);
  EXPECT_EQ(utf8_cut(text, 5), 5u);
}

TEST(Utf8, CutsBytesThatAreNotTextAnywhere) {
  const std::string text = "\x80\x80\x80\x80\x80\xFF";
  for (size_t at = 0; at <= text.size(); ++at)
    EXPECT_EQ(utf8_cut(text, at), at);
}

}  // namespace
}  // namespace colossus::data
