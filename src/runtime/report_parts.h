// The parts of a report, each a piece of HTML; report.cc puts them together.
// A part of which the run has nothing is empty.
#pragma once

#include <optional>
#include <string>

#include "config/config.h"
#include "drawing/html.h"
#include "runtime/history.h"

namespace colossus::runtime {

using drawing::compact_count;
using drawing::element;
using drawing::escape_html;
using drawing::short_number;

// What the parts show. `config` is missing where the text is not a config that
// this program understands.
struct ReportInput {
  const std::string& run_name;
  const RunHistory& history;
  const std::string& config_toml;
  std::optional<config::Config> config;
};

// report_summary.cc
std::string header_html(const ReportInput& input);
std::string cards_html(const ReportInput& input);
std::string facts_html(const ReportInput& input);

// report_charts.cc
std::string charts_html(const ReportInput& input);

// report_tables.cc
std::string samples_html(const ReportInput& input);
std::string time_html(const ReportInput& input);
std::string events_html(const ReportInput& input);
std::string config_html(const ReportInput& input);

}  // namespace colossus::runtime
