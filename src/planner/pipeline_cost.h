// T13, T15: stages of a pipeline, what they send, and where they wait. 1F1B and
// interleaved 1F1B (Narayanan et al. 2021, arXiv 2104.04473, section 2.2).
#pragma once

#include "planner/layer_cost.h"

namespace colossus::planner {

struct PipelineCost {
  double stage_seconds = 0;   // of the slowest stage, a micro-batch
  double mean_seconds = 0;    // of the mean stage
  double send_seconds = 0;    // exposed, a micro-batch
  double bubble_seconds = 0;  // a step
};

// `layer` and `head`: seconds a micro-batch, both directions.
PipelineCost pipeline_cost(const CostInputs& inputs, double layer, double head);

}  // namespace colossus::planner
