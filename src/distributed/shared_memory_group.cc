#include "distributed/shared_memory_group.h"

#include <cstring>

#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/board_layout.h"

namespace colossus::distributed {

SharedMemoryGroup::SharedMemoryGroup(const config::View& view, const Seat& seat,
                                     const Windows& windows, ThreadPool& pool,
                                     const GroupOptions& options)
    : view_(view),
      seat_(seat),
      windows_(windows),
      pool_(pool),
      num_shards_(static_cast<int64_t>(view.placement.owner_S.size())),
      slice_count_(windows.layout().padded_count / num_shards_),
      phases_(view.number, participants(view), seat, options),
      participates_(config::takes_part(view.placement, seat.rank())) {
  COLOSSUS_CHECK(num_shards_ <= kMaxShards && slice_count_ * num_shards_ ==
                                                  windows.layout().padded_count,
                 "{} shards of {} floats", num_shards_,
                 windows.layout().padded_count);
  if (participates_) find_blocks();
}

std::vector<int64_t> SharedMemoryGroup::participants(const config::View& view) {
  std::vector<int64_t> ranks;
  for (const config::Member& member : view.members) {
    if (config::takes_part(view.placement, member.rank)) {
      ranks.push_back(member.rank);
    }
  }
  return ranks;
}

void SharedMemoryGroup::find_blocks() {
  std::vector<config::ShardBlock> all;
  for (const LocalPeer& peer : phases_.peers()) {
    const std::vector<config::ShardBlock> blocks =
        blocks_of(view_, peer.rank, windows_.layout());
    if (peer.rank == rank()) blocks_ = blocks;
    for (size_t i = 0; i < blocks.size(); ++i) {
      all.push_back(blocks[i]);
      block_gradient_.push_back(
          windows_.gradient(peer.slot, static_cast<int>(i)));
    }
  }
  tree_.emplace_back(all, num_shards_);
  my_slices_ = config::owned_shards(view_.placement, rank());
  for (const int64_t slice :
       config::backed_up_slices(view_.placement, rank())) {
    my_slices_.push_back(slice);
  }
  scratch_.assign(
      static_cast<size_t>(pool_.num_threads()),
      std::vector<float>(static_cast<size_t>(tree_[0].scratch_floats())));
}

float* SharedMemoryGroup::gradient(int64_t block) const {
  COLOSSUS_CHECK(block >= 0 && block < static_cast<int64_t>(blocks_.size()),
                 "block {} of {}", block, blocks_.size());
  return windows_.gradient(seat_.slot(), static_cast<int>(block));
}

float* SharedMemoryGroup::updated() const {
  return windows_.updated(seat_.slot());
}

void SharedMemoryGroup::reduce_scatter(const SlicesOut& total_S) {
  COLOSSUS_CHECK(participates_, "rank {} is a spare", rank());
  meet();
  const auto sum = [&](int64_t item, int64_t begin, int64_t count, int thread) {
    const int64_t slice = my_slices_[static_cast<size_t>(item)];
    std::vector<const float*> from = block_gradient_;
    for (const float*& gradient : from) {
      gradient += slice * slice_count_ + begin;
    }
    tree_[0].sum(from, count, total_S[static_cast<size_t>(slice)] + begin,
                 scratch_[static_cast<size_t>(thread)].data());
  };
  for_pieces(phases_, pool_, std::ssize(my_slices_), slice_count_, sum);
}

void SharedMemoryGroup::all_gather_values(Holder holder, int64_t width,
                                          double* values_SW) {
  COLOSSUS_CHECK(participates_, "rank {} is a spare", rank());
  COLOSSUS_CHECK(width > 0 && width <= kMaxValues, "width {}", width);
  // Two buffers in turn: who writes one has seen everybody end the phase in
  // between, and so be done with reading it.
  const size_t parity = phases_.next_parity();
  const auto record = [&](int64_t shard) {
    return seat_.board()
        .data()
        .values[static_cast<size_t>(shard)]
        .by_holder_and_parity[static_cast<size_t>(holder)][parity]
        .data();
  };
  const size_t bytes = static_cast<size_t>(width) * sizeof(double);
  const config::Placement& placement = view_.placement;
  const std::vector<int64_t>& host_S =
      holder == Holder::kOwner ? placement.owner_S : placement.backup_S;
  for (int64_t shard = 0; shard < num_shards_; ++shard) {
    if (host_S[static_cast<size_t>(shard)] != rank()) continue;
    std::memcpy(record(shard), values_SW + shard * width, bytes);
  }
  meet();
  for (int64_t shard = 0; shard < num_shards_; ++shard) {
    if (host_S[static_cast<size_t>(shard)] == config::kNoBackup) continue;
    std::memcpy(values_SW + shard * width, record(shard), bytes);
  }
}

void SharedMemoryGroup::all_gather(const SlicesIn& updated_S, float* full) {
  COLOSSUS_CHECK(participates_, "rank {} is a spare", rank());
  meet();
  const auto copy = [&](int64_t slice, int64_t begin, int64_t count, int) {
    const float* from = updated_S[static_cast<size_t>(slice)] + begin;
    float* to = full + slice * slice_count_ + begin;
    if (from == to) return;
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
  };
  for_pieces(phases_, pool_, num_shards_, slice_count_, copy);
}

void SharedMemoryGroup::all_gather(float* full) {
  SlicesIn updated_S(static_cast<size_t>(num_shards_));
  for (const LocalPeer& peer : phases_.peers()) {
    const float* window = windows_.updated(peer.slot);
    for (const int64_t slice :
         config::owned_shards(view_.placement, peer.rank)) {
      updated_S[static_cast<size_t>(slice)] = window + slice * slice_count_;
    }
  }
  all_gather(updated_S, full);
}

int64_t SharedMemoryGroup::commit(int64_t step) {
  COLOSSUS_CHECK(participates_, "rank {} is a spare", rank());
  const Board& board = seat_.board();
  const size_t parity = phases_.next_parity();
  // The first rank decides for all, so that all stop after the same step.
  const LocalPeer& chief = phases_.peers()[0];
  SlotData& first = board.slot_data(chief.slot);
  if (chief.rank == rank()) {
    const int64_t wish = board.wish();
    first.wish_at_commit[parity].store(wish > view_.number ? wish : 0);
  }
  meet();
  board.slot_data(seat_.slot()).committed_step.store(step);
  return first.wish_at_commit[parity].load();
}

void SharedMemoryGroup::idle(double seconds) { phases_.idle(seconds); }

void SharedMemoryGroup::meet() { phases_.meet(); }

}  // namespace colossus::distributed
