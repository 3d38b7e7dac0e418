#include "drawing/bar_chart.h"

#include <fmt/core.h>

#include <algorithm>

#include "drawing/html.h"

namespace colossus::drawing {
namespace {

double length_of(const Bar& bar) {
  double sum = 0;
  for (const BarPart& part : bar.parts) sum += part.value;
  return sum;
}

double scale_of(const BarChart& chart) {
  double longest = 0;
  for (const Bar& bar : chart.bars) {
    longest = std::max(longest, length_of(bar));
  }
  return longest > 0 ? std::max(longest, chart.limit * 1.02) : 0;
}

// In the order in which they first appear.
std::string legend_html(const BarChart& chart) {
  std::vector<std::string> seen;
  std::string legend;
  for (const Bar& bar : chart.bars) {
    for (const BarPart& part : bar.parts) {
      const bool is_known =
          std::find(seen.begin(), seen.end(), part.name) != seen.end();
      if (is_known || part.value <= 0) continue;
      seen.push_back(part.name);
      legend += fmt::format("<span><i class=\"box {}\"></i>{}</span>",
                            part.style, escape_html(part.name));
    }
  }
  return element("span", "legend", legend);
}

std::string parts_html(const Bar& bar, double scale) {
  std::string html;
  for (const BarPart& part : bar.parts) {
    if (part.value <= 0) continue;
    html += fmt::format(
        "<i class=\"{}\" style=\"width:{:.3f}%\" title=\"{}: {}\"></i>",
        part.style, 100 * part.value / scale, escape_html(part.name),
        escape_html(part.text));
  }
  return html;
}

std::string bar_html(const BarChart& chart, const Bar& bar, double scale) {
  std::string area = element("div", "parts", parts_html(bar, scale));
  if (chart.limit > 0) {
    area += fmt::format("<b style=\"left:{:.3f}%\"></b>",
                        100 * chart.limit / scale);
  }
  return element("div", "bar-label", escape_html(bar.label)) +
         element("div", "bar", area) +
         element("div", "bar-total", escape_html(bar.total)) + "\n";
}

}  // namespace

std::string bar_chart_html(const BarChart& chart) {
  const double scale = scale_of(chart);
  if (!(scale > 0)) return "";
  std::string caption = element("h3", "", escape_html(chart.title)) +
                        element("span", "unit", escape_html(chart.unit));
  if (chart.limit > 0) {
    caption += "<span class=\"unit\"><i class=\"dash\"></i>" +
               escape_html(chart.limit_text) + "</span>";
  }
  if (chart.has_legend) caption += legend_html(chart);
  std::string bars;
  for (const Bar& bar : chart.bars) bars += bar_html(chart, bar, scale);
  return fmt::format(
      "<figure class=\"bars{}\"><figcaption>{}</figcaption>"
      "<div class=\"bar-rows\">{}</div></figure>\n",
      chart.is_wide ? " wide" : "", caption, bars);
}

}  // namespace colossus::drawing
