#include "base/exact_math.h"

#include <bit>
#include <cmath>

#include "base/error.h"

namespace colossus {
namespace {

// 42 bits: k * kLn2High is exact for |k| < 2^11.
constexpr double kLn2High = 0x1.62e42fefa3800p-1;
constexpr double kLn2Low = 0x1.ef35793c76730p-45;
constexpr double kPi = 3.14159265358979323846;
// pi/2 in three parts of at most 33 bits: k * part is exact for |k| < 2^20.
constexpr double kHalfPi1 = 0x1.921fb544p+0;
constexpr double kHalfPi2 = 0x1.0b4611a6p-34;
constexpr double kHalfPi3 = 0x1.3198a2e037073p-69;

// Nearest integer, ties away from zero; exact for |x| < 2^52.
double nearest_integer(double x) {
  const double magnitude = x < 0 ? -x : x;
  const double whole =
      static_cast<double>(static_cast<int64_t>(magnitude + 0.5));
  return x < 0 ? -whole : whole;
}

double scale_by_power_of_two(double x, int64_t exponent) {
  // Two steps, so that results near the ends of the range come out right.
  const int64_t half = exponent / 2;
  const auto power = [](int64_t e) {
    return std::bit_cast<double>(static_cast<uint64_t>(e + 1023) << 52);
  };
  return x * power(half) * power(exponent - half);
}

// sin and cos on [-pi/4, pi/4] by their Taylor series.
double sin_small(double x) {
  const double x2 = x * x;
  double term = x, sum = 0;
  for (int n = 1; n <= 21; n += 2) {
    sum += term;
    term *= -x2 / static_cast<double>((n + 1) * (n + 2));
  }
  return sum;
}

double cos_small(double x) {
  const double x2 = x * x;
  double term = 1, sum = 0;
  for (int n = 0; n <= 20; n += 2) {
    sum += term;
    term *= -x2 / static_cast<double>((n + 1) * (n + 2));
  }
  return sum;
}

struct Reduced {
  double x;
  int quadrant;
};

Reduced reduce_angle(double x) {
  COLOSSUS_CHECK(x <= 1e9 && x >= -1e9, "angle {} is out of range", x);
  // Whole turns first: k below stays small enough for exact products.
  const double k = nearest_integer(x / (kPi / 2));
  const double k_high = nearest_integer(k / 1048576.0) * 1048576.0;
  const double k_low = k - k_high;
  double r = x;
  for (const double part : {kHalfPi1, kHalfPi2, kHalfPi3}) {
    r -= k_high * part;
    r -= k_low * part;
  }
  const auto quadrant = static_cast<int64_t>(k) & 3;
  return {r, static_cast<int>(quadrant)};
}

}  // namespace

double exact_exp(double x) {
  COLOSSUS_CHECK(x <= 700 && x >= -700, "exp of {}", x);
  const double k = nearest_integer(x / (kLn2High + kLn2Low));
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double term = 1, sum = 0;
  for (int n = 1; n <= 18; ++n) {
    sum += term;
    term *= r / n;
  }
  return scale_by_power_of_two(sum, static_cast<int64_t>(k));
}

double exact_log(double x) {
  COLOSSUS_CHECK(x > 0 && std::isfinite(x), "log of {}", x);
  auto bits = std::bit_cast<uint64_t>(x);
  int64_t exponent = static_cast<int64_t>(bits >> 52) - 1023;
  COLOSSUS_CHECK(exponent > -1023, "log of the denormal {}", x);
  bits = (bits & 0x000fffffffffffff) | 0x3ff0000000000000;
  double m = std::bit_cast<double>(bits);  // in [1, 2)
  if (m > 1.4142135623730951) {
    m /= 2;
    ++exponent;
  }
  // log m = 2 atanh(z), z = (m-1)/(m+1), |z| < 0.172.
  const double z = (m - 1) / (m + 1);
  const double z2 = z * z;
  double power = z, sum = 0;
  for (int n = 1; n <= 23; n += 2) {
    sum += power / n;
    power *= z2;
  }
  const auto e = static_cast<double>(exponent);
  return e * kLn2High + (2 * sum + e * kLn2Low);
}

double exact_pow(double x, double y) { return exact_exp(y * exact_log(x)); }

double exact_sin(double x) {
  const Reduced r = reduce_angle(x);
  switch (r.quadrant) {
    case 0:
      return sin_small(r.x);
    case 1:
      return cos_small(r.x);
    case 2:
      return -sin_small(r.x);
    default:
      return -cos_small(r.x);
  }
}

double exact_cos(double x) {
  const Reduced r = reduce_angle(x);
  switch (r.quadrant) {
    case 0:
      return cos_small(r.x);
    case 1:
      return -sin_small(r.x);
    case 2:
      return -cos_small(r.x);
    default:
      return sin_small(r.x);
  }
}

double exact_power_int(double base, int64_t exponent) {
  COLOSSUS_CHECK(exponent >= 0, "exponent is {}", exponent);
  double result = 1;
  for (double square = base; exponent > 0; exponent >>= 1, square *= square) {
    if (exponent & 1) result *= square;
  }
  return result;
}

}  // namespace colossus
