// Axes for people: round numbers, few of them, short labels.
#pragma once

#include <string>
#include <vector>

namespace colossus::drawing {

struct Tick {
  double value = 0;
  std::string label;
};

// Where a value stands between the ends of an axis, which are `low` < `high`.
struct Axis {
  double low = 0;
  double high = 1;
  bool is_log = false;
  std::vector<Tick> ticks;

  // 0 at `low`, 1 at `high`.
  double position(double value) const;
};

// Covers the values with at most about `max_ticks` steps of 1, 2 or 5 times a
// power of ten; both ends are ticks.
Axis round_axis(double lowest, double highest, int max_ticks);

// Exactly from `lowest` to `highest`, with round ticks inside; whole numbers.
Axis step_axis(double lowest, double highest, int max_ticks);

// Logarithmic; values must be > 0.
Axis log_axis(double lowest, double highest);

}  // namespace colossus::drawing
