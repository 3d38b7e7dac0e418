// Horizontal bars, each of parts that follow one another, as a <figure> of HTML
// that fits any width. The page's style (page.h) has the colours.
#pragma once

#include <string>
#include <vector>

namespace colossus::drawing {

struct BarPart {
  std::string name;
  double value = 0;   // >= 0
  std::string text;   // the value for people: "490 ms"
  std::string style;  // its colour: a class "s1" to "s8" of the page
};

struct Bar {
  std::string label;
  std::string total;  // behind the bar
  std::vector<BarPart> parts;
};

struct BarChart {
  std::string title, unit;
  std::vector<Bar> bars;
  double limit = 0;        // a dashed line across all bars; 0: none
  std::string limit_text;  // "85.5 GB of the GPU"
  bool has_legend = true;
  bool is_wide = true;
};

// All bars have one scale, whose end is the longest of them or the limit.
// Nothing if no bar has a part.
std::string bar_chart_html(const BarChart& chart);

}  // namespace colossus::drawing
