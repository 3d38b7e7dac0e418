// T3: the attention core, from queries, keys and values to its output.
#pragma once

#include "planner/layer_cost.h"

namespace colossus::planner {

// Flash: scores = micro_batch q/t s^2 / c / 2 of the causal half; forward
// scores (4 d / rate + 1 / exponentials), backward 10 d: the exponential unit
// is no longer hidden (FlashAttention-3, arXiv 2407.08608, section 2; backward
// products 2.5x, arXiv 2307.08691, section 4). Unfused: two products over the
// whole square, and softmax_bytes for each score (Megatron-LM's fused softmax
// kernels); backward two of each product and 1.3 of the softmax.
Pass attention_core_seconds(const CostInputs& inputs);

}  // namespace colossus::planner
