#include "base/exact_math.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace colossus {
namespace {

constexpr uint64_t kCount = 20000;

double uniform(uint64_t i, double low, double high) {
  return low + (high - low) * random_uniform(1, 2, i);
}

void expect_near_relative(double got, double want, double x,
                          double tolerance = 1e-14) {
  ASSERT_LE(std::abs(got - want), tolerance * std::abs(want))
      << "at " << x << ": " << got << " for " << want;
}

TEST(ExactMath, ExpAgreesWithLibm) {
  for (uint64_t i = 0; i < kCount; ++i) {
    const double x = uniform(i, -700, 700);
    expect_near_relative(exact_exp(x), std::exp(x), x);
    expect_near_relative(exact_exp(x / 1e4), std::exp(x / 1e4), x / 1e4);
  }
  EXPECT_EQ(exact_exp(0), 1);
  expect_near_relative(exact_exp(-700), std::exp(-700.0), -700);
}

TEST(ExactMath, LogAgreesWithLibm) {
  for (uint64_t i = 0; i < kCount; ++i) {
    const double x = std::exp(uniform(i, -700, 700));
    expect_near_relative(exact_log(x), std::log(x), x);
    const double near_one = uniform(i, 0.5, 2);
    expect_near_relative(exact_log(near_one), std::log(near_one), near_one);
  }
  EXPECT_EQ(exact_log(1), 0);
}

TEST(ExactMath, PowAgreesWithLibm) {
  // exp magnifies the error of its argument by the argument.
  for (uint64_t i = 0; i < kCount; ++i) {
    const double x = uniform(i, 0.1, 1e5), y = uniform(i + kCount, -3, 3);
    expect_near_relative(exact_pow(x, y), std::pow(x, y), x, 3e-14);
  }
}

TEST(ExactMath, SinAndCosAgreeWithLibm) {
  for (const double limit : {1.0, 100.0, 1e6, 1e9}) {
    for (uint64_t i = 0; i < kCount; ++i) {
      const double x = uniform(i, -limit, limit);
      ASSERT_NEAR(exact_sin(x), std::sin(x), 1e-14) << x;
      ASSERT_NEAR(exact_cos(x), std::cos(x), 1e-14) << x;
    }
  }
  EXPECT_EQ(exact_sin(0), 0);
  EXPECT_EQ(exact_cos(0), 1);
}

TEST(ExactMath, SinIsRelativelyExactNearItsZeros) {
  for (int k = 1; k < 1000; ++k) {
    const double x = k * 3.14159265358979323846;
    expect_near_relative(exact_sin(x), std::sin(x), x, 1e-12);
  }
}

TEST(ExactMath, PowersBySquaringAgreeWithLibm) {
  for (const double base : {0.9, 0.95, 0.999, 1.5}) {
    for (int64_t n = 0; n < 1000; ++n) {
      expect_near_relative(exact_power_int(base, n),
                           std::pow(base, static_cast<double>(n)), base, 1e-13);
    }
  }
  EXPECT_EQ(exact_power_int(0.9, 0), 1);
  EXPECT_EQ(exact_power_int(2, 40), std::exp2(40));
}

}  // namespace
}  // namespace colossus
