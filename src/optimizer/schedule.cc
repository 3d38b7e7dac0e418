#include "optimizer/schedule.h"

#include <algorithm>

#include "base/error.h"
#include "base/exact_math.h"

namespace colossus::optimizer {
namespace {

constexpr double kPi = 3.14159265358979323846;

// part / whole in [0, 1]; a whole of nothing is done.
double share(int64_t part, int64_t whole) {
  if (whole <= 0) return 1;
  return std::clamp(static_cast<double>(part) / static_cast<double>(whole), 0.0,
                    1.0);
}

}  // namespace

double learning_rate(const config::OptimizerConfig& c, int64_t steps,
                     int64_t step) {
  if (step < c.warmup_steps) {
    return c.learning_rate * share(step, c.warmup_steps);
  }
  const double range = c.learning_rate - c.min_learning_rate;
  if (c.schedule == "cosine") {
    const double p = share(step - c.warmup_steps, steps - c.warmup_steps);
    return c.min_learning_rate + range * (1 + exact_cos(kPi * p)) / 2;
  }
  if (c.schedule == "wsd") {
    const int64_t into_decay = step - (steps - c.decay_steps);
    if (into_decay <= 0) return c.learning_rate;
    return c.learning_rate - range * share(into_decay, c.decay_steps);
  }
  COLOSSUS_CHECK(c.schedule == "constant", "schedule is '{}'", c.schedule);
  return c.learning_rate;
}

}  // namespace colossus::optimizer
