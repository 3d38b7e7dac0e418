// The search of all legal layouts of a request, exact.
//
// Layouts with the same tensor, context, expert, micro-batch size,
// recomputation and sequence parallelism (a *family*) have the same layer on
// each rank, and the work of all micro-batches, (layers x layer + head) x
// micro-batches / stages, depends on nothing else. That is below the time of
// every member, so families are taken in the order of it, and the search ends
// where it passes the worst of the best found. Within a family, the exact cost
// of the pipeline bounds the ZeRO stages, and a stage of ceil(layers / stages)
// layers bounds memory. docs/planner.md has the proofs.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "planner/plan_workload.h"

namespace colossus::planner {

enum class SearchGoal { kFastestThatFit, kFastest, kLeastMemory };

struct FoundLayout {
  Layout layout;
  double seconds = 0;
  double needed_bytes = 0;

  // By time, then memory, then the layout's fields: the order of an answer.
  bool operator<(const FoundLayout& other) const;
};

// What tells layouts of an answer apart: all but slots and sequence
// parallelism, of which an answer has the best.
Layout without_details(Layout layout);

// A layout may leave GPUs idle, as spares: where a batch cannot be dealt out to
// all of them, it must. But more than half are in use, in whole nodes (or
// within one), and each rule of layout.h holds for a cluster of those alone.
bool uses_enough(const Cluster& cluster, const Layout& layout);
bool takes_whole_nodes(const Cluster& cluster, const Layout& layout);

// No layouts of their own, unless a rule asks for them: slots without stages, a
// ZeRO stage without replicas, sequence parallelism without tensor ranks.
class LayoutSearch {
 public:
  // Lists the families. `request` is valid and, with `pool`, must outlive the
  // search.
  LayoutSearch(const PlanRequest& request, ThreadPool& pool);

  // Layouts that keep all rules, counting those that differ in details.
  int64_t num_legal() const { return num_legal_; }
  // Of them, whose time was computed by all calls of `best`. The same for any
  // number of threads.
  int64_t num_evaluated() const { return num_evaluated_; }

  // The best `count`, best first; fewer where there are no more. The same for
  // any number of threads. With kLeastMemory ordered by memory, then time.
  std::vector<FoundLayout> best(SearchGoal goal, int64_t count);
  // The same where that many bytes of a GPU are what must be fitted.
  std::vector<FoundLayout> best(SearchGoal goal, int64_t count,
                                double capacity_bytes);

 private:
  // Layouts that share the cost of a layer; pipeline, data and the rest of
  // `layout` are not set.
  struct Family {
    Layout layout;
    double least_seconds = 0;  // below every member's
  };
  class Members;

  void list_families();
  std::vector<Family> families_of(int64_t tensor, int64_t context,
                                  int64_t& num_legal) const;
  void add_families(const Layout& layout, std::vector<Family>& families) const;
  double least_seconds(const Layout& layout) const;

  const PlanRequest& request_;
  ThreadPool& pool_;
  PlanWorkload workload_;
  std::vector<int64_t> batch_divisors_;  // ascending
  std::vector<Family> families_;         // ascending by least_seconds
  int64_t num_legal_ = 0;
  int64_t num_evaluated_ = 0;
};

}  // namespace colossus::planner
