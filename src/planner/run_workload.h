// A published run as the input of the planner's costs: its row's model, cluster
// and layout (run_inputs.h), and what its framework and version do
// (software.h), which also fills what the row leaves open of its layout.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "planner/published_runs.h"
#include "planner/workload.h"

namespace colossus::planner {

// Owns what its workload refers to; moves, does not copy.
struct RunWorkload {
  std::unique_ptr<Transformer> model;
  std::unique_ptr<Machine> machine;
  Workload workload;
  std::vector<std::string> filled;   // columns that the row left open
  bool memory_has_contexts = false;  // its memory figure is nvidia-smi's

  std::optional<std::string> why_not;  // it cannot be predicted, and why; the
                                       // rest is then not to be used
};

RunWorkload workload_of(const PublishedRun& run);

}  // namespace colossus::planner
