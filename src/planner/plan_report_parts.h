// The parts of a plan's report, each a piece of HTML; plan_report.cc puts them
// together. A part of which the plan has nothing is empty.
#pragma once

#include <string>
#include <string_view>

#include "planner/plan_report.h"

namespace colossus::planner {

// "tensor 4 · pipeline 16 × 4 · data 256 · expert 8 · ZeRO 1 · ..."
std::string layout_words(const Layout& layout);

std::string gigabytes(double bytes);     // "32.3 GB"
std::string seconds_text(double value);  // "1.13 s"
std::string percent(double share, int decimals = 1);

// <tr> of cells that are HTML; the first `num_words` of them on the left.
std::string table_row(const std::vector<std::string>& cells,
                      std::string_view tag = "td", size_t num_words = 1);

// plan_report_summary.cc
std::string header_html(const PlanReport& report);
std::string cards_html(const PlanReport& report);
std::string facts_html(const PlanReport& report);

// plan_report_charts.cc
std::string bars_html(const PlanReport& report);
std::string curves_html(const PlanReport& report);

// plan_report_tables.cc
std::string layouts_html(const PlanReport& report);
std::string terms_html(const PlanReport& report);
std::string run_html(const PlanReport& report);
std::string inputs_html(const PlanReport& report);

}  // namespace colossus::planner
