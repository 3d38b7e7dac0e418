// log(sum(exp(x))) of a row, from its maximum and the sum of exp(x - max).
#pragma once

#include <cmath>
#include <limits>

#include "base/exact_math.h"

namespace colossus::kernels::cpu {

// In double: what is subtracted from it, or squared, is nearly as large. NaN
// where the row held something that is not finite: a run's loss shows it.
inline double log_sum_exp(float max, float sum) {
  if (!(std::isfinite(sum) && sum > 0)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return static_cast<double>(max) + exact_log(static_cast<double>(sum));
}

}  // namespace colossus::kernels::cpu
