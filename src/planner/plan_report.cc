#include "planner/plan_report.h"

#include <fmt/format.h>

#include "drawing/html.h"
#include "drawing/page.h"
#include "planner/plan_report_parts.h"

namespace colossus::planner {
namespace {

// What a page about a plan adds to the style of all pages.
constexpr std::string_view kCss = R"css(
.warn { background: var(--bad-back); border: 1px solid var(--bad);
  border-radius: 10px; padding: 12px 16px; margin: 16px 0 0; }
.warn b { color: var(--bad); }
.two { display: grid; gap: 16px; grid-template-columns: repeat(2,
  minmax(0, 1fr)); }
.two > section > h2 { margin-top: 24px; }
.grade { white-space: nowrap; border-radius: 999px; padding: 1px 8px; font-size: 12px;
  background: var(--neutral-back); color: var(--soft); }
.grade.assumed { background: var(--bad-back); color: var(--bad); }
.grade.measured { background: var(--good-back); color: var(--good); }
.cards { grid-template-columns: repeat(4, minmax(0, 1fr)); }
.named td:first-child { white-space: nowrap; width: 1%; color: var(--soft); }
.inputs td:last-child { white-space: nowrap; }
@media (max-width: 720px) {
  .two { grid-template-columns: minmax(0, 1fr); }
  .cards { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .named td:first-child { white-space: normal; width: 32%; }
  .inputs td:last-child { white-space: normal; }
}
)css";

}  // namespace

std::string layout_words(const Layout& layout) {
  const char* const kDot = " \u00b7 ";
  std::string words;
  const auto add = [&](const std::string& part) {
    words += (words.empty() ? "" : kDot) + part;
  };
  if (layout.tensor > 1) add(fmt::format("tensor {}", layout.tensor));
  if (layout.virtual_stages > 1) {
    add(fmt::format("pipeline {} \u00d7 {}", layout.pipeline,
                    layout.virtual_stages));
  } else if (layout.pipeline > 1) {
    add(fmt::format("pipeline {}", layout.pipeline));
  }
  add(fmt::format("data {}", layout.data));
  if (layout.expert > 1) add(fmt::format("expert {}", layout.expert));
  if (layout.context > 1) add(fmt::format("context {}", layout.context));
  if (layout.zero_stage > 0) add(fmt::format("ZeRO {}", layout.zero_stage));
  add(fmt::format("micro-batch {}", layout.micro_batch_size));
  if (layout.recomputation != "none") {
    add(layout.recomputation + " recomputation");
  }
  return words;
}

std::string gigabytes(double bytes) {
  return fmt::format("{:.1f} GB", bytes / 1e9);
}

std::string seconds_text(double value) {
  return quantity_text(value, Unit::kSeconds);
}

std::string percent(double share, int decimals) {
  return fmt::format("{:.{}f}%", 100 * share, decimals);
}

std::string table_row(const std::vector<std::string>& cells,
                      std::string_view tag, size_t num_words) {
  std::string row;
  for (size_t i = 0; i < cells.size(); ++i) {
    row += drawing::element(tag, i < num_words ? "" : "n", cells[i]);
  }
  return drawing::element("tr", "", row) + "\n";
}

std::string plan_report_html(const PlanReport& report) {
  const PlanRequest& request = report.plan.request;
  return drawing::page_html(
      fmt::format("{} on {} - plan", request.model.name,
                  request.cluster.cluster.name),
      header_html(report) + cards_html(report) + facts_html(report) +
          bars_html(report) + curves_html(report) + layouts_html(report) +
          "<div class=\"two\">" + terms_html(report) + run_html(report) +
          "</div>\n" + inputs_html(report) +
          "<footer>Written by <code>colossus plan</code>. Formulas, sources "
          "and errors: docs/planner.md.</footer>\n",
      kCss);
}

}  // namespace colossus::planner
