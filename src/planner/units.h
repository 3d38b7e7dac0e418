// Figures as people write them: "400 Gb/s", "80 GB", "989.4 TFLOP/s", "1.3 kW",
// "0.07 $/kWh", "15 min", "32M", "95%". Read strictly into doubles of one base
// unit each, and written with three significant digits.
//
// Prefixes k M G T P E are powers of 1000, Ki Mi Gi Ti Pi of 1024; B is a byte
// and b a bit, an eighth of one. Only a count takes a bare suffix: k, M, B or
// G, T, Ki, Mi, Gi ("6T" tokens).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace colossus::planner {

enum class Unit {
  kNumber,                 // no unit
  kCount,                  // a whole number: GPUs, tokens
  kShare,                  // of 1: "0.95" or "95%"; above 0, at most 1
  kBytes,                  // base: bytes
  kBytesPerSecond,         // base: bytes/s
  kFlops,                  // FLOP/s
  kWatts,                  // base: W
  kWattsPerSecond,         // base: W/s
  kJoules,                 // base: J; "kWh" too
  kSeconds,                // base: s
  kDollarsPerHour,         // base: $/h
  kDollarsPerKilowattHour  // base: $/kWh
};

// `where` ("cluster.toml:12" or "--set") and `key` open the message of the
// UserError that a wrong text gives: a unit that is missing or unknown, a
// figure that is not above zero (or, with Zero::kAllowed, below it) or that no
// machine can have.
enum class Zero { kRefused, kAllowed };
double parse_quantity(std::string_view text, Unit unit,
                      const std::string& where, const std::string& key,
                      Zero zero = Zero::kRefused);

// The same for Unit::kCount, as an integer.
int64_t parse_count(std::string_view text, const std::string& where,
                    const std::string& key);

// 5e10, kBytesPerSecond -> "50 GB/s". Reading it back gives the value to three
// digits. `value` >= 0.
std::string quantity_text(double value, Unit unit);

}  // namespace colossus::planner
