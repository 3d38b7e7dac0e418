// The vector functions against libm in double, over the whole range of floats,
// and their bits with every instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/math_test.cc"
#include "hwy/foreach_target.h"
// clang-format keeps the order: the target loop comes first.
#include "hwy/highway.h"
#include "kernels/cpu/math-inl.h"
#include "kernels/cpu/vec16-inl.h"

#ifndef COLOSSUS_KERNELS_CPU_MATH_TEST_CC_
#define COLOSSUS_KERNELS_CPU_MATH_TEST_CC_
namespace colossus::kernels::cpu {
enum class Function { kExp, kExp2, kLog, kTanh, kGelu, kGeluGrad, kBothGrad };
}  // namespace colossus::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

V16 apply16(Function function, const V16& x) {
  V16 grad;
  switch (function) {
    case Function::kExp:
      return exp16(x);
    case Function::kExp2:
      return exp2_bounded16(x);
    case Function::kLog:
      return log16(x);
    case Function::kTanh:
      return tanh16(x);
    case Function::kGelu:
      return gelu16(x);
    case Function::kGeluGrad:
      return gelu_grad16(x);
    case Function::kBothGrad:
      return add(gelu_and_grad16(x, &grad), grad);
  }
  return x;
}

// size is a multiple of 16.
void apply(Function function, const float* x, float* y, int64_t size) {
  for (int64_t i = 0; i < size; i += kVec) {
    store16(apply16(function, load16(x + i)), y + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/thread_pool.h"
#include "gtest/gtest.h"

namespace colossus::kernels::cpu {
namespace {
HWY_EXPORT(apply);

std::vector<float> values_of(Function function, const std::vector<float>& x) {
  flush_denormals_in_this_thread();
  std::vector<float> y(x.size());
  HWY_DYNAMIC_DISPATCH(apply)
  (function, x.data(), y.data(), static_cast<int64_t>(x.size()));
  return y;
}

float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLeast = std::numeric_limits<float>::min();

// Floats of both signs, evenly over their bit patterns: a fixed step, and
// a million within [low, high].
std::vector<float> floats_between(float low, float high) {
  std::vector<float> x;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 4093) {
    const float v = float_of(static_cast<uint32_t>(bits));
    if (v >= low && v <= high && (v == 0 || std::abs(v) >= kLeast)) {
      x.push_back(v);
    }
  }
  for (int i = 0; i < (1 << 20); ++i) {
    x.push_back(low + (high - low) * (static_cast<float>(i) / (1 << 20)));
  }
  while (x.size() % 16 != 0) x.push_back(x.back());
  return x;
}

// The largest error in units of `scale(exact)`.
template <typename Exact>
double worst(Function function, float low, float high, Exact exact,
             double absolute = 0) {
  const std::vector<float> x = floats_between(low, high);
  const std::vector<float> y = values_of(function, x);
  double most = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = exact(static_cast<double>(x[i]));
    if (std::abs(want) < kLeast) {
      EXPECT_LE(std::abs(y[i]), 1e-31) << x[i];
      continue;
    }
    const double error =
        std::abs(y[i] - want) / (std::abs(want) + absolute) / 0x1p-23;
    if (!(error <= most)) {
      most = error;
      if (!(error < 8)) ADD_FAILURE() << x[i] << " gives " << y[i];
    }
  }
  return most;
}

TEST(VectorMath, ExpIsWithinAnUlp) {
  EXPECT_LT(worst(Function::kExp, -87.3f, 88.7228f,
                  [](double x) { return std::exp(x); }),
            1.0);
}

TEST(VectorMath, Exp2IsWithinAnUlp) {
  EXPECT_LT(worst(Function::kExp2, -126.0f, 127.0f,
                  [](double x) { return std::exp2(x); }),
            1.0);
}

TEST(VectorMath, LogIsWithinTwoUlp) {
  EXPECT_LT(worst(Function::kLog, kLeast, 3.4e38f,
                  [](double x) { return std::log(x); }),
            2.0);
  EXPECT_LT(
      worst(Function::kLog, 0.5f, 2.0f, [](double x) { return std::log(x); }),
      2.0);
}

TEST(VectorMath, TanhIsWithinAFewUlpDownToTheLeastFloat) {
  EXPECT_LT(worst(Function::kTanh, -12.0f, 12.0f,
                  [](double x) { return std::tanh(x); }),
            3.0);
  EXPECT_LT(worst(Function::kTanh, -0.01f, 0.01f,
                  [](double x) { return std::tanh(x); }),
            2.0);
}

TEST(VectorMath, TanhNeverPassesOne) {
  for (float y : values_of(Function::kTanh, floats_between(-20.0f, 20.0f))) {
    ASSERT_LE(std::abs(y), 1.0f);
  }
}

double gelu(double x) {
  const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
  return x / (1 + std::exp(-2 * u));
}
double gelu_grad(double x) {
  const double c = std::sqrt(2 / M_PI);
  const double s = 1 / (1 + std::exp(-2 * c * (x + 0.044715 * x * x * x)));
  const double s1 = 1 / (1 + std::exp(2 * c * (x + 0.044715 * x * x * x)));
  return s + x * s * s1 * 2 * c * (1 + 3 * 0.044715 * x * x);
}

TEST(VectorMath, GeluIsAccurate) {
  EXPECT_LT(worst(Function::kGelu, -3.0f, 100.0f, gelu), 8.0);
  EXPECT_LT(worst(Function::kGelu, -20.0f, 20.0f, gelu, 1e-3), 8.0);
}

TEST(VectorMath, GeluGradIsAccurate) {
  EXPECT_LT(worst(Function::kGeluGrad, -20.0f, 20.0f, gelu_grad, 0.1), 8.0);
}

TEST(VectorMath, ReferenceGeluGradIsTheSlopeOfGelu) {
  for (double x = -6; x < 6; x += 0.37) {
    EXPECT_NEAR(gelu_grad(x), (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5, 1e-8);
  }
}

float value_of(Function function, float x) {
  return values_of(function, std::vector<float>(16, x))[7];
}

TEST(VectorMath, ExpAtTheEdges) {
  EXPECT_EQ(value_of(Function::kExp, kInfinity), kInfinity);
  EXPECT_EQ(value_of(Function::kExp, 88.8f), kInfinity);
  EXPECT_EQ(value_of(Function::kExp, 3e38f), kInfinity);
  EXPECT_EQ(value_of(Function::kExp, -88.0f), 0.0f);
  EXPECT_EQ(value_of(Function::kExp, -3e38f), 0.0f);
  EXPECT_EQ(value_of(Function::kExp, -kInfinity), 0.0f);
  EXPECT_EQ(value_of(Function::kExp, 0.0f), 1.0f);
  EXPECT_EQ(value_of(Function::kExp2, -kInfinity), 0.0f);
}

TEST(VectorMath, LogAtTheEdges) {
  EXPECT_EQ(value_of(Function::kLog, 0.0f), -kInfinity);
  EXPECT_EQ(value_of(Function::kLog, kInfinity), kInfinity);
  EXPECT_EQ(value_of(Function::kLog, 1.0f), 0.0f);
  EXPECT_TRUE(std::isnan(value_of(Function::kLog, -1.0f)));
}

TEST(VectorMath, TanhAndGeluSaturate) {
  EXPECT_EQ(value_of(Function::kTanh, 9.0f), 1.0f);
  EXPECT_EQ(value_of(Function::kTanh, -kInfinity), -1.0f);
  EXPECT_EQ(value_of(Function::kGelu, 50.0f), 50.0f);
  EXPECT_EQ(value_of(Function::kGeluGrad, 1e30f), 1.0f);
  EXPECT_EQ(value_of(Function::kGelu, 0.0f), 0.0f);
}

TEST(VectorMath, NanStaysNan) {
  for (Function f : {Function::kExp, Function::kExp2, Function::kLog,
                     Function::kTanh, Function::kGelu, Function::kGeluGrad}) {
    EXPECT_TRUE(std::isnan(value_of(f, kNan))) << static_cast<int>(f);
  }
}

TEST(VectorMath, GeluWithItsGradHasTheBitsOfEach) {
  const std::vector<float> x = floats_between(-30.0f, 30.0f);
  const std::vector<float> both = values_of(Function::kBothGrad, x);
  const std::vector<float> y = values_of(Function::kGelu, x);
  const std::vector<float> grad = values_of(Function::kGeluGrad, x);
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(both[i], y[i] + grad[i]);
}

TEST(VectorMath, EveryTargetWithFmaGivesTheSameBits) {
  const int64_t all = hwy::SupportedTargets();
  if ((all & HWY_AVX3) == 0 || (all & HWY_AVX2) == 0) GTEST_SKIP();
  std::vector<float> x = floats_between(-kInfinity, kInfinity);
  for (float v : floats_between(-40.0f, 40.0f)) x.push_back(v);
  for (Function f :
       {Function::kExp, Function::kExp2, Function::kLog, Function::kTanh,
        Function::kGelu, Function::kGeluGrad, Function::kBothGrad}) {
    hwy::SetSupportedTargetsForTest(HWY_AVX3);
    const std::vector<float> wide = values_of(f, x);
    hwy::SetSupportedTargetsForTest(HWY_AVX2);
    const std::vector<float> narrow = values_of(f, x);
    hwy::SetSupportedTargetsForTest(0);
    EXPECT_EQ(std::memcmp(wide.data(), narrow.data(), wide.size() * 4), 0)
        << static_cast<int>(f);
  }
}

}  // namespace
}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
