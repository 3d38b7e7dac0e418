// What changed from one plan to another, term by term: their first layouts, or,
// where nothing fits, the ones nearest to it.
#pragma once

#include <string>
#include <vector>

#include "planner/plan.h"

namespace colossus::planner {

struct Change {
  std::string name;
  std::string before, after;  // as text, with units; "" = it is not there
  // In base units, where both are figures: after - before, and that over
  // `before` (0 where `before` is).
  double difference = 0;
  double relative = 0;
};

// Only what differs.
struct PlanDiff {
  std::vector<Change> request;  // model, cluster, batch, precision, ...
  std::vector<Change> inputs;   // figures of the cluster and their grades
  std::vector<Change> calibration;
  std::vector<Change> layout;
  std::vector<Change> results;  // step time, tokens/s, MFU, memory
  std::vector<Change> time;     // terms, the largest difference first
  std::vector<Change> memory;   // terms, the same
  std::vector<Change> run;

  bool is_empty() const;
};

PlanDiff diff_plans(const Plan& before, const Plan& after);

// For people. `before` and `after` name the plans.
std::string diff_text(const PlanDiff& diff, const std::string& before,
                      const std::string& after);

}  // namespace colossus::planner
