// Curves of long runs: fewer points with the same look, and a smoothed copy.
#pragma once

#include <cstddef>
#include <vector>

namespace colossus::drawing {

struct CurvePoint {
  double x = 0;
  double y = 0;
};
using Curve = std::vector<CurvePoint>;

// At most about `max_points`: of each stretch of points the lowest and the
// highest stay, so that no spike is lost; the first and the last point stay. A
// stretch with values that are not finite keeps one of them, to show the gap.
Curve thinned(const Curve& curve, size_t max_points);

// The median over `length` points around each one, for some 500 of them; over
// fewer near the start, so that it does not hide how the curve began. A median,
// so that one spike does not show as a plateau. Values that are not finite are
// passed over.
Curve smoothed(const Curve& curve, size_t length);

}  // namespace colossus::drawing
