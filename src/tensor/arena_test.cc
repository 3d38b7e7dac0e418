#include "tensor/arena.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace colossus::tensor {
namespace {

struct Buffers {
  float* weights;
  float* scratch_a;
  int32_t* scratch_b;
};

Buffers take_all(Arena& arena) {
  Buffers b;
  b.weights = arena.take<float>(100, "weights");
  const uint64_t mark = arena.mark();
  b.scratch_a = arena.take<float>(1000, "scratch");
  arena.rewind(mark);
  b.scratch_b = arena.take<int32_t>(10, "scratch");
  return b;
}

TEST(Arena, APlanCountsExactlyWhatIsTaken) {
  Arena plan;
  take_all(plan);
  EXPECT_EQ(plan.high_water_bytes(), 448u + 4032u);  // multiples of 64
  EXPECT_EQ(total_bytes(plan.plan()), plan.high_water_bytes());

  Arena arena(plan.high_water_bytes());
  const Buffers b = take_all(arena);
  EXPECT_EQ(arena.high_water_bytes(), plan.high_water_bytes());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b.weights) % kAlignment, 0u);
  EXPECT_EQ(static_cast<void*>(b.scratch_a), static_cast<void*>(b.scratch_b));
}

TEST(Arena, MemoryStartsAsZeros) {
  Arena arena(4096);
  const float* x = arena.take<float>(1024, "x");
  for (int i = 0; i < 1024; ++i) ASSERT_EQ(x[i], 0.0f);
}

TEST(ArenaDeathTest, TakingMoreThanPlannedIsABug) {
  Arena arena(64);
  EXPECT_DEATH(arena.take<float>(1 << 20, "too much"), "too much");
}

}  // namespace
}  // namespace colossus::tensor
