#include "planner/plan_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/frontier.h"
#include "planner/plan_report_parts.h"
#include "planner/plan_testing.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;
using testing::Not;

PlanReport report_of(const PlanFlags& flags) {
  ThreadPool pool(2);
  PlanReport report;
  report.plan = make_plan(read_plan_request(flags), pool);
  report.frontier = layout_frontier(report.plan.request, 8, pool);
  report.sweeps.push_back(
      run_sweep(flags, parse_sweep("cluster.gpus=16:64:x2"), pool));
  return report;
}

// What a reader has to know before any picture.
std::string first_screen(const std::string& html) {
  return html.substr(0, html.find("class=\"charts\""));
}

TEST(PlanReport, SaysFirstHowFarToTrustIt) {
  PlanFlags flags = small_flags();
  flags.cluster = "H100-SXM:65536";
  flags.batch_tokens = "134217728";
  const std::string far = plan_report_html({plan_of(flags), {}, {}});
  EXPECT_THAT(first_screen(far), HasSubstr("<b>Extrapolates.</b> "));
  EXPECT_THAT(first_screen(far), HasSubstr("the largest timed run in public"));
  EXPECT_THAT(first_screen(far), HasSubstr("80%: "));
  const std::string near = plan_report_html({plan_of(small_flags()), {}, {}});
  EXPECT_THAT(first_screen(near), HasSubstr("within what was timed"));
  EXPECT_THAT(near, Not(HasSubstr("Extrapolates")));
}

TEST(PlanReport, DrawsBarsFrontierCurvesAndSensitivities) {
  const std::string html = plan_report_html(report_of(small_flags()));
  for (const char* title :
       {"Where the time of a step goes", "Where the memory of the heaviest",
        "Frontier of layouts", "What one percent more is worth",
        "Tokens a second", "Model FLOP utilization", "The step, term by term",
        "Layouts, the fastest first"}) {
    EXPECT_THAT(html, HasSubstr(title));
  }
  EXPECT_THAT(html, HasSubstr("class=\"grade assumed\""));
  EXPECT_THAT(html, HasSubstr("class=\"grade published\""));
  EXPECT_THAT(html, Not(HasSubstr("The run<")));
}

TEST(PlanReport, HasTheRunWhereTokensWereAskedFor) {
  PlanFlags flags = small_flags();
  flags.tokens = "1e10";
  const std::string html = plan_report_html({plan_of(flags), {}, {}});
  EXPECT_THAT(html, HasSubstr("Goodput"));
  EXPECT_THAT(html, HasSubstr("Spare nodes"));
  EXPECT_THAT(html, HasSubstr("GPU-hours"));
}

TEST(PlanReport, ShowsWhatMissesWhereNothingFits) {
  PlanFlags flags = small_flags();
  flags.overrides = {"gpu.memory=1 GB"};
  const std::string html = plan_report_html({plan_of(flags), {}, {}});
  EXPECT_THAT(first_screen(html), HasSubstr("Nothing fits."));
  EXPECT_THAT(html, HasSubstr("GB a GPU are missing; the most goes to "));
}

// Values need not ascend.
TEST(PlanReport, SaysWhichValuesOfASweepHaveNoPlan) {
  PlanReport report = report_of(small_flags());
  Sweep& sweep = report.sweeps[0];
  ASSERT_EQ(sweep.points.size(), 3U);
  const std::string all = curves_html(report);
  EXPECT_THAT(all, HasSubstr("middle\">16</text>"));
  EXPECT_THAT(all, HasSubstr("middle\">32</text>"));
  EXPECT_THAT(all, Not(HasSubstr("No plan at")));
  std::swap(sweep.points[0], sweep.points[2]);
  std::swap(sweep.values.numbers[0], sweep.values.numbers[2]);
  EXPECT_EQ(curves_html(report), all);
  sweep.points[1].plan.reset();
  sweep.points[1].text = "<32>";
  sweep.points[1].why_not = "no <legal> layout";
  const std::string html = curves_html(report);
  EXPECT_THAT(html, Not(HasSubstr("middle\">32</text>")));
  EXPECT_THAT(html, HasSubstr("<p class=\"hint\">No plan at &lt;32&gt;: no "
                              "&lt;legal&gt; layout</p>"));
}

// Nothing is loaded from elsewhere, and no name becomes markup.
TEST(PlanReport, IsOnePageAndEscapesNames) {
  PlanReport report = report_of(small_flags());
  report.plan.request.model.name = "<img src=x>";
  report.plan.request.cluster.cluster.name = "\"><script>alert(1)</script>";
  report.plan.warnings = {"</main>"};
  const std::string html = plan_report_html(report);
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, HasSubstr("&lt;/main&gt;"));
  EXPECT_THAT(html, Not(HasSubstr("http")));
}

}  // namespace
}  // namespace colossus::planner
