// The process group of ranks on several machines: those of one machine read
// each other's windows, as in SharedMemoryGroup; between machines go the sums
// of the machines' blocks of shards, rows of values, new weights where a
// machine holds no copy of a slice, and the word that a phase has ended
// (exchange_plan.h). Every sum is the same tree, so every bit is the same.
//
// A phase ends when all participants of all machines have ended it. If one of
// them is out of reach the view is disturbed on this machine's board and the
// connections are closed (mesh.h); with that all participants let go.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "distributed/exchange_plan.h"
#include "distributed/group.h"
#include "distributed/inbox.h"
#include "distributed/mesh.h"
#include "distributed/phases.h"
#include "distributed/seat.h"
#include "distributed/tree_sum.h"
#include "distributed/windows.h"

namespace colossus::distributed {

// Used by the rank's main thread alone. Everything given outlives it.
class MachinesGroup : public ProcessGroup {
 public:
  // This rank takes part in `view`: a CHECK; spares need no group. RunError if
  // a participant of this machine has no seat, or one of another machine does
  // not say where it listens. `network` is this rank's.
  MachinesGroup(const config::View& view, const Seat& seat,
                const Windows& windows, ThreadPool& pool, Network& network,
                const GroupOptions& options = {});
  // Says goodbye if the view is still in force; else just closes.
  ~MachinesGroup() override;

  const config::View& view() const override { return view_; }
  int64_t rank() const override { return seat_.rank(); }
  bool participates() const override { return true; }
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
  void share_weights(const SlicesIn& from_S, const SlicesOut& to_S) override;
  std::vector<int64_t> borne_slices() const override {
    return plan_.borne_slices();
  }
  void meet() override;
  int64_t commit(int64_t step) override;
  void idle(double seconds) override { phases_.idle(seconds); }

 private:
  // A rank's block on this machine.
  struct LocalBlock {
    config::ShardBlock block;
    const float* gradient;
  };
  // A machine's block as this rank sends it: of which local blocks.
  struct Outgoing {
    size_t index;  // in the plan
    std::vector<const float*> from;
    TreeSum tree;
  };

  void find_local_blocks();
  void find_outgoing();
  void find_leaves();
  void send_sums();
  const float* sum_of(const Outgoing& outgoing, int64_t slice);
  void sum_slice(const TreeSum& tree, const std::vector<const float*>& from,
                 float* total);
  void send_to(int64_t rank, FrameKind kind, int64_t a, int64_t slice,
               const float* data);
  const float* await_weights(int64_t slice);
  void await_remote(const Inbox& inbox, const std::function<bool()>& ready);
  const Inbox& inbox_of(int64_t rank) const;
  void come_to_round(FrameHeader header,
                     const std::shared_ptr<std::vector<double>>& values);
  void await_all();
  std::shared_ptr<std::vector<double>> own_rows(
      const std::vector<int64_t>& host_S, int64_t width,
      const double* values_SW) const;

  const config::View view_;
  const Seat& seat_;
  const Windows& windows_;
  ThreadPool& pool_;
  const ExchangePlan plan_;
  const int64_t num_shards_;
  const int64_t slice_count_;
  Phases phases_;  // whose peers are this machine's participants
  Round round_{0};
  Lanes lanes_;
  std::vector<std::unique_ptr<Inbox>> inboxes_;  // as the plan's remote members
  std::vector<config::ShardBlock> blocks_;       // of this rank
  std::vector<LocalBlock> local_blocks_;
  std::vector<Outgoing> outgoing_;
  std::unique_ptr<SharedMemory> outgoing_sums_;  // [outgoing, slice]
  std::vector<size_t> foreign_;                  // blocks of other machines
  std::vector<TreeSum> tree_;  // one: over local_blocks_, then foreign_
  std::vector<std::vector<float>> scratch_;  // by thread
  Mesh mesh_;  // last: its thread fills what stands before
};

}  // namespace colossus::distributed
