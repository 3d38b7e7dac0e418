// Calibration from published runs: robust least squares with priors.
//
//   minimise  sum over runs  w^2 h((ln predicted - ln measured) / scale)
//           + sum over numbers ((ln value - ln prior) / sigma)^2
// with h(e) = 2 (sqrt(1 + e^2) - 1), which grows as e^2 for small errors and as
// |e| for large ones. A group of more than 25 rows counts as 25, so that large
// tables do not outvote small ones. Levenberg-Marquardt in logarithms with a
// numeric Jacobian (More 1978); the same rows give the same bits whatever the
// number of threads.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "planner/calibration.h"
#include "planner/run_workload.h"

namespace colossus::planner {

struct FitRow {
  const RunWorkload* run = nullptr;
  double measured = 0;  // seconds, or bytes
  std::string group;    // whose rows count as 25 at most
};

// Where the fit pulls each number to, and how far from there it may go: in
// the order of calibrated_numbers(). Sigma 0 keeps a number as it starts.
struct Priors {
  std::array<double, kNumCalibrated> value{};
  std::array<double, kNumCalibrated> sigma{};  // of the logarithm
};
// Those of calibration.h, from before any run was seen.
Priors published_priors();

// Numbers fitted to step times; the others keep `start`'s values.
Calibration fit_step_times(const std::vector<FitRow>& rows,
                           const Calibration& start, ThreadPool& pool,
                           const Priors& priors = published_priors());
// Those fitted to memory per GPU.
Calibration fit_memory(const std::vector<FitRow>& rows,
                       const Calibration& start, ThreadPool& pool,
                       const Priors& priors = published_priors());

// What is left of each number's sigma when `rows` have been seen, around `at`:
// 1: they say nothing of it. For numbers that are not fitted to `what`, 1.
std::array<double, kNumCalibrated> remaining_sigmas(
    FittedTo what, const std::vector<FitRow>& rows, const Calibration& at,
    const Priors& priors, ThreadPool& pool);

// The memory figure that a run's source would print, bytes.
double published_memory(const RunWorkload& run, const Calibration& calibration);

}  // namespace colossus::planner
