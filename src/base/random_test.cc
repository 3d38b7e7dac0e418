#include "base/random.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <set>

namespace colossus {
namespace {

TEST(Random, IsAFunctionOfItsArguments) {
  EXPECT_EQ(random_bits(1, 2, 3), random_bits(1, 2, 3));
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    for (uint64_t stream = 0; stream < 10; ++stream) {
      for (uint64_t index = 0; index < 100; ++index) {
        seen.insert(random_bits(seed, stream, index));
      }
    }
  }
  EXPECT_EQ(seen.size(), 10u * 10 * 100);
}

TEST(Random, EachArgumentTurnsHalfTheBits) {
  int turned[3] = {};
  for (uint64_t i = 0; i < 1000; ++i) {
    const uint64_t bits = random_bits(i, i, i);
    turned[0] += std::popcount(bits ^ random_bits(i + 1, i, i));
    turned[1] += std::popcount(bits ^ random_bits(i, i + 1, i));
    turned[2] += std::popcount(bits ^ random_bits(i, i, i + 1));
  }
  for (const int count : turned) EXPECT_NEAR(count, 32000, 1000);
}

TEST(Random, UniformFillsItsRangeEvenly) {
  int histogram[10] = {};
  for (uint64_t i = 0; i < 100000; ++i) {
    const double u = random_uniform(7, 8, i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    ++histogram[static_cast<int>(u * 10)];
  }
  for (const int count : histogram) EXPECT_NEAR(count, 10000, 500);
}

TEST(Random, NormalHasItsMoments) {
  constexpr int kCount = 200000;
  double sum = 0, squares = 0, fourth = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    const double x = random_normal(3, 4, i);
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.01);
  EXPECT_NEAR(squares / kCount, 1, 0.02);
  EXPECT_NEAR(fourth / kCount, 3, 0.1);
}

TEST(Random, NeighboursAreUncorrelated) {
  constexpr int kCount = 100000;
  double products = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    products += random_normal(3, 4, i) * random_normal(3, 4, i + 1);
  }
  EXPECT_NEAR(products / kCount, 0, 0.02);
}

TEST(Random, StreamsOfNamesDiffer) {
  std::set<uint64_t> streams;
  for (int i = 0; i < 1000; ++i) {
    streams.insert(stream_of("model.layers." + std::to_string(i)));
  }
  EXPECT_EQ(streams.size(), 1000u);
  EXPECT_EQ(stream_of("a"), stream_of("a"));
}

}  // namespace
}  // namespace colossus
