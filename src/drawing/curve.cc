// See curve.h.
#include "drawing/curve.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>

namespace colossus::drawing {
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

// `points` is not empty.
double median(Curve points) {
  const auto middle = points.begin() + (points.size() - 1) / 2;
  std::nth_element(points.begin(), middle, points.end(), is_lower);
  return middle->y;
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

Curve smoothed(const Curve& curve, size_t length) {
  constexpr size_t kMaxPoints = 500;
  Curve finite;
  std::copy_if(curve.begin(), curve.end(), std::back_inserter(finite),
               is_finite);
  const size_t count = std::min(finite.size(), kMaxPoints);
  Curve smooth;
  for (size_t n = 0; n < count; ++n) {
    const size_t i = count < 2 ? 0 : n * (finite.size() - 1) / (count - 1);
    const size_t reach = std::min(length / 2, i / 4);
    const size_t end = std::min(i + reach + 1, finite.size());
    smooth.push_back({finite[i].x, median({finite.begin() + (i - reach),
                                           finite.begin() + end})});
  }
  return smooth;
}

}  // namespace colossus::drawing
