#include "planner/checkpoint_interval.h"

#include <algorithm>
#include <cmath>

namespace colossus::planner {

double young_interval(double cost, double rate) {
  return std::sqrt(2 * cost / rate);
}

double daly_interval(double cost, double rate) {
  const double x = cost * rate / 2;
  if (x >= 1) return 1 / rate;
  return young_interval(cost, rate) * (1 + std::sqrt(x) / 3 + x / 9) - cost;
}

double exact_interval(double cost, double rate) {
  // (exp(rate (d + cost)) - 1) / d is least where, with x = rate d,
  // -ln(1 - x) - x = rate cost. The left side is convex and rises from 0, so
  // Newton's method from above falls onto the root.
  const double e = rate * cost;
  double x = std::min(std::sqrt(2 * e), -std::expm1(-1 - e));
  for (int i = 0; i < 100; ++i) {
    const double error = -std::log1p(-x) - x - e;
    const double next = x - error * (1 - x) / x;
    if (!(next < x)) break;
    x = next;
  }
  return x / rate;
}

}  // namespace colossus::planner
