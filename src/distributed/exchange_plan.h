// Who sends what to whom in a view whose participants are on several machines,
// so that only what must move does. A pure function of the view: all ranks
// derive the same.
//
// A machine's shards are as few aligned blocks as they can be. A block's sum of
// a slice goes once to each holder of the slice on another machine; the block's
// machine has its ranks sum and send in turn. New weights go to the machines
// that hold no copy of their slice; one that backs the slice up has computed
// them itself.
#pragma once

#include <cstdint>
#include <vector>

#include "config/placement.h"

namespace colossus::distributed {

struct MachineBlock {
  config::ShardBlock block;
  int64_t machine = 0;
};

class ExchangePlan {
 public:
  // `rank` takes part in `view`: a CHECK.
  ExchangePlan(const config::View& view, int64_t rank);

  int64_t rank() const { return rank_; }
  int64_t num_shards() const;
  const config::Placement& placement() const { return placement_; }

  // Participants, by rank.
  const std::vector<config::Member>& members() const { return members_; }
  std::vector<int64_t> local_ranks() const;
  std::vector<config::Member> remote_members() const;
  bool is_local(int64_t rank) const;

  // Blocks of all machines, by machine and shard.
  const std::vector<MachineBlock>& blocks() const { return blocks_; }
  bool is_local(const MachineBlock& block) const {
    return block.machine == machine_;
  }
  // Owned, then backed up.
  const std::vector<int64_t>& my_slices() const { return my_slices_; }
  // Who sums and sends `slice` of a block.
  int64_t sender(const MachineBlock& block, int64_t slice) const;
  // The holders of a slice that are not on the machine of `block`.
  std::vector<int64_t> receivers(const MachineBlock& block,
                                 int64_t slice) const;

  // Who brings a slice's new weights into the memory of its machine: on each
  // machine but the owner's, its backup there or else one of the ranks in turn.
  int64_t bearer(int64_t machine, int64_t slice) const;
  // Slices of whose weights this rank is the bearer.
  std::vector<int64_t> borne_slices() const;
  // The bearers that are sent the weights of a slice.
  std::vector<int64_t> weight_receivers(int64_t slice) const;

 private:
  int64_t machine_of(int64_t rank) const;
  std::vector<int64_t> ranks_on(int64_t machine) const;
  std::vector<int64_t> machines() const;
  bool backs_up_on(int64_t machine, int64_t slice) const;

  const int64_t rank_;
  const config::Placement placement_;
  std::vector<config::Member> members_;
  int64_t machine_ = 0;
  std::vector<MachineBlock> blocks_;
  std::vector<int64_t> my_slices_;
};

}  // namespace colossus::distributed
