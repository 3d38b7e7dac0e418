#include "runtime/memory_tally.h"

#include <gtest/gtest.h>

namespace colossus::runtime {
namespace {

constexpr int64_t kMB = 1 << 20;

RunMemoryPlan plan() {
  RunMemoryPlan plan;
  plan.machine = {{"activations", 150 * kMB}, {"weights", 50 * kMB}};
  plan.first_rank_bytes = 100 * kMB;
  plan.other_rank_bytes = 50 * kMB;
  return plan;
}

TEST(MemoryTally, ComparesTheHeaviestRankAndTheMachineWithThePlan) {
  MemoryTally tally;
  EXPECT_EQ(tally.text(plan()), "");
  for (const int64_t rank : {0, 1}) tally.add(RankStarted{rank, 0, 9});
  tally.add(MemoryUsed{0, 90 * kMB, 20 * kMB});
  tally.add(MemoryUsed{0, 105 * kMB, 25 * kMB});  // at its end, once more
  tally.add(MemoryUsed{1, 50 * kMB, 30 * kMB});
  EXPECT_EQ(tally.text(plan()),
            "memory at the peak: rank 0 alone 105.00 MiB, +5.0% of the plan; "
            "all ranks 210.00 MiB, +5.0% of the plan");
}

TEST(MemoryTally, CountsARankThatWasLostNoMore) {
  MemoryTally tally;
  for (const int64_t rank : {0, 1, 2}) tally.add(RankStarted{rank, 0, 9});
  tally.add(MemoryUsed{0, 100 * kMB, 0});
  tally.add(MemoryUsed{1, 500 * kMB, 0});
  tally.forget(1);
  tally.add(MemoryUsed{2, 50 * kMB, 50 * kMB});
  EXPECT_EQ(tally.text(plan()),
            "memory at the peak: rank 0 alone 100.00 MiB, +0.0% of the plan; "
            "all ranks 200.00 MiB, +0.0% of the plan");
}

TEST(MemoryTally, KeepsMachinesApart) {
  MemoryTally tally;
  for (const int64_t rank : {0, 1, 2}) {
    tally.add(RankStarted{rank, rank / 2, 9});
    tally.add(MemoryUsed{rank, 50 * kMB, 25 * kMB});
  }
  EXPECT_EQ(tally.text(plan()),
            "memory at the peak: rank 0 alone 50.00 MiB; machine 0 150.00 MiB; "
            "machine 1 75.00 MiB");
}

}  // namespace
}  // namespace colossus::runtime
