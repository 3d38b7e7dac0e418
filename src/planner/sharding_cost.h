// T14, T16: what replicas exchange: weights and gradients of FSDP, gradients
// and weights of data parallelism, and the optimizer's own work.
#pragma once

#include "planner/layer_cost.h"

namespace colossus::planner {

struct ShardingCost {
  double micro_batch_seconds = 0;  // FSDP's, each micro-batch
  double step_seconds = 0;         // FSDP's, once
  double gradient_seconds = 0;     // of data parallelism
  double optimizer_seconds = 0;
};

ShardingCost sharding_cost(const CostInputs& inputs, const LayerCost& layer,
                           double head);

}  // namespace colossus::planner
