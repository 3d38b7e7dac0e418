#include "planner/plan_run.h"

#include <cmath>

#include "planner/layout_search.h"
#include "planner/transformer_counts.h"

namespace colossus::planner {
namespace {

constexpr double kCheckpointBytes = 14;  // a parameter

// Tokens a second of what is in service, faults taken off; 0: nothing fits.
double tokens_per_second(const PlanRequest& request, int64_t num_devices,
                         ThreadPool& pool) {
  PlanRequest with = request;
  Cluster& cluster = with.cluster.cluster;
  cluster.num_devices = num_devices - num_devices % cluster.node.num_devices;
  if (cluster.num_devices == 0) return 0;
  LayoutSearch search(with, pool);
  const auto found = search.best(SearchGoal::kFastestThatFit, 1);
  if (found.empty()) return 0;
  const PlannedLayout best = planned(with, found.front().layout);
  const RunForecast forecast =
      forecast_run(run_needs(with, best), cluster, failure_model_of(cluster));
  return best.tokens_per_second * forecast.goodput.expected;
}

}  // namespace

RunNeeds run_needs(const PlanRequest& request, const PlannedLayout& planned) {
  const StepPhases phases = step_phases(planned.cost);
  RunNeeds needs;
  needs.step_seconds = planned.cost.seconds;
  needs.num_steps = std::ceil(request.num_tokens / request.tokens_per_step());
  needs.num_devices = planned.num_devices;
  needs.checkpoint_bytes =
      kCheckpointBytes *
      static_cast<double>(count_parameters(request.model).total());
  needs.compute_seconds_of_step = phases.compute;
  needs.exposed_wait_seconds_of_step = phases.exposed_wait;
  needs.scattered_wait_seconds_of_step = phases.scattered_wait;
  return needs;
}

std::optional<Growth> growth_of(const PlanRequest& request, ThreadPool& pool) {
  const Cluster& cluster = request.cluster.cluster;
  if (cluster.deliveries.empty()) return std::nullopt;
  const int64_t start =
      request.start_day.value_or(cluster.deliveries.front().day);
  const Recovery& recovery = cluster.recovery;
  return plan_growth(
      cluster.deliveries, start, request.num_tokens,
      [&](int64_t num_devices) {
        return tokens_per_second(request, num_devices, pool);
      },
      recovery.restart_seconds * recovery.restart_tail);
}

}  // namespace colossus::planner
