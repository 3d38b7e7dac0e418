// The process group of ranks on one machine: they read each other's windows in
// place. The same class serves ranks that are processes and, over private
// memory, ranks that are threads.
#pragma once

#include <cstdint>
#include <vector>

#include "distributed/group.h"
#include "distributed/phases.h"
#include "distributed/seat.h"
#include "distributed/tree_sum.h"
#include "distributed/windows.h"

namespace colossus {
class ThreadPool;
}

namespace colossus::distributed {

// Used by the rank's main thread alone. Everything given outlives it.
class SharedMemoryGroup : public ProcessGroup {
 public:
  // All members of `view` that participate have their seats on this board:
  // else RunError, as for windows that are too few for a rank's blocks. Sums
  // and copies run in `pool`; if it has a pulse, that must be of this view.
  SharedMemoryGroup(const config::View& view, const Seat& seat,
                    const Windows& windows, ThreadPool& pool,
                    const GroupOptions& options = {});

  const config::View& view() const override { return view_; }
  int64_t rank() const override { return seat_.rank(); }
  bool participates() const override { return participates_; }
  const std::vector<config::ShardBlock>& blocks() const override {
    return blocks_;
  }
  float* gradient(int64_t block) const override;
  float* updated() const override;

  void reduce_scatter(const SlicesOut& total_S) override;
  void all_gather_values(Holder holder, int64_t width,
                         double* values_SW) override;
  void all_gather(const SlicesIn& updated_S, float* full) override;
  void all_gather(float* full) override;
  void share_weights(const SlicesIn& /*from_S*/,
                     const SlicesOut& /*to_S*/) override {}
  std::vector<int64_t> borne_slices() const override { return {}; }
  void meet() override;
  int64_t commit(int64_t step) override;
  void idle(double seconds) override;

 private:
  static std::vector<int64_t> participants(const config::View& view);
  void find_blocks();

  const config::View view_;
  const Seat& seat_;
  const Windows& windows_;
  ThreadPool& pool_;
  const int64_t num_shards_;
  const int64_t slice_count_;
  Phases phases_;  // whose peers are all participants
  const bool participates_;
  std::vector<config::ShardBlock> blocks_;    // of this rank
  std::vector<const float*> block_gradient_;  // of all ranks, as tree_ takes it
  std::vector<int64_t> my_slices_;            // owned, then backed up
  std::vector<TreeSum> tree_;                 // one; none for a spare
  std::vector<std::vector<float>> scratch_;   // by thread
};

}  // namespace colossus::distributed
