#include "cli/bench/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace colossus::cli {
namespace {

using testing::HasSubstr;
using testing::internal::CaptureStdout;
using testing::internal::GetCapturedStdout;

void fill(Report& report) {
  report.fact("processor", "abacus");
  report.section("step", "whole steps");
  report.row("tiny", {{"tokens_per_second", 1234}, {"mfu", 0.5}});
  report.row("large", {{"tokens_per_second", 12}, {"mfu", 0.25}});
}

TEST(Report, PrintsOneJsonObjectAtTheEnd) {
  CaptureStdout();
  Report report(true);
  fill(report);
  EXPECT_EQ(GetCapturedStdout(), "");
  CaptureStdout();
  report.finish();
  const auto json = nlohmann::json::parse(GetCapturedStdout());
  EXPECT_EQ(json["machine"]["processor"], "abacus");
  ASSERT_EQ(json["step"].size(), 2u);
  EXPECT_EQ(json["step"][1]["subject"], "large");
  EXPECT_EQ(json["step"][1]["mfu"], 0.25);
}

TEST(Report, PrintsTablesAsTheyCome) {
  CaptureStdout();
  Report report(false);
  fill(report);
  const std::string text = GetCapturedStdout();
  EXPECT_THAT(text, HasSubstr("whole steps\n"));
  EXPECT_THAT(text, HasSubstr("tokens/s"));
  EXPECT_THAT(text, HasSubstr("1,234"));
  EXPECT_THAT(text, HasSubstr("25.0%"));
}

TEST(Report, JoinsSectionsOfOneName) {
  CaptureStdout();
  Report report(true);
  fill(report);
  fill(report);
  report.finish();
  EXPECT_EQ(nlohmann::json::parse(GetCapturedStdout())["step"].size(), 4u);
}

TEST(FigureText, TakesTheUnitFromTheName) {
  EXPECT_EQ(figure_text({"peak_share", 0.561}), "56.1%");
  EXPECT_EQ(figure_text({"flops_per_second", 2.31e11}), "231.0 G");
  EXPECT_EQ(figure_text({"memory_bytes", 3221225472.0}), "3.00 GiB");
  EXPECT_EQ(figure_text({"step_seconds", 0.0125}), "12.500");
  EXPECT_EQ(figure_text({"threads", 2}), "2");
}

TEST(Median, IsTheMiddleOrTheMeanOfTheMiddleTwo) {
  EXPECT_EQ(median({5, 1, 9}), 5);
  EXPECT_EQ(median({4, 1, 9, 2}), 3);
}

}  // namespace
}  // namespace colossus::cli
