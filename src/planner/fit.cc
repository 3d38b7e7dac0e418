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
      const CalibratedNumber& number = calibrated_numbers()[numbers[i]];
      out.push_back((x[i] - std::log(number.prior)) / number.sigma);
    }
  }
};

Calibration fit(const Problem& problem, ThreadPool& pool) {
  LeastSquares squares;
  std::vector<double> x;
  for (const size_t index : problem.numbers) {
    x.push_back(std::log(calibrated_value(problem.start, index)));
    squares.scale.push_back(calibrated_numbers()[index].sigma);
  }
  squares.residuals = [&](const std::vector<double>& at,
                          std::vector<double>& out) {
    problem.residuals(at, out);
  };
  squares.tolerance = 1e-5;
  return problem.at(minimize(squares, x, pool));
}

}  // namespace

double published_memory(const RunWorkload& run, const Calibration& c) {
  const MemoryUse use = memory_use(run.workload, c);
  return run.memory_has_contexts ? use.on_device() : use.reserved();
}

Calibration fit_step_times(const std::vector<FitRow>& rows,
                           const Calibration& start, ThreadPool& pool) {
  return fit({rows, start, numbers_fitted_to(FittedTo::kStepTime),
              weights_of(rows), predicted_seconds, kStepTimeScale},
             pool);
}

Calibration fit_memory(const std::vector<FitRow>& rows,
                       const Calibration& start, ThreadPool& pool) {
  return fit({rows, start, numbers_fitted_to(FittedTo::kMemory),
              weights_of(rows), published_memory, kMemoryScale},
             pool);
}

}  // namespace colossus::planner
