#include "planner/least_squares.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace colossus::planner {
namespace {

using Vector = std::vector<double>;

constexpr double kDifference = 1e-4;  // of an unknown's scale
constexpr double kMaxDamping = 1e10;

double sum_of_squares(const Vector& r) {
  double sum = 0;
  for (const double value : r) sum += value * value;
  return sum;
}

// Columns of the Jacobian in scaled unknowns, each by one thread.
std::vector<Vector> jacobian(const LeastSquares& problem, const Vector& x,
                             const Vector& r, ThreadPool& pool) {
  std::vector<Vector> columns(x.size());
  pool.run(static_cast<int64_t>(x.size()), [&](int64_t piece, int) {
    const auto i = static_cast<size_t>(piece);
    Vector moved = x;
    moved[i] += kDifference * problem.scale[i];
    problem.residuals(moved, columns[i]);
    for (size_t row = 0; row < r.size(); ++row) {
      columns[i][row] = (columns[i][row] - r[row]) / kDifference;
    }
  });
  return columns;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Cholesky; false where the matrix is not positive definite. [n, n] row-major.
bool solve(Vector matrix, Vector b, size_t n, Vector& x) {
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = matrix[i * n + j];
      for (size_t k = 0; k < j; ++k) {
        sum -= matrix[i * n + k] * matrix[j * n + k];
      }
      if (i == j && !(sum > 0)) return false;
      matrix[i * n + j] = i == j ? std::sqrt(sum) : sum / matrix[j * n + j];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= matrix[i * n + k] * b[k];
    b[i] /= matrix[i * n + i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) b[i] -= matrix[k * n + i] * b[k];
    b[i] /= matrix[i * n + i];
  }
  x = b;
  return true;
}

// J'J and -J'r.
struct NormalEquations {
  NormalEquations(const std::vector<Vector>& columns, const Vector& r)
      : n(columns.size()), matrix(n * n), right(n) {
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        matrix[i * n + j] = matrix[j * n + i] = dot(columns[i], columns[j]);
      }
      right[i] = -dot(columns[i], r);
    }
  }

  bool step(double damping, Vector& x) const {
    Vector damped = matrix;
    for (size_t i = 0; i < n; ++i) damped[i * n + i] *= 1 + damping;
    return solve(damped, right, n, x);
  }

  size_t n;
  Vector matrix, right;
};

// A point, its residuals and their sum of squares.
struct Point {
  Vector x, r;
  double cost = 0;
};

Point point_at(const LeastSquares& problem, const Vector& x) {
  Point point;
  point.x = x;
  problem.residuals(x, point.r);
  point.cost = sum_of_squares(point.r);
  return point;
}

// Raises the damping until a step gains; false where none does.
bool improve(const LeastSquares& problem, const NormalEquations& equations,
             double& damping, Point& best) {
  for (; damping < kMaxDamping; damping *= 4) {
    Vector step;
    if (!equations.step(damping, step)) continue;
    Vector x = best.x;
    for (size_t i = 0; i < x.size(); ++i) x[i] += step[i] * problem.scale[i];
    Point next = point_at(problem, x);
    if (!(next.cost < best.cost)) continue;
    best = std::move(next);
    damping = std::max(damping / 8, 1e-12);
    return true;
  }
  return false;
}

}  // namespace

std::vector<double> minimize(const LeastSquares& problem, std::vector<double> x,
                             ThreadPool& pool) {
  Point best = point_at(problem, x);
  double damping = 1e-3;
  for (int step = 0; step < problem.max_steps; ++step) {
    const double before = best.cost;
    const NormalEquations equations(jacobian(problem, best.x, best.r, pool),
                                    best.r);
    if (!improve(problem, equations, damping, best)) break;
    if (before - best.cost < problem.tolerance * before) break;
  }
  return best.x;
}

std::vector<double> deviations(const LeastSquares& problem,
                               const std::vector<double>& x, ThreadPool& pool) {
  const Point point = point_at(problem, x);
  const NormalEquations equations(jacobian(problem, x, point.r, pool), point.r);
  std::vector<double> result(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    Vector unit(x.size(), 0.0), column;
    unit[i] = 1;
    const bool solved =
        solve(equations.matrix, std::move(unit), x.size(), column);
    result[i] =
        solved ? std::sqrt(column[i]) : std::numeric_limits<double>::infinity();
  }
  return result;
}

}  // namespace colossus::planner
