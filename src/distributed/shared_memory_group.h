// The process group of ranks on one machine: they read each other's windows in
// place. The same class serves ranks that are processes and, over private
// memory, ranks that are threads.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/pulse.h"
#include "distributed/group.h"
#include "distributed/seat.h"
#include "distributed/tree_sum.h"
#include "distributed/windows.h"

namespace colossus {
class ThreadPool;
}

namespace colossus::distributed {

struct GroupOptions {
  // Of any one wait for a peer. Not how losses are found, which is the
  // watcher's: longer than the longest step.
  double deadline_seconds = 600;
  // Looks before a wait sleeps; negative: a few thousand if every participant
  // can have a core of its own, else none.
  int spins = -1;
};

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
  void meet() override;
  int64_t commit(int64_t step) override;
  void idle(double seconds) override;

 private:
  struct Peer {
    int64_t rank;
    int slot;
  };

  void find_peers();
  void find_blocks();
  bool reached(const Peer& peer) const;
  void await(const Peer& peer) const;
  void check_in_force() const;
  // body(slice, begin, count, thread) for every piece of the slices, in pool_.
  void for_pieces(
      const std::vector<int64_t>& slices,
      const std::function<void(int64_t slice, int64_t begin, int64_t count,
                               int thread)>& body) const;

  const config::View view_;
  const Seat& seat_;
  const Windows& windows_;
  ThreadPool& pool_;
  const double deadline_seconds_;
  const int64_t num_shards_;
  const int64_t slice_count_;
  bool participates_ = false;
  int spins_ = 0;
  std::vector<Peer> peers_;  // all participants, this rank too; by rank
  std::vector<config::ShardBlock> blocks_;    // of this rank
  std::vector<const float*> block_gradient_;  // of all ranks, as tree_ takes it
  std::vector<int64_t> my_slices_;            // owned, then backed up
  std::vector<TreeSum> tree_;                 // one; none for a spare
  std::vector<std::vector<float>> scratch_;   // by thread
  uint64_t phase_;  // view number * 2^32 + phases done
};

}  // namespace colossus::distributed
