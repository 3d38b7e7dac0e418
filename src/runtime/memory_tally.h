// What the ranks of a run took of memory at their highest, against the plan.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "runtime/journal_event.h"
#include "runtime/run_memory.h"

namespace colossus::runtime {

// Feed it the events of a run in their order.
class MemoryTally {
 public:
  void add(const RankStarted& event) { machines_[event.rank] = event.machine; }
  void add(const MemoryUsed& event) { used_[event.rank] = event; }
  // A rank that came in its place tells of itself.
  void forget(int64_t rank) { used_.erase(rank); }

  // A line for people: the heaviest rank, and each machine with all of its
  // ranks and what they share, once. "" if no rank told. The plan is of one
  // machine: of several, what each took is not compared with it.
  std::string text(const RunMemoryPlan& plan) const;

 private:
  std::map<int64_t, int64_t> machines_;  // by rank
  std::map<int64_t, MemoryUsed> used_;   // by rank
};

}  // namespace colossus::runtime
