// T2 to T11: the time of one decoder layer on one rank for one micro-batch,
// part by part. docs/planner.md has the table of formulas and sources.
#pragma once

#include "planner/collectives.h"
#include "planner/layer_shape.h"
#include "planner/products.h"

namespace colossus::planner {

// What every part is computed from.
struct CostInputs {
  CostInputs(const Workload& workload, const Calibration& calibration)
      : workload(workload),
        calibration(calibration),
        rates(workload, calibration),
        shape(workload) {}

  const Workload& workload;
  const Calibration& calibration;
  Rates rates;
  LayerShape shape;
};

struct LayerCost {
  Pass attention_products;      // T2
  Pass ffn;                     // T2, experts among it
  Pass attention_core;          // T3
  Pass memory_bound;            // T4, T5
  double weight_gradients = 0;  // T6, backward
  Pass permute;                 // T7
  Pass expert_bias;             // T7, T7b
  Pass all_to_all;              // T7
  Pass tensor_parallel;         // T8
  Pass context_parallel;        // T9
  double recompute = 0;         // T10, in the backward pass
  double host_wait = 0;         // T11

  double forward() const;
  double backward() const;  // without recompute and host_wait
  double seconds() const;
};

LayerCost layer_cost(const CostInputs& inputs);

// T12: the head's product and the loss, once for the next token and once for
// each MTP layer.
double head_seconds(const CostInputs& inputs);

}  // namespace colossus::planner
