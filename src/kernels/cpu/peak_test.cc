#include "kernels/cpu/peak.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/thread_pool.h"
#include "kernels/cpu/memory_speed.h"

namespace colossus::kernels {
namespace {

// No processor of today does less than 10 MFLOP/s or more than 1 PFLOP/s: a
// count of operations or seconds that is wrong by much is seen.
TEST(FmaPeak, IsOfTheOrderOfAProcessor) {
  ThreadPool pool(2);
  const double peak = measure_fma_peak(pool, 0.005);
  EXPECT_GT(peak, 1e7);
  EXPECT_LT(peak, 1e15);
  EXPECT_GT(measure_fma_peak(1), 1e7);
}

TEST(MemorySpeed, IsOfTheOrderOfAMemory) {
  ThreadPool pool(2);
  MemorySpeed memory(pool, int64_t{8} << 20);
  for (const double speed : {memory.read(), memory.copy()}) {
    EXPECT_GT(speed, 1e6);
    EXPECT_LT(speed, 1e14);
  }
}

TEST(MemorySpeed, TakesABlockThatIsNoWholeNumberOfPieces) {
  ThreadPool pool(1);
  MemorySpeed memory(pool, (int64_t{5} << 20) + 4096);
  EXPECT_TRUE(std::isfinite(memory.read()));
  EXPECT_TRUE(std::isfinite(memory.copy()));
}

}  // namespace
}  // namespace colossus::kernels
