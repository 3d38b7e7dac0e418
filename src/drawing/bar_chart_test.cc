#include "drawing/bar_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace colossus::drawing {
namespace {

using testing::HasSubstr;
using testing::Not;

BarChart two_bars() {
  BarChart chart;
  chart.title = "Time";
  chart.unit = "seconds";
  chart.bars = {
      {"first", "4 s", {{"work", 3, "3 s", "s1"}, {"wait", 1, "1 s", "s2"}}},
      {"second", "2 s", {{"work", 2, "2 s", "s1"}}}};
  return chart;
}

// The longest bar, 4, is the scale.
TEST(BarChart, DrawsPartsAsSharesOfTheLongestBar) {
  const std::string html = bar_chart_html(two_bars());
  EXPECT_THAT(html, HasSubstr("class=\"s1\" style=\"width:75.000%\" "
                              "title=\"work: 3 s\""));
  EXPECT_THAT(html, HasSubstr("class=\"s2\" style=\"width:25.000%\""));
  EXPECT_THAT(html, HasSubstr("class=\"s1\" style=\"width:50.000%\""));
  const size_t legend = html.find("</i>work</span>");
  EXPECT_NE(legend, std::string::npos);
  EXPECT_EQ(html.find("</i>work</span>", legend + 1), std::string::npos);
}

// 5 x 1.02 is the scale, so that the line is within it.
TEST(BarChart, HasALineAtItsLimit) {
  BarChart chart = two_bars();
  chart.limit = 5;
  chart.limit_text = "5 s at most";
  const std::string html = bar_chart_html(chart);
  EXPECT_THAT(html, HasSubstr("<b style=\"left:98.039%\"></b>"));
  EXPECT_THAT(html, HasSubstr("5 s at most"));
}

TEST(BarChart, EscapesAllTextAndIsNothingWithoutParts) {
  BarChart chart = two_bars();
  chart.bars[0].label = "<script>";
  chart.bars[0].parts[0].name = "\"><b>";
  const std::string html = bar_chart_html(chart);
  EXPECT_THAT(html, Not(HasSubstr("<script>")));
  EXPECT_THAT(html, Not(HasSubstr("\"><b>:")));
  chart.bars = {{"empty", "0 s", {{"work", 0, "0 s", "s1"}}}};
  EXPECT_EQ(bar_chart_html(chart), "");
}

}  // namespace
}  // namespace colossus::drawing
