#include "simulate/scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "simulate/event_queue.h"

namespace colossus::simulate {
namespace {

TEST(Scenario, HasThreeRanksAtLeast) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const Scenario s = draw_scenario(seed);
    EXPECT_GE(s.ranks + s.spares, 3);
    EXPECT_LE(s.options.num_shards, kMaxShards);
  }
}

TEST(Scenario, SomeSeedsAreCalmAndSomeViolent) {
  int64_t calmest = 0;
  int64_t most_violent = 1'000'000;
  std::set<size_t> kinds;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const Scenario s = draw_scenario(seed);
    calmest = std::max(calmest, s.fault_every_us);
    most_violent = std::min(most_violent, s.fault_every_us);
    for (size_t f = 0; f < s.enabled.size(); ++f) {
      if (s.enabled[f]) kinds.insert(f);
    }
  }
  EXPECT_GE(calmest, 100'000);
  EXPECT_LE(most_violent, 10'000);
  EXPECT_EQ(kinds.size(), static_cast<size_t>(kNumFaults));
}

TEST(EventQueue, IsByTimeAndThenInTheOrderOfAsking) {
  EventQueue queue;
  queue.push(20, EventKind::kFault, 1);
  queue.push(10, EventKind::kFault, 2);
  queue.push(20, EventKind::kFault, 3);
  EXPECT_EQ(queue.pop().a, 2);
  EXPECT_EQ(queue.pop().a, 1);
  EXPECT_EQ(queue.pop().a, 3);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace colossus::simulate
