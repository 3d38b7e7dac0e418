// Levenberg-Marquardt (More 1978) for few unknowns: dense normal equations,
// numeric Jacobian, scaled by the unknowns' own sizes.
#pragma once

#include <functional>
#include <vector>

#include "base/thread_pool.h"

namespace colossus::planner {

struct LeastSquares {
  // Residuals at x into `out`, of a length that is always the same. Called from
  // several threads.
  std::function<void(const std::vector<double>& x, std::vector<double>& out)>
      residuals;
  std::vector<double> scale;  // the usual size of a change of each unknown
  int max_steps = 40;
  double tolerance = 1e-6;  // relative gain of a step below which it ends
};

// From `x`; never worse than there.
std::vector<double> minimize(const LeastSquares& problem, std::vector<double> x,
                             ThreadPool& pool);

// At a minimum, how far each unknown may be off, in its scale: the square roots
// of the diagonal of the inverse of J'J, for residuals whose deviation is 1.
std::vector<double> deviations(const LeastSquares& problem,
                               const std::vector<double>& x, ThreadPool& pool);

}  // namespace colossus::planner
