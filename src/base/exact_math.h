// exp, log, sin, cos, pow in double from +, -, *, / alone.
//
// libm's results differ between versions and processors; whatever reaches a
// weight (initialisation, RoPE tables, schedules, bias correction) uses these,
// which give the same bits everywhere. Relative error some 1e-15: not for speed
// and not for the last digit.
#pragma once

#include <cstdint>

namespace colossus {

double exact_exp(double x);            // |x| <= 700
double exact_log(double x);            // x > 0, finite
double exact_pow(double x, double y);  // x > 0
double exact_sin(double x);            // |x| <= 1e9
double exact_cos(double x);

// base^exponent by squaring; exponent >= 0.
double exact_power_int(double base, int64_t exponent);

}  // namespace colossus
