#include "distributed/tree_sum.h"

#include <gtest/gtest.h>

#include <bit>

#include "base/random.h"

namespace colossus::distributed {
namespace {

TEST(TreeSum, AddsNeighboursFirstAndLeftBeforeRight) {
  // Only ((1e8 + 1) + (-1e8 + 1)) is 0 in float: 1e8 + 1 rounds to 1e8.
  const std::vector<std::vector<float>> x = {{1e8f}, {1}, {-1e8f}, {1}};
  const TreeSum tree({{0, 1}, {1, 1}, {2, 1}, {3, 1}}, 4);
  std::vector<float> scratch(static_cast<size_t>(tree.scratch_floats()));
  float total = -1;
  tree.sum({x[0].data(), x[1].data(), x[2].data(), x[3].data()}, 1, &total,
           scratch.data());
  EXPECT_EQ(total, 0.0f);
  // In a row it would be 1.
  EXPECT_EQ(((x[0][0] + x[1][0]) + x[2][0]) + x[3][0], 1.0f);
}

TEST(TreeSum, TakesBlocksInAnyOrderAndLongerThanATile) {
  const int64_t count = 2 * TreeSum::kTile + 5;
  std::vector<std::vector<float>> x(3);
  for (size_t block = 0; block < x.size(); ++block) {
    for (int64_t i = 0; i < count; ++i) {
      x[block].push_back(static_cast<float>(
          random_normal(1, block, static_cast<uint64_t>(i))));
    }
  }
  // x[2] is of shards 0 and 1, x[0] of 2, x[1] of 3.
  const TreeSum tree({{2, 1}, {3, 1}, {0, 2}}, 4);
  std::vector<float> scratch(static_cast<size_t>(tree.scratch_floats()));
  std::vector<float> total(static_cast<size_t>(count));
  tree.sum({x[0].data(), x[1].data(), x[2].data()}, count, total.data(),
           scratch.data());
  for (size_t i = 0; i < total.size(); ++i) {
    ASSERT_EQ(total[i], x[2][i] + (x[0][i] + x[1][i])) << i;
  }
}

TEST(TreeSum, PassesASingleBlockOn) {
  const std::vector<float> x = {1, 2, 3};
  const TreeSum tree({{0, 8}}, 8);
  std::vector<float> total(3);
  tree.sum({x.data()}, 3, total.data(), nullptr);
  EXPECT_EQ(total, x);
}

TEST(TreeSumDeathTest, RefusesBlocksThatDoNotCoverAllShards) {
  EXPECT_DEATH(TreeSum({{0, 1}, {2, 2}}, 4), "blocks cover 3 of 4");
}

}  // namespace
}  // namespace colossus::distributed
