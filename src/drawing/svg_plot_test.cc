#include "drawing/svg_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace colossus::drawing {
namespace {

using testing::HasSubstr;
using testing::Not;

LinePlot over_gpus() {
  LinePlot plot;
  plot.id = "p";
  plot.title = "Speed";
  plot.x_name = "GPUs";
  PlotSeries series;
  series.name = "speed";
  series.style = "main";
  series.curve = {{8, 1}, {16, 2}, {32, 3}};
  plot.series.push_back(series);
  return plot;
}

// Doubling is an equal step on a logarithmic axis: 16 stands in the middle of
// 8 / 1.1 to 32 x 1.1.
TEST(Plot, MayHaveALogarithmicAxisWithGivenTicks) {
  LinePlot plot = over_gpus();
  plot.is_log_x = true;
  plot.x_ticks = {8, 16, 32};
  const std::string html = plot_html(plot);
  EXPECT_THAT(html, HasSubstr("L500.0 "));
  EXPECT_THAT(html, HasSubstr("x1=\"50%\""));
  EXPECT_THAT(html, HasSubstr("\"log\":true,\"xName\":\"GPUs\""));
}

// An axis of steps covers the whole run; another only its points.
TEST(Plot, CoversTheStepsOfARunButOnlyPointsOfAnythingElse) {
  LinePlot plot = over_gpus();
  plot.first_step = 1;
  plot.last_step = 1000;
  EXPECT_THAT(plot_html(plot), Not(HasSubstr("1,000")));
  plot.x_name = "step";
  EXPECT_THAT(plot_html(plot), HasSubstr("1,000"));
}

TEST(Plot, MayShowNamedPointsWithoutALine) {
  LinePlot plot = over_gpus();
  plot.series[0].has_line = false;
  plot.series[0].has_dots = true;
  plot.series[0].labels = {"one", "</script>", "a \"b\" \\"};
  const std::string html = plot_html(plot);
  EXPECT_THAT(html, Not(HasSubstr("class=\"curve")));
  EXPECT_THAT(html, HasSubstr("class=\"dots main\""));
  EXPECT_THAT(html,
              HasSubstr(R"("labels":["one","\u003c/script>","a \"b\" \\"])"));
}

}  // namespace
}  // namespace colossus::drawing
