// The baseline of shared/data/README.md: it knows GPU, precision and model, but
// no layout. A run's rate is the FLOPs of a token over its GPU-seconds; the
// prediction, FLOPs over the median rate of others.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "planner/published_runs.h"

namespace colossus::planner {

struct BaselineRow {
  const PublishedRun* run = nullptr;
  std::string unit;  // rows of other units predict it
};

// Seconds a step of each row, from all others of its class of GPU, precision
// and kind; nothing where there is none. Rows are timed. A row without hidden,
// layers, seq_len, global_batch_sequences or num_gpus is not predicted, and
// predicts no other.
std::vector<std::optional<double>> baseline_seconds(
    const std::vector<BaselineRow>& rows);

// "A100", "H100" (with H200), "B200" (with GB200), "B300" (with GB300).
std::string gpu_class(const PublishedRun& run);

}  // namespace colossus::planner
