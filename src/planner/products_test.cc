#include "planner/products.h"

#include <gtest/gtest.h>

#include "planner/cost_test_util.h"

namespace colossus::planner {
namespace {

Rates rates_of(const PlainWorkload& plain) {
  return Rates(plain.workload, plain.calibration);
}

TEST(Products, OfWholeTilesCostTheirFlops) {
  const PlainWorkload plain;
  // 2 x 256 x 512 x 1024 = 268,435,456 FLOP at 1e12.
  EXPECT_DOUBLE_EQ(product_seconds({256, 512, 1024}, 1e12, rates_of(plain)),
                   268.435456e-6);
}

TEST(Products, PayForTilesThatAreHalfEmpty) {
  const PlainWorkload plain;
  // m = 65 takes two rows of tiles of 64, as 128 would.
  EXPECT_DOUBLE_EQ(product_seconds({65, 256, 64}, 1e12, rates_of(plain)),
                   2 * 128 * 256 * 64 / 1e12);
}

TEST(Products, PayForWavesThatAreNotFull) {
  PlainWorkload plain;
  plain.machine.num_sms = 100;
  plain.calibration.small_tile = 0;
  const Rates rates = rates_of(plain);
  // 512 x 256: at best 32 tiles of 64 x 64, one wave of 100 such tiles.
  EXPECT_DOUBLE_EQ(product_seconds({512, 256, 64}, 1e12, rates),
                   100.0 * 2 * 64 * 64 * 64 / 1e12);
  // 51 groups of it: 51 x 4 tiles of 128 x 256 in 3 waves of 100 are 300 large
  // tiles, 51 x 32 of 64 x 64 in 17 waves 1700 small ones = 212.5 large.
  EXPECT_DOUBLE_EQ(product_seconds({512, 256, 64, 51}, 1e12, rates),
                   1700.0 * 2 * 64 * 64 * 64 / 1e12);
}

TEST(Products, PayForDepthSmallTilesAndAlignment) {
  PlainWorkload plain;
  plain.calibration.tile_depth = 128;
  // k + 128 = 256: twice the time of k = 128.
  EXPECT_DOUBLE_EQ(product_seconds({128, 256, 128}, 1e12, rates_of(plain)),
                   2.0 * 128 * 256 * 256 / 1e12);
  plain.calibration.tile_depth = 0;
  plain.calibration.small_tile = 32;
  // One tile of 64 x 64: 1 + 32 (1/64 + 1/64 - 3/256) = 1.625.
  EXPECT_DOUBLE_EQ(product_seconds({64, 64, 128}, 1e12, rates_of(plain)),
                   1.625 * 2 * 64 * 64 * 128 / 1e12);
  plain.calibration.small_tile = 0;
  plain.calibration.misaligned = 1.5;
  EXPECT_DOUBLE_EQ(product_seconds({128, 256, 100}, 1e12, rates_of(plain)),
                   1.5 * 2 * 128 * 256 * 100 / 1e12);
  EXPECT_DOUBLE_EQ(product_seconds({100, 256, 128}, 1e12, rates_of(plain)),
                   2.0 * 128 * 256 * 128 / 1e12);
}

TEST(Products, AreAtLeastTheirMemoryTraffic) {
  PlainWorkload plain;
  plain.machine.memory_bandwidth = 1e9;
  // 2 bytes x (128 x 64 + 64 x 256 + 128 x 256) = 114,688 bytes.
  EXPECT_DOUBLE_EQ(product_seconds({128, 256, 64}, 1e12, rates_of(plain)),
                   114.688e-6);
}

TEST(Products, BackwardAreTwo) {
  const PlainWorkload plain;
  const Pass pass = linear_seconds({128, 768, 256}, 1e12, rates_of(plain));
  EXPECT_DOUBLE_EQ(pass.forward, 2.0 * 128 * 768 * 256 / 1e12);
  EXPECT_DOUBLE_EQ(pass.backward, 2 * pass.forward);
}

}  // namespace
}  // namespace colossus::planner
