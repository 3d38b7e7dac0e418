// The vocabulary of validate(): a rule is one line that prints the key, its
// value and what it must be, and throws UserError when broken.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace colossus::config {

// What the numerics and the int32 indices of the kernels can hold.
inline constexpr int64_t kMaxIndex = (int64_t{1} << 31) - 1;
inline constexpr double kMaxFloat = 3.4028234663852886e38;
inline constexpr double kMinNormalFloat = 1.1754943508222875e-38;

template <typename... Args>
void require(bool holds, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds) throw user_error(format, std::forward<Args>(args)...);
}

inline void require_range(std::string_view key, int64_t value, int64_t low,
                          int64_t high) {
  require(value >= low && value <= high, "{} = {} must be from {} to {}", key,
          value, low, high);
}

inline void require_at_least_zero(std::string_view key, double value) {
  require(value >= 0 && value <= kMaxFloat,
          "{} = {} must be a finite number, 0 or more", key, value);
}

// Positive as a float too: 1e-50 would become 0 there.
inline void require_positive(std::string_view key, double value) {
  require(value >= kMinNormalFloat && value <= kMaxFloat,
          "{} = {} must be a finite number above 0", key, value);
}

inline bool is_power_of_two(int64_t value) {
  return value > 0 && (value & (value - 1)) == 0;
}

// The product of factors >= 0, or -1 if it passes `limit`.
inline int64_t product_within(int64_t limit,
                              std::initializer_list<int64_t> factors) {
  int64_t product = 1;
  for (const int64_t factor : factors) {
    if (__builtin_mul_overflow(product, factor, &product)) return -1;
  }
  return product <= limit ? product : -1;
}

}  // namespace colossus::config
