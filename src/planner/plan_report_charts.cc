// The pictures of a plan's report.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "drawing/bar_chart.h"
#include "drawing/html.h"
#include "drawing/svg_plot.h"
#include "planner/plan_report_parts.h"

namespace colossus::planner {
namespace {

using drawing::Bar;
using drawing::BarChart;
using drawing::LinePlot;
using drawing::PlotSeries;

constexpr size_t kMostBars = 10;
constexpr size_t kMostTicks = 9;

// Twenty terms in eight colours.
struct TermGroup {
  const char* name;
  const char* style;
  std::vector<Term> terms;
};
const std::array<TermGroup, 8>& term_groups() {
  static const std::array<TermGroup, 8> groups = {{
      {"products",
       "s1",
       {Term::kAttentionProducts, Term::kFeedForward, Term::kHead,
        Term::kWeightGradients}},
      {"attention core", "s2", {Term::kAttentionCore}},
      {"memory-bound work",
       "s3",
       {Term::kMemoryBound, Term::kPermute, Term::kExpertBias,
        Term::kOptimizer}},
      {"recomputation", "s7", {Term::kRecompute}},
      {"exchange within layers",
       "s4",
       {Term::kTensorParallel, Term::kContextParallel, Term::kAllToAll}},
      {"gradients and sharded weights",
       "s5",
       {Term::kGradients, Term::kShardedWeights}},
      {"pipeline: bubble, sends, imbalance",
       "s6",
       {Term::kBubble, Term::kSends, Term::kImbalance}},
      {"host, jitter", "s8", {Term::kHostWait, Term::kJitter}},
  }};
  return groups;
}

Bar time_bar(const PlannedLayout& layout) {
  Bar bar;
  bar.label = layout_words(layout.layout);
  bar.total = seconds_text(layout.cost.seconds);
  for (const TermGroup& group : term_groups()) {
    double seconds = 0;
    for (const Term term : group.terms) seconds += layout.cost.of(term);
    bar.parts.push_back({group.name, seconds,
                         fmt::format("{}, {}", seconds_text(seconds),
                                     percent(seconds / layout.cost.seconds)),
                         group.style});
  }
  return bar;
}

Bar memory_bar(const PlannedLayout& layout) {
  Bar bar;
  bar.label = layout_words(layout.layout);
  bar.total = gigabytes(layout.memory.needed());
  constexpr const char* kStyles[] = {"s1", "s3", "s4", "s5", "s2", "s7", "s8"};
  static_assert(std::size(kStyles) == kMemoryParts.size());
  for (size_t i = 0; i < kMemoryParts.size(); ++i) {
    const double bytes = layout.memory.*kMemoryParts[i].bytes;
    bar.parts.push_back(
        {kMemoryParts[i].name, bytes, gigabytes(bytes), kStyles[i]});
  }
  return bar;
}

std::vector<const PlannedLayout*> layouts_with_bars(const Plan& plan) {
  std::vector<const PlannedLayout*> layouts;
  for (const PlannedLayout& layout : plan.layouts) {
    if (layouts.size() < kMostBars) layouts.push_back(&layout);
  }
  if (plan.does_not_fit) layouts.push_back(&plan.does_not_fit->planned);
  return layouts;
}

std::string sensitivity_html(const Plan& plan) {
  BarChart chart;
  chart.title = "What one percent more is worth";
  chart.unit = "share of the step's time saved, the same layout";
  chart.has_legend = false;
  chart.is_wide = false;
  for (const Sensitivity& s : plan.sensitivities) {
    Bar bar;
    bar.label = s.figure + (s.is_searched ? ", searched anew" : "");
    bar.total = fmt::format("{:+.3f}%", 100 * s.step_change);
    const bool is_faster = s.step_change <= 0;
    bar.parts = {{is_faster ? "faster" : "slower", std::abs(s.step_change),
                  bar.total, is_faster ? "s1" : "s6"}};
    chart.bars.push_back(bar);
  }
  return bar_chart_html(chart);
}

// One dot a layout, over the memory that it needs.
PlotSeries dots_of(const std::string& name, const std::string& style,
                   std::vector<const PlannedLayout*> layouts) {
  std::sort(layouts.begin(), layouts.end(), [](const auto* a, const auto* b) {
    return a->memory.needed() < b->memory.needed();
  });
  PlotSeries series;
  series.name = name;
  series.style = style;
  series.has_dots = true;
  series.has_line = false;
  for (const PlannedLayout* layout : layouts) {
    series.curve.push_back(
        {layout->memory.needed() / 1e9, layout->cost.seconds});
    series.labels.push_back(layout_words(layout->layout));
  }
  return series;
}

std::vector<const PlannedLayout*> pointers(
    const std::vector<PlannedLayout>& layouts) {
  std::vector<const PlannedLayout*> result;
  for (const PlannedLayout& layout : layouts) result.push_back(&layout);
  return result;
}

std::string frontier_html(const PlanReport& report) {
  if (report.frontier.size() < 2) return "";
  LinePlot plot;
  plot.id = "frontier";
  plot.title = "Frontier of layouts";
  plot.unit = "seconds a step over GB a GPU";
  plot.x_name = "GB a GPU";
  plot.keeps_all_points = true;
  plot.series.push_back(
      dots_of("others of the table", "faint", pointers(report.plan.layouts)));
  plot.series.push_back(dots_of("frontier", "main", pointers(report.frontier)));
  plot.series.back().has_line = true;
  return plot_html(plot);
}

struct SweepCurve {
  const char* id;
  const char* title;
  const char* unit;
  double (*value)(const Plan&);
};
constexpr SweepCurve kSweepCurves[] = {
    {"tokens", "Tokens a second", "of the whole run",
     [](const Plan& plan) { return shown_layout(plan).tokens_per_second; }},
    {"mfu", "Model FLOP utilization", "% of the peak",
     [](const Plan& plan) { return 100 * shown_layout(plan).mfu; }},
    {"step", "Time of a step", "seconds",
     [](const Plan& plan) { return shown_layout(plan).cost.seconds; }},
    {"memory", "Memory", "GB a GPU",
     [](const Plan& plan) { return shown_layout(plan).memory.needed() / 1e9; }},
    {"days", "The run", "days, faults with it",
     [](const Plan& plan) {
       return plan.run ? plan.run->seconds.expected / 86400 : NAN;
     }},
};

// "GPUs"; "node.nic, Gb/s".
std::string key_words(const SweepValues& values) {
  if (values.key == "cluster.gpus") return "GPUs";
  return values.unit.empty() ? values.key : values.key + ", " + values.unit;
}

bool is_finite(const drawing::Curve& curve) {
  return std::all_of(curve.begin(), curve.end(),
                     [](const auto& point) { return std::isfinite(point.y); });
}

bool has_layout(const SweepPoint& point) {
  return point.plan && !point.plan->layouts.empty();
}

// The values that a plot can show, ascending.
std::vector<const SweepPoint*> planned_points(const Sweep& sweep) {
  std::vector<const SweepPoint*> points;
  for (const SweepPoint& point : sweep.points) {
    if (has_layout(point)) points.push_back(&point);
  }
  std::stable_sort(
      points.begin(), points.end(),
      [](const auto* a, const auto* b) { return a->number < b->number; });
  return points;
}

std::string sweep_plot_html(const Sweep& sweep, const SweepCurve& kind,
                            const std::string& id, bool is_wide) {
  LinePlot plot;
  plot.id = id + kind.id;
  plot.is_wide = is_wide;
  plot.title = kind.title;
  plot.unit = kind.unit;
  plot.x_name = key_words(sweep.values);
  plot.is_log_x = sweep.values.is_multiplied;
  plot.starts_at_zero = true;
  plot.keeps_all_points = true;
  PlotSeries series{.name = kind.title, .style = "main", .curve = {}};
  series.has_dots = true;
  const std::vector<const SweepPoint*> points = planned_points(sweep);
  for (const SweepPoint* point : points) {
    series.curve.push_back({point->number, kind.value(*point->plan)});
    series.labels.push_back(layout_words(shown_layout(*point->plan).layout));
    if (points.size() <= kMostTicks) plot.x_ticks.push_back(point->number);
  }
  if (series.curve.size() < 2 || !is_finite(series.curve)) return "";
  plot.series.push_back(std::move(series));
  return plot_html(plot);
}

bool has_run(const Sweep& sweep) {
  return std::any_of(
      sweep.points.begin(), sweep.points.end(),
      [](const SweepPoint& point) { return point.plan && point.plan->run; });
}

// A line a value that no plot shows, and why.
std::string gaps_html(const Sweep& sweep) {
  std::string html;
  for (const SweepPoint& point : sweep.points) {
    if (has_layout(point)) continue;
    const std::string why =
        !point.plan
            ? point.why_not
            : fmt::format("nothing fits, {} a GPU are missing",
                          gigabytes(point.plan->does_not_fit->missing_bytes));
    html += drawing::element("p", "hint",
                             drawing::escape_html(fmt::format(
                                 "No plan at {}: {}", point.text, why)));
  }
  return html;
}

std::string sweep_html(const Sweep& sweep, size_t index) {
  std::string plots;
  for (const SweepCurve& kind : kSweepCurves) {
    // Of five, the first has a row of its own.
    const bool is_wide = &kind == kSweepCurves && has_run(sweep);
    plots +=
        sweep_plot_html(sweep, kind, fmt::format("sweep{}-", index), is_wide);
  }
  const std::string gaps = gaps_html(sweep);
  if (plots.empty() && gaps.empty()) return "";
  return "<section>" +
         drawing::element(
             "h2", "",
             drawing::escape_html("Over " + key_words(sweep.values))) +
         "<p class=\"hint\">The best layout of each value.</p>"
         "<div class=\"charts\">" +
         plots + "</div>" + gaps + "</section>\n";
}

}  // namespace

std::string bars_html(const PlanReport& report) {
  BarChart time, memory;
  time.title = "Where the time of a step goes";
  time.unit = "the fastest layouts";
  memory.title = "Where the memory of the heaviest GPU goes";
  memory.limit = report.plan.request.cluster.cluster.device.memory_bytes;
  memory.limit_text = gigabytes(memory.limit) + " of the GPU";
  for (const PlannedLayout* layout : layouts_with_bars(report.plan)) {
    time.bars.push_back(time_bar(*layout));
    memory.bars.push_back(memory_bar(*layout));
    if (layout->fits) continue;
    time.bars.back().label += " (does not fit)";
    memory.bars.back().label += " (does not fit)";
  }
  return "<section><div class=\"charts\">" + bar_chart_html(time) +
         bar_chart_html(memory) + frontier_html(report) +
         sensitivity_html(report.plan) + "</div></section>\n";
}

std::string curves_html(const PlanReport& report) {
  std::string html;
  for (size_t i = 0; i < report.sweeps.size(); ++i) {
    html += sweep_html(report.sweeps[i], i);
  }
  return html;
}

}  // namespace colossus::planner
