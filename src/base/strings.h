// Small text helpers: nearest names for "did you mean", sizes for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace colossus {

// Number of insertions, deletions, substitutions and swaps of neighbours that
// turn `a` into `b`.
int edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `word`, or "" if none is near enough to be meant.
std::string nearest_name(std::string_view word,
                         const std::vector<std::string>& candidates);

// ", did you mean 'steps'?" or "".
std::string did_you_mean(std::string_view word,
                         const std::vector<std::string>& candidates);

// 1234567 -> "1,234,567".
std::string with_thousands(int64_t value);

// 3221225472 -> "3.00 GiB"; below 1 KiB "17 B".
std::string human_bytes(uint64_t bytes);

// 3723.4 -> "1h02m", 75 -> "1m15s", 4.2 -> "4s".
std::string human_seconds(double seconds);

}  // namespace colossus
