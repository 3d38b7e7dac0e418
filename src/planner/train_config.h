// A plan's best layout as the TOML that `train` reads.
#pragma once

#include <string>
#include <vector>

#include "planner/plan.h"

namespace colossus::planner {

struct TrainConfig {
  std::string toml;
  // What of the layout `train` does not do yet, a sentence each.
  std::vector<std::string> not_yet;
};

// The model's own config with the plan's sequence length, batch and, where a
// run was asked for, steps. The layout stands in it as a comment: `train` deals
// out shards to ranks by itself. Throws UserError where the model is no config
// of `train`.
TrainConfig train_config(const Plan& plan);

}  // namespace colossus::planner
