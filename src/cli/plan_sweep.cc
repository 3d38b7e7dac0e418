#include "cli/plan_sweep.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/strings.h"
#include "cli/terminal.h"
#include "planner/frontier.h"
#include "planner/plan_json.h"
#include "planner/plan_report.h"

namespace colossus::cli {
namespace {

using planner::PlannedLayout;
using planner::Sweep;
using planner::SweepPoint;
using planner::Unit;

constexpr int kFrontierPoints = 12;

std::string compact(const planner::Layout& l) {
  return fmt::format("{}/{}x{}/{}/{}/{} zero {} micro {} {}", l.tensor,
                     l.pipeline, l.virtual_stages, l.data, l.expert, l.context,
                     l.zero_stage, l.micro_batch_size, l.recomputation);
}

void print_point(const SweepPoint& point) {
  if (!point.plan) {
    fmt::print("  {:>12}  {}\n", printable(point.text),
               printable(point.why_not));
    return;
  }
  const planner::Plan& plan = *point.plan;
  if (plan.layouts.empty()) {
    fmt::print("  {:>12}  nothing fits: {:.1f} GB a GPU are missing\n",
               printable(point.text), plan.does_not_fit->missing_bytes / 1e9);
    return;
  }
  const PlannedLayout& best = plan.layouts.front();
  fmt::print("  {:>12} {:>9.4g} {:>9} {:>6.1f}% {:>8.1f} GB", point.text,
             best.cost.seconds,
             planner::quantity_text(best.tokens_per_second, Unit::kCount),
             100 * best.mfu, best.memory.needed() / 1e9);
  if (plan.run) {
    fmt::print(
        " {:>9} {:>6.1f}%",
        planner::quantity_text(plan.run->seconds.expected, Unit::kSeconds),
        100 * plan.run->goodput.expected);
  }
  fmt::print("  {}{}\n", compact(best.layout),
             best.extrapolates.empty() ? "" : "  extrapolates");
}

bool has_run(const Sweep& sweep) {
  for (const SweepPoint& point : sweep.points) {
    if (point.plan && point.plan->run) return true;
  }
  return false;
}

// An eighth to twice the GPUs, in whole nodes.
planner::SweepValues values_around(const planner::Cluster& cluster) {
  planner::SweepValues values;
  values.key = "cluster.gpus";
  values.is_multiplied = true;
  const int64_t node = cluster.node.num_devices;
  for (const double factor : {0.125, 0.25, 0.5, 1.0, 2.0}) {
    const auto nodes =
        static_cast<int64_t>(factor * static_cast<double>(cluster.num_nodes()));
    if (nodes < 1) continue;
    values.numbers.push_back(static_cast<double>(nodes * node));
    values.texts.push_back(std::to_string(nodes * node));
  }
  return values;
}

}  // namespace

void print_sweep(const Sweep& sweep) {
  fmt::print(
      "  {:>12} {:>9} {:>9} {:>7} {:>11}{}  {}\n", sweep.values.key, "step s",
      "tokens/s", "MFU", "memory",
      has_run(sweep) ? fmt::format(" {:>9} {:>7}", "run", "goodput") : "",
      "tensor/pipeline/data/expert/context");
  for (const SweepPoint& point : sweep.points) print_point(point);
}

std::string sweep_json(const Sweep& sweep) {
  nlohmann::ordered_json points = nlohmann::ordered_json::array();
  for (const SweepPoint& point : sweep.points) {
    nlohmann::ordered_json entry;
    entry["value"] = point.text;
    if (point.plan) {
      entry["plan"] =
          nlohmann::ordered_json::parse(planner::plan_json(*point.plan));
    } else {
      entry["why_not"] = point.why_not;
    }
    points.push_back(std::move(entry));
  }
  nlohmann::ordered_json json;
  json["sweep"] = sweep.values.key;
  json["points"] = std::move(points);
  return json.dump(2) + "\n";
}

std::string plan_page(const planner::PlanFlags& flags,
                      const planner::Plan& plan, const Sweep* sweep,
                      ThreadPool& pool) {
  planner::PlanReport report;
  report.plan = plan;
  report.frontier =
      planner::layout_frontier(plan.request, kFrontierPoints, pool);
  if (sweep != nullptr) {
    report.sweeps.push_back(*sweep);
  } else {
    const planner::Cluster& cluster = plan.request.cluster.cluster;
    const SweepPoint known = {std::to_string(cluster.num_devices),
                              static_cast<double>(cluster.num_devices), plan,
                              ""};
    report.sweeps.push_back(
        planner::run_sweep(flags, values_around(cluster), pool, &known));
  }
  return planner::plan_report_html(report);
}

}  // namespace colossus::cli
