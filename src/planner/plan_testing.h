// A small request and its plan, for tests: a dense model on 64 H100.
#pragma once

#include <string>

#include "planner/plan.h"
#include "planner/plan_flags.h"

namespace colossus::planner {

inline PlanFlags small_flags() {
  PlanFlags flags;
  flags.model = COLOSSUS_SOURCE_DIR "/configs/dense-124m.toml";
  flags.cluster = "H100-SXM:64";
  flags.batch_tokens = "524288";
  flags.seq_len = 1024;
  return flags;
}

inline Plan plan_of(const PlanFlags& flags) {
  ThreadPool pool(2);
  return make_plan(read_plan_request(flags), pool);
}

}  // namespace colossus::planner
