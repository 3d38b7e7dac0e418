#include "simulate/function.h"

#include <gtest/gtest.h>

namespace colossus::simulate {
namespace {

TEST(Function, IsTheSameInWhateverOrderItIsAsked) {
  Function forwards(1, 4);
  Function backwards(1, 4);
  const uint64_t early = forwards.state(1, 2);
  const uint64_t late = forwards.state(9, 2);
  EXPECT_EQ(backwards.state(9, 2), late);
  EXPECT_EQ(backwards.state(1, 2), early);
}

TEST(Function, ASkippedSampleChangesEverySlice) {
  Function f(1, 2);
  const std::vector<uint64_t> all = {Function::gradient(f.weights_of(0), 1, 0),
                                     Function::gradient(f.weights_of(0), 1, 1)};
  const std::vector<uint64_t> without = {all[0]};
  for (int64_t slice = 0; slice < 2; ++slice) {
    const uint64_t before = f.state(0, slice);
    EXPECT_EQ(Function::update(before, Function::sum(all), 1),
              f.state(1, slice));
    EXPECT_NE(Function::update(before, Function::sum(without), 1),
              f.state(1, slice));
  }
}

TEST(Function, AGradientDependsOnWeightsStepAndShard) {
  const uint64_t gradient = Function::gradient(5, 6, 7);
  EXPECT_NE(Function::gradient(4, 6, 7), gradient);
  EXPECT_NE(Function::gradient(5, 7, 7), gradient);
  EXPECT_NE(Function::gradient(5, 6, 6), gradient);
}

}  // namespace
}  // namespace colossus::simulate
