#include "drawing/curve.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace colossus::drawing {
namespace {

Curve long_curve(size_t size) {
  Curve curve;
  for (size_t i = 0; i < size; ++i) {
    const double x = static_cast<double>(i);
    curve.push_back({x, std::sin(x / 100)});
  }
  return curve;
}

bool has_value(const Curve& curve, double y) {
  return std::any_of(curve.begin(), curve.end(),
                     [y](const CurvePoint& point) { return point.y == y; });
}

TEST(Thinned, KeepsShortCurvesAsTheyAre) {
  EXPECT_EQ(thinned(long_curve(1000), 1000).size(), 1000u);
}

TEST(Thinned, LosesNeitherSpikesNorEnds) {
  Curve curve = long_curve(100000);
  curve[54321].y = 77;
  curve[12345].y = -77;
  const Curve thin = thinned(curve, 1000);
  EXPECT_LE(thin.size(), 1000u);
  EXPECT_TRUE(has_value(thin, 77));
  EXPECT_TRUE(has_value(thin, -77));
  EXPECT_EQ(thin.front().x, 0);
  EXPECT_EQ(thin.back().x, 99999);
}

TEST(Thinned, KeepsPointsInOrder) {
  const Curve thin = thinned(long_curve(12345), 100);
  for (size_t i = 1; i < thin.size(); ++i) {
    ASSERT_LT(thin[i - 1].x, thin[i].x);
  }
}

TEST(Thinned, KeepsAGapVisible) {
  Curve curve = long_curve(10000);
  curve[5000].y = std::numeric_limits<double>::quiet_NaN();
  const Curve thin = thinned(curve, 100);
  EXPECT_TRUE(std::any_of(thin.begin(), thin.end(),
                          [](const CurvePoint& p) { return std::isnan(p.y); }));
}

TEST(Smoothed, IsNotMovedByOneSpike) {
  Curve curve(1000, CurvePoint{0, 1.0});
  for (size_t i = 0; i < curve.size(); ++i) curve[i].x = double(i);
  curve[500].y = 1e9;
  for (const CurvePoint& point : smoothed(curve, 25)) ASSERT_EQ(point.y, 1);
}

TEST(Smoothed, DoesNotLagBehindASlope) {
  Curve curve;
  for (int i = 0; i < 400; ++i) curve.push_back({double(i), 1000.0 - i});
  const Curve smooth = smoothed(curve, 21);
  EXPECT_EQ(smooth.front().y, 1000);
  for (size_t i = 0; i + 20 < smooth.size(); ++i) {
    ASSERT_NEAR(smooth[i].y, 1000 - smooth[i].x, 1e-9);
  }
}

TEST(Smoothed, PassesOverWhatIsNotFinite) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(smoothed({{1, nan}}, 10).empty());
  EXPECT_EQ(smoothed({{1, nan}, {2, 3}}, 10).size(), 1u);
}

}  // namespace
}  // namespace colossus::drawing
