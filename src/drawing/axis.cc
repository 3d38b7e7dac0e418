// See axis.h.
#include "drawing/axis.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "drawing/html.h"

namespace colossus::drawing {
namespace {

// The smallest of 1, 2, 5 times a power of ten that is at least `size`.
double round_step(double size) {
  const double power = std::pow(10, std::floor(std::log10(size)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= size * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::string label_of(double value, double step) {
  if (std::abs(value) < step * 1e-6) return "0";
  if (std::abs(value) >= 1e5) return compact_count(value);
  if (step >= 1) return with_thousands(std::llround(value));
  if (std::abs(value) < 1e-4) return fmt::format("{:.2g}", value);
  const int decimals = static_cast<int>(std::ceil(-std::log10(step) - 1e-9));
  return fmt::format("{:.{}f}", value, std::min(decimals, 9));
}

// The whole multiples of `step` in [low, high].
std::vector<Tick> multiples(double low, double high, double step) {
  std::vector<Tick> ticks;
  const double last = std::floor(high / step + 1e-6);
  for (double n = std::ceil(low / step - 1e-6); n <= last; ++n) {
    ticks.push_back({n * step, label_of(n * step, step)});
    if (ticks.size() > 100) break;  // steps lost in the values' rounding
  }
  return ticks;
}

}  // namespace

double Axis::position(double value) const {
  if (is_log) return std::log(value / low) / std::log(high / low);
  return (value - low) / (high - low);
}

Axis round_axis(double lowest, double highest, int max_ticks) {
  if (!(highest - lowest > 1e-9 * std::abs(highest))) {
    const double room = std::max(std::abs(highest) * 0.1, 1e-6);
    lowest -= room;
    highest += room;
  }
  const double step = round_step((highest - lowest) / max_ticks);
  Axis axis;
  axis.low = std::floor(lowest / step + 1e-6) * step;
  axis.high = std::ceil(highest / step - 1e-6) * step;
  axis.ticks = multiples(axis.low, axis.high, step);
  return axis;
}

Axis step_axis(double lowest, double highest, int max_ticks) {
  Axis axis;
  axis.low = lowest;
  axis.high = std::max(highest, lowest + 1);
  const double step =
      std::max(1.0, round_step((axis.high - axis.low) / max_ticks));
  axis.ticks = multiples(axis.low, axis.high, step);
  return axis;
}

Axis log_axis(double lowest, double highest) {
  Axis axis;
  axis.is_log = true;
  axis.low = lowest / 1.1;
  axis.high = highest * 1.1;
  const double decades = std::log10(axis.high / axis.low);
  const int first = static_cast<int>(std::floor(std::log10(axis.low)));
  const int every = std::max(1, static_cast<int>(decades / 5));
  for (int power = first; std::pow(10, power) <= axis.high; power += every) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor > 1 && decades > 3) continue;
      const double value = factor * std::pow(10, power);
      if (value < axis.low || value > axis.high) continue;
      const bool is_whole = value >= 1000 && value < 1e5;
      axis.ticks.push_back({value, value >= 1e5 ? compact_count(value)
                                   : is_whole
                                       ? with_thousands(std::llround(value))
                                       : fmt::format("{:g}", value)});
    }
  }
  // Between two of these lies all of a short axis.
  if (axis.ticks.size() < 2) {
    const double step = round_step((axis.high - axis.low) / 4);
    axis.ticks = multiples(axis.low, axis.high, step);
  }
  return axis;
}

}  // namespace colossus::drawing
