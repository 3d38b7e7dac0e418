#include "planner/frontier.h"

#include <gtest/gtest.h>

#include "planner/layout_search.h"
#include "planner/plan_testing.h"

namespace colossus::planner {
namespace {

// Less memory costs time, step by step, and it begins with the plan's best.
TEST(Frontier, TradesTimeForMemory) {
  const PlanRequest request = read_plan_request(small_flags());
  ThreadPool pool(2);
  const auto frontier = layout_frontier(request, 8, pool);
  ASSERT_GE(frontier.size(), 2U);
  EXPECT_LE(frontier.size(), 8U);
  EXPECT_EQ(frontier[0].layout, plan_of(small_flags()).layouts[0].layout);
  for (size_t i = 1; i < frontier.size(); ++i) {
    EXPECT_LT(frontier[i].memory.needed(), frontier[i - 1].memory.needed());
    EXPECT_GE(frontier[i].cost.seconds, frontier[i - 1].cost.seconds);
    EXPECT_LE(frontier[i].cost.seconds, 4 * frontier[0].cost.seconds);
  }
}

TEST(Frontier, IsEmptyWhereNothingFits) {
  PlanFlags flags = small_flags();
  flags.overrides = {"gpu.memory=1 GB"};
  ThreadPool pool(2);
  EXPECT_TRUE(layout_frontier(read_plan_request(flags), 8, pool).empty());
}

}  // namespace
}  // namespace colossus::planner
