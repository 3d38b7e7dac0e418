// The planner's whole answer to a request: all that its text, JSON, report and
// diff show. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "planner/error_intervals.h"
#include "planner/growth.h"
#include "planner/memory.h"
#include "planner/plan_request.h"
#include "planner/run_forecast.h"
#include "planner/sensitivity.h"
#include "planner/step_cost.h"

namespace colossus::planner {

struct PlannedLayout {
  Layout layout;
  int64_t num_devices = 0;  // its ranks; the cluster's others stand by
  StepCost cost;
  MemoryUse memory;
  bool fits = false;
  double tokens_per_second = 0;  // of the whole run
  double flops_per_device = 0;   // model FLOP/s, without recomputation
  double mfu = 0;                // of the peak in the arithmetic asked for
  ErrorInterval time_interval, memory_interval;
  // Beyond the largest published run of its kind: a sentence that names it; "".
  std::string extrapolates;
};

// A layout that needs more memory than there is.
struct MissingMemory {
  PlannedLayout planned;
  double missing_bytes = 0;
  std::string heaviest_part;  // "activations"
  double heaviest_bytes = 0;
  // The fastest layout that fits among those that differ in the fewest
  // dimensions, or, where none fits, with the fewest rules dropped.
  std::optional<PlannedLayout> nearest_fitting;
  std::vector<std::string> dropped_rules;
  std::vector<std::string> changes;  // "recomputation none -> full"
  // Where none fits on these GPUs: how many would do, by doubling; 0: none do.
  int64_t devices_that_fit = 0;
};

// What the search did. Layouts that differ in slots or sequence parallelism
// alone count each.
struct SearchCounts {
  int64_t legal = 0;      // that keep all rules
  int64_t evaluated = 0;  // the rest was out of reach by a bound
  double seconds = 0;     // of the search
};

struct Plan {
  PlanRequest request;
  int64_t total_parameters = 0, active_parameters = 0;
  SearchCounts counts;
  std::vector<PlannedLayout> layouts;  // that fit, the fastest first
  // The fastest of all, where it does not fit. Where none fits, the one that
  // misses least.
  std::optional<MissingMemory> does_not_fit;
  std::vector<Sensitivity> sensitivities;  // of the first layout
  // Of the first layout, where tokens were asked for.
  std::optional<RunForecast> run;
  std::optional<Growth> growth;  // and GPUs come by and by
  std::vector<Input> inputs;     // all that it rests on
  std::vector<std::string> warnings;
};

// The layout of which time and memory are shown: the fastest that fits, or the
// one that misses least.
const PlannedLayout& shown_layout(const Plan& plan);

// Of one layout that keeps the rules of layout.h.
PlannedLayout planned(const PlanRequest& request, const Layout& layout);

// Throws UserError: a request that cannot be; no legal layout, with the rule
// that forbids it.
Plan make_plan(const PlanRequest& request, ThreadPool& pool);

}  // namespace colossus::planner
