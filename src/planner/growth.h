// When a run ends that starts on some day, while its cluster is still being
// built: it takes in what is delivered, where that makes it faster.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "planner/hardware.h"

namespace colossus::planner {

// The time during which the run had one number of devices. Days since
// 1970-01-01, with fractions.
struct GrowthPhase {
  double first_day = 0;
  double last_day = 0;
  int64_t num_devices = 0;
  double num_tokens = 0;  // trained in it
};

struct Growth {
  bool ends = false;     // false: no number of devices that it gets can train
  double start_day = 0;  // when the first step begins
  double end_day = 0;
  double num_tokens = 0;
  double resize_days = 0;  // spent growing
  std::vector<GrowthPhase> phases;
};

// A run of `num_tokens` from the morning of `start_day` on, or of the first
// delivery, if that is later. `tokens_per_second` says what a number of devices
// trains, all losses taken off; 0 = that number cannot train. Of all that are
// in service the run has the number that trains fastest: it waits for the first
// that can train, and a delivery with which it would not be faster stands idle.
// Each growth stops it for `resize_seconds`, in which nothing is trained.
// `deliveries` ascend by day (cluster_file.h checks it).
Growth plan_growth(const std::vector<Delivery>& deliveries, int64_t start_day,
                   double num_tokens,
                   const std::function<double(int64_t)>& tokens_per_second,
                   double resize_seconds);

// A line a phase, and the date of the end.
std::string growth_text(const Growth& growth);

}  // namespace colossus::planner
