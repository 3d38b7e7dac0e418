// The learning rate of a step: linear warm-up, then constant, cosine, or
// warm-up-stable-decay (wsd). A pure function of the config and the step.
#pragma once

#include <cstdint>

#include "config/config.h"

namespace colossus::optimizer {

// `step` counts from 1; `steps` is the length of the run. With p the share of
// the way from the end of the warm-up to the end of the run:
//   warm-up   peak * step / warmup_steps
//   cosine    min + (peak - min) (1 + cos(pi p)) / 2
//   wsd       peak, and over the last decay_steps a straight line to min
double learning_rate(const config::OptimizerConfig& config, int64_t steps,
                     int64_t step);

}  // namespace colossus::optimizer
