#include "planner/run_words.h"

#include <gtest/gtest.h>

namespace colossus::planner {
namespace {

TEST(RunWords, SayDollarsInOneWay) {
  EXPECT_EQ(dollars_text(3.2), "$3");
  EXPECT_EQ(dollars_text(81'234), "$81234");
  EXPECT_EQ(dollars_text(4'787'000), "$4.79M");
  EXPECT_EQ(dollars_text(999'600'000), "$1B");
  EXPECT_EQ(dollars_text(1.2e9), "$1.2B");
  EXPECT_EQ(dollars_text(1.5e12), "$1.5T");
}

TEST(RunWords, SayEnergy) {
  EXPECT_EQ(energy_text(4.73e7), "47.3 MJ");
  EXPECT_EQ(energy_text(150 * 3.6e9), "150 MWh");
}

TEST(RunWords, SayTheLargestLossFirstAndNoSmallOnes) {
  GoodputParts parts;
  parts.lost_work = 0.021;
  parts.recovery = 0.0463;
  parts.slow = 0.00004;
  EXPECT_EQ(losses_text(parts), "recovery 4.63%, work made again 2.10%");
}

}  // namespace
}  // namespace colossus::planner
