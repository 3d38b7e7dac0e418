#include "planner/least_squares.h"

#include <gtest/gtest.h>

#include <cmath>

namespace colossus::planner {
namespace {

using Vector = std::vector<double>;

// Rosenbrock's valley: minimum at (1, 1).
LeastSquares valley() {
  LeastSquares problem;
  problem.scale = {1, 1};
  problem.max_steps = 200;
  problem.tolerance = 1e-14;
  problem.residuals = [](const Vector& x, Vector& r) {
    r = {10 * (x[1] - x[0] * x[0]), 1 - x[0]};
  };
  return problem;
}

TEST(LeastSquares, FindsTheEndOfACurvedValley) {
  ThreadPool pool(1);
  const Vector x = minimize(valley(), {-1.2, 1}, pool);
  EXPECT_NEAR(x[0], 1, 1e-4);
  EXPECT_NEAR(x[1], 1, 1e-4);
}

TEST(LeastSquares, GivesTheSameBitsWithAnyNumberOfThreads) {
  ThreadPool one(1), three(3);
  EXPECT_EQ(minimize(valley(), {-1.2, 1}, one),
            minimize(valley(), {-1.2, 1}, three));
}

// y = 2 x + 1 of five exact points.
TEST(LeastSquares, SolvesALineAtOnce) {
  LeastSquares problem;
  problem.scale = {1, 10};
  problem.residuals = [](const Vector& p, Vector& r) {
    r.clear();
    for (int x = 0; x < 5; ++x) r.push_back(p[0] * x + p[1] - (2 * x + 1));
  };
  ThreadPool pool(1);
  const Vector p = minimize(problem, {100, -50}, pool);
  EXPECT_NEAR(p[0], 2, 1e-6);
  EXPECT_NEAR(p[1], 1, 1e-6);
}

// Nothing to gain from an unknown that nothing depends on.
TEST(LeastSquares, LeavesWhatItCannotImprove) {
  LeastSquares problem;
  problem.scale = {1};
  problem.residuals = [](const Vector&, Vector& r) { r = {3}; };
  ThreadPool pool(1);
  EXPECT_EQ(minimize(problem, {5}, pool), Vector{5});
}

// Two lines through the origin, y = 2 a x at x = 1, 2 (scale 0.5) and b = 3:
// J'J of a is (0.5 2)^2 + (0.5 4)^2 = 5, of b 1.
TEST(LeastSquares, KnowsHowFarUnknownsMayBeOff) {
  LeastSquares problem;
  problem.residuals = [](const std::vector<double>& x,
                         std::vector<double>& out) {
    out = {2 * x[0] - 2, 4 * x[0] - 4, x[1] - 3};
  };
  problem.scale = {0.5, 1};
  ThreadPool pool(1);
  const std::vector<double> off = deviations(problem, {1, 3}, pool);
  EXPECT_NEAR(off[0], 1 / std::sqrt(5), 1e-6);
  EXPECT_NEAR(off[1], 1, 1e-6);
}

}  // namespace
}  // namespace colossus::planner
