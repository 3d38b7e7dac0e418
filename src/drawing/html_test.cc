#include "drawing/html.h"

#include <gtest/gtest.h>

namespace colossus::drawing {
namespace {

TEST(EscapeHtml, LeavesNoWayOutOfTextOrAttribute) {
  EXPECT_EQ(escape_html("<script>\"a\" & 'b'</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;");
}

TEST(EscapeHtml, ShowsBytesThatAreNoTextSafely) {
  EXPECT_EQ(escape_html("a\xff"), "a\xef\xbf\xbd");
  EXPECT_EQ(escape_html("\x1b[2J"), "\xe2\x90\x9b[2J");
  EXPECT_EQ(escape_html(std::string(1, '\0')), "\xe2\x90\x80");
  EXPECT_EQ(escape_html("\x7f"), "\xe2\x90\xa1");
  EXPECT_EQ(escape_html("a\n\tb"), "a\n\tb");
}

TEST(CompactCount, KeepsThreeDigits) {
  EXPECT_EQ(compact_count(987), "987");
  EXPECT_EQ(compact_count(12345), "12.3k");
  EXPECT_EQ(compact_count(3523456), "3.52M");
  EXPECT_EQ(compact_count(314684669952.0), "315G");
  EXPECT_EQ(compact_count(999.4), "999");
  EXPECT_EQ(compact_count(999.6), "1k");
  EXPECT_EQ(compact_count(999'400), "999k");
  EXPECT_EQ(compact_count(999'600), "1M");
}

TEST(ShortNumber, SaysWhatIsNotFinite) {
  EXPECT_EQ(short_number(2.43121), "2.431");
  EXPECT_EQ(short_number(0.0 / 0.0), "not finite");
}

}  // namespace
}  // namespace colossus::drawing
