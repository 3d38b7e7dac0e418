#include "planner/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "planner/layout_remedies.h"
#include "planner/layout_search.h"
#include "planner/plan_inputs.h"
#include "planner/plan_run.h"
#include "planner/sensitivity.h"
#include "planner/transformer_counts.h"

namespace colossus::planner {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

// A layout that is faster than all that fit, or, where none fits, the one that
// misses least.
std::optional<MissingMemory> what_does_not_fit(
    const PlanRequest& request, const std::vector<FoundLayout>& fitting,
    LayoutSearch& search, ThreadPool& pool) {
  const bool none_fits = fitting.empty();
  const std::vector<FoundLayout> found = search.best(
      none_fits ? SearchGoal::kLeastMemory : SearchGoal::kFastest, 1);
  if (!none_fits && !(found.front() < fitting.front())) return std::nullopt;
  return missing_memory(request, found.front().layout, none_fits, pool);
}

void add_warnings(Plan& plan) {
  const PlanRequest& request = plan.request;
  plan.warnings = request.notes;
  if (plan.layouts.empty()) return;
  const Layout& best = plan.layouts.front().layout;
  for (const std::string& warning :
       warnings(request.model, request.cluster.cluster, best)) {
    plan.warnings.push_back(warning);
  }
}

}  // namespace

PlannedLayout planned(const PlanRequest& request, const Layout& layout) {
  const PlanWorkload plan_workload(request);
  const Workload workload = plan_workload.of(layout);
  const Machine& machine = plan_workload.machine();
  PlannedLayout result;
  result.layout = layout;
  result.num_devices = layout.num_ranks();
  result.cost = step_cost(workload, request.calibration);
  result.memory = memory_use(workload, request.calibration);
  result.fits = result.memory.needed() <= machine.memory_bytes;
  result.tokens_per_second = request.tokens_per_step() / result.cost.seconds;
  result.flops_per_device =
      training_flops_per_token(request.model, request.seq_len) *
      result.tokens_per_second / workload.num_devices();
  result.mfu = result.flops_per_device / machine.peak(request.arithmetic());
  const RunKind kind = {request.model.has_experts(),
                        machine.generation == Generation::kBlackwell,
                        layout.tensor * layout.pipeline > 1};
  result.time_interval = time_interval(kind);
  result.memory_interval = memory_interval();
  const auto parameters =
      static_cast<double>(count_parameters(request.model).total());
  result.extrapolates = extrapolation(kind, result.num_devices, parameters);
  return result;
}

const PlannedLayout& shown_layout(const Plan& plan) {
  return plan.layouts.empty() ? plan.does_not_fit->planned
                              : plan.layouts.front();
}

Plan make_plan(const PlanRequest& request, ThreadPool& pool) {
  validate(request);
  Plan plan;
  plan.request = request;
  const TransformerParameters parameters = count_parameters(request.model);
  plan.total_parameters = parameters.total();
  plan.active_parameters = parameters.active();
  const auto start = std::chrono::steady_clock::now();
  LayoutSearch search(plan.request, pool);
  if (search.num_legal() == 0) throw_no_layout(request);
  const std::vector<FoundLayout> fitting =
      search.best(SearchGoal::kFastestThatFit, request.num_layouts);
  plan.counts = {search.num_legal(), search.num_evaluated(),
                 seconds_since(start)};
  for (const FoundLayout& found : fitting) {
    plan.layouts.push_back(planned(request, found.layout));
  }
  plan.does_not_fit = what_does_not_fit(plan.request, fitting, search, pool);
  if (!plan.layouts.empty()) {
    plan.sensitivities =
        sensitivities_of(request, plan.layouts.front().layout, search);
  }
  if (!plan.layouts.empty() && request.num_tokens > 0) {
    const Cluster& cluster = request.cluster.cluster;
    plan.run = forecast_run(run_needs(request, plan.layouts.front()), cluster,
                            failure_model_of(cluster));
    plan.growth = growth_of(request, pool);
  }
  plan.inputs = inputs_of(request);
  add_warnings(plan);
  return plan;
}

}  // namespace colossus::planner
