// See curve.h.
#include "runtime/curve.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace colossus::runtime {
namespace {

bool is_finite(const CurvePoint& point) { return std::isfinite(point.y); }

bool is_lower(const CurvePoint& a, const CurvePoint& b) { return a.y < b.y; }

void keep_extremes(std::span<const CurvePoint> stretch, Curve& kept) {
  const auto gap = std::find_if_not(stretch.begin(), stretch.end(), is_finite);
  if (gap != stretch.end()) {
    keep_extremes(stretch.first(static_cast<size_t>(gap - stretch.begin())),
                  kept);
    kept.push_back(*gap);
    return;
  }
  if (stretch.empty()) return;
  auto [lowest, highest] =
      std::minmax_element(stretch.begin(), stretch.end(), is_lower);
  if (lowest > highest) std::swap(lowest, highest);
  kept.push_back(*lowest);
  if (lowest != highest) kept.push_back(*highest);
}

}  // namespace

Curve thinned(const Curve& curve, size_t max_points) {
  if (curve.size() <= max_points || max_points < 4) return curve;
  const std::span<const CurvePoint> inner(curve.data() + 1, curve.size() - 2);
  const size_t num_stretches = (max_points - 2) / 2;
  Curve kept = {curve.front()};
  for (size_t i = 0; i < num_stretches; ++i) {
    const size_t first = i * inner.size() / num_stretches;
    const size_t last = (i + 1) * inner.size() / num_stretches;
    keep_extremes(inner.subspan(first, last - first), kept);
  }
  kept.push_back(curve.back());
  return kept;
}

Curve smoothed(const Curve& curve, double length) {
  const double keep = 1 - 1 / std::max(length, 1.0);
  double sum = 0;
  double weight = 0;
  Curve smooth;
  for (const CurvePoint& point : curve) {
    if (!is_finite(point)) continue;
    sum = keep * sum + point.y;
    weight = keep * weight + 1;
    smooth.push_back({point.x, sum / weight});
  }
  return smooth;
}

}  // namespace colossus::runtime
