#include "planner/fit.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "planner/least_squares.h"
#include "planner/memory.h"
#include "planner/step_cost.h"

namespace colossus::planner {
namespace {

// Errors of this size in logarithms count as one.
constexpr double kStepTimeScale = 0.08;
constexpr double kMemoryScale = 0.06;
constexpr double kGroupRows = 25;

using Predict = double (*)(const RunWorkload&, const Calibration&);

double predicted_seconds(const RunWorkload& run, const Calibration& c) {
  return step_cost(run.workload, c).seconds;
}

// sign(e) sqrt(2 (sqrt(1 + e^2) - 1)): its square is 2 (sqrt(1 + e^2) - 1).
double robust(double e) {
  return std::copysign(std::sqrt(2 * (std::sqrt(1 + e * e) - 1)), e);
}

std::vector<double> weights_of(const std::vector<FitRow>& rows) {
  std::map<std::string, double> sizes;
  for (const FitRow& row : rows) ++sizes[row.group];
  std::vector<double> weights;
  for (const FitRow& row : rows) {
    weights.push_back(std::min(1.0, std::sqrt(kGroupRows / sizes[row.group])));
  }
  return weights;
}

struct Problem {
  const std::vector<FitRow>& rows;
  const Calibration& start;
  const Priors& priors;
  std::vector<size_t> numbers;
  std::vector<double> weights;
  Predict predict;
  double scale;

  Calibration at(const std::vector<double>& x) const {
    Calibration calibration = start;
    for (size_t i = 0; i < numbers.size(); ++i) {
      calibrated_value(calibration, numbers[i]) = std::exp(x[i]);
    }
    return calibration;
  }

  void residuals(const std::vector<double>& x, std::vector<double>& out) const {
    const Calibration calibration = at(x);
    out.clear();
    for (size_t i = 0; i < rows.size(); ++i) {
      const double predicted = predict(*rows[i].run, calibration);
      const double error = std::log(predicted / rows[i].measured) / scale;
      out.push_back(robust(error) * weights[i]);
    }
    for (size_t i = 0; i < numbers.size(); ++i) {
      const size_t number = numbers[i];
      out.push_back((x[i] - std::log(priors.value[number])) /
                    priors.sigma[number]);
    }
  }
};

Problem problem_of(FittedTo what, const std::vector<FitRow>& rows,
                   const Calibration& start, const Priors& priors) {
  const bool is_memory = what == FittedTo::kMemory;
  Problem problem{rows,
                  start,
                  priors,
                  {},
                  weights_of(rows),
                  is_memory ? published_memory : predicted_seconds,
                  is_memory ? kMemoryScale : kStepTimeScale};
  for (const size_t index : numbers_fitted_to(what)) {
    if (priors.sigma[index] > 0) problem.numbers.push_back(index);
  }
  return problem;
}

// `problem` must outlive the result. The unknowns' start into `x`.
LeastSquares squares_of(const Problem& problem, std::vector<double>& x) {
  LeastSquares squares;
  for (const size_t index : problem.numbers) {
    x.push_back(std::log(calibrated_value(problem.start, index)));
    squares.scale.push_back(problem.priors.sigma[index]);
  }
  squares.residuals = [&problem](const std::vector<double>& at,
                                 std::vector<double>& out) {
    problem.residuals(at, out);
  };
  squares.tolerance = 1e-5;
  return squares;
}

Calibration fit(FittedTo what, const std::vector<FitRow>& rows,
                const Calibration& start, ThreadPool& pool,
                const Priors& priors) {
  const Problem problem = problem_of(what, rows, start, priors);
  std::vector<double> x;
  const LeastSquares squares = squares_of(problem, x);
  return problem.at(minimize(squares, x, pool));
}

}  // namespace

double published_memory(const RunWorkload& run, const Calibration& c) {
  const MemoryUse use = memory_use(run.workload, c);
  return run.memory_has_contexts ? use.on_device() : use.reserved();
}

Priors published_priors() {
  Priors priors;
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    priors.value[i] = calibrated_numbers()[i].prior;
    priors.sigma[i] = calibrated_numbers()[i].sigma;
  }
  return priors;
}

Calibration fit_step_times(const std::vector<FitRow>& rows,
                           const Calibration& start, ThreadPool& pool,
                           const Priors& priors) {
  return fit(FittedTo::kStepTime, rows, start, pool, priors);
}

Calibration fit_memory(const std::vector<FitRow>& rows,
                       const Calibration& start, ThreadPool& pool,
                       const Priors& priors) {
  return fit(FittedTo::kMemory, rows, start, pool, priors);
}

std::array<double, kNumCalibrated> remaining_sigmas(
    FittedTo what, const std::vector<FitRow>& rows, const Calibration& at,
    const Priors& priors, ThreadPool& pool) {
  std::array<double, kNumCalibrated> remaining;
  remaining.fill(1);
  const Problem problem = problem_of(what, rows, at, priors);
  std::vector<double> x;
  const LeastSquares squares = squares_of(problem, x);
  const std::vector<double> left = deviations(squares, x, pool);
  for (size_t i = 0; i < left.size(); ++i) {
    remaining[problem.numbers[i]] = std::min(1.0, left[i]);
  }
  return remaining;
}

}  // namespace colossus::planner
