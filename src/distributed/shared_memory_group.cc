#include "distributed/shared_memory_group.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <thread>

#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/board_layout.h"
#include "distributed/futex.h"
#include "distributed/peer_lost.h"

namespace colossus::distributed {
namespace {

// Floats of one piece of work for the pool: some 20 us.
constexpr int64_t kPiece = 8 * TreeSum::kTile;
constexpr int kSpins = 2000;  // 20 to 100 us, as long as a wake takes

int spins_for(int64_t participants, const GroupOptions& options) {
  if (options.spins >= 0) return options.spins;
  return participants <= std::thread::hardware_concurrency() ? kSpins : 0;
}

}  // namespace

SharedMemoryGroup::SharedMemoryGroup(const config::View& view, const Seat& seat,
                                     const Windows& windows, ThreadPool& pool,
                                     const GroupOptions& options)
    : view_(view),
      seat_(seat),
      windows_(windows),
      pool_(pool),
      deadline_seconds_(options.deadline_seconds),
      num_shards_(static_cast<int64_t>(view.placement.owner_S.size())),
      slice_count_(windows.layout().padded_count / num_shards_),
      phase_(static_cast<uint64_t>(view.number) << 32) {
  COLOSSUS_CHECK(
      view.number > 0 && view.number < kMaxNumber &&
          num_shards_ <= kMaxShards &&
          slice_count_ * num_shards_ == windows.layout().padded_count,
      "view {} with {} shards of {} floats", view.number, num_shards_,
      windows.layout().padded_count);
  find_peers();
  if (participates_) find_blocks();
  spins_ = spins_for(static_cast<int64_t>(peers_.size()), options);
  seat_.board().slot_data(seat_.slot()).phase.store(phase_);
}

void SharedMemoryGroup::find_peers() {
  for (const config::Member& member : view_.members) {
    if (config::owned_shards(view_.placement, member.rank).empty() &&
        config::backed_up_slices(view_.placement, member.rank).empty()) {
      continue;
    }
    const int slot = seat_.board().slot_of(member.rank);
    if (slot < 0) {
      // Lost since, and its slot given to another rank.
      if (!seat_.in_force(view_.number)) {
        throw PeerLost(fmt::format("rank {} is gone", member.rank),
                       member.rank);
      }
      throw run_error("view {} names rank {}, which is not on this machine",
                      view_.number, member.rank);
    }
    peers_.push_back({member.rank, slot});
    if (member.rank == rank()) participates_ = true;
  }
}

void SharedMemoryGroup::find_blocks() {
  std::vector<config::ShardBlock> all;
  for (const Peer& peer : peers_) {
    const std::vector<config::ShardBlock> blocks = config::aligned_blocks(
        config::owned_shards(view_.placement, peer.rank), num_shards_);
    if (static_cast<int>(blocks.size()) > windows_.layout().max_blocks) {
      throw run_error(
          "rank {} hosts {} blocks of shards and has {} windows for them",
          peer.rank, blocks.size(), windows_.layout().max_blocks);
    }
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
  for_pieces(
      my_slices_, [&](int64_t slice, int64_t begin, int64_t count, int thread) {
        const int64_t offset = slice * slice_count_ + begin;
        std::vector<const float*> from = block_gradient_;
        for (const float*& gradient : from) gradient += offset;
        tree_[0].sum(from, count, total_S[static_cast<size_t>(slice)] + begin,
                     scratch_[static_cast<size_t>(thread)].data());
      });
}

void SharedMemoryGroup::all_gather_values(Holder holder, int64_t width,
                                          double* values_SW) {
  COLOSSUS_CHECK(participates_, "rank {} is a spare", rank());
  COLOSSUS_CHECK(width > 0 && width <= kMaxValues, "width {}", width);
  // Two buffers in turn: who writes one has seen everybody end the phase in
  // between, and so be done with reading it.
  const size_t parity = (phase_ + 1) % 2;
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
  std::vector<int64_t> slices(static_cast<size_t>(num_shards_));
  std::iota(slices.begin(), slices.end(), 0);
  for_pieces(slices, [&](int64_t slice, int64_t begin, int64_t count, int) {
    const float* from = updated_S[static_cast<size_t>(slice)] + begin;
    float* to = full + slice * slice_count_ + begin;
    if (from == to) return;
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
  });
}

void SharedMemoryGroup::all_gather(float* full) {
  SlicesIn updated_S(static_cast<size_t>(num_shards_));
  for (const Peer& peer : peers_) {
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
  const size_t parity = (phase_ + 1) % 2;
  // The first rank decides for all, so that all stop after the same step.
  SlotData& first = board.slot_data(peers_[0].slot);
  if (peers_[0].rank == rank()) {
    const int64_t wish = board.wish();
    first.wish_at_commit[parity].store(wish > view_.number ? wish : 0);
  }
  meet();
  board.slot_data(seat_.slot()).committed_step.store(step);
  return first.wish_at_commit[parity].load();
}

void SharedMemoryGroup::idle(double seconds) {
  const Board& board = seat_.board();
  seat_.wait(-1, 0, seconds, [&] {
    check_in_force();
    const Posted now = board.posted();
    return now.view.number != view_.number || now.kind != PostedKind::kBegin;
  });
}

// Ends a phase.
void SharedMemoryGroup::meet() {
  check_in_force();
  const Board& board = seat_.board();
  ++phase_;
  board.slot_data(seat_.slot()).phase.store(phase_);
  for (const Peer& peer : peers_) {
    SlotData& data = board.slot_data(peer.slot);
    if (data.awaited.load() == seat_.slot()) ring(data.doorbell);
  }
  for (const Peer& peer : peers_) await(peer);
}

bool SharedMemoryGroup::reached(const Peer& peer) const {
  check_in_force();
  const uint64_t phase = seat_.board().slot_data(peer.slot).phase.load();
  return phase >> 32 == phase_ >> 32 && phase >= phase_;
}

void SharedMemoryGroup::await(const Peer& peer) const {
  const auto ready = [&] { return reached(peer); };
  if (seat_.wait(peer.slot, spins_, deadline_seconds_, ready)) return;
  throw PeerLost(
      fmt::format("rank {} did not come within {:.1f} s to where rank {} waits",
                  peer.rank, deadline_seconds_, rank()),
      peer.rank);
}

void SharedMemoryGroup::check_in_force() const {
  if (seat_.in_force(view_.number)) return;
  throw PeerLost(fmt::format("view {} is over", view_.number),
                 PeerLost::kNobody);
}

void SharedMemoryGroup::for_pieces(
    const std::vector<int64_t>& slices,
    const std::function<void(int64_t, int64_t, int64_t, int)>& body) const {
  const int64_t pieces = (slice_count_ + kPiece - 1) / kPiece;
  const auto num_slices = static_cast<int64_t>(slices.size());
  try {
    pool_.run(pieces * num_slices, [&](int64_t piece, int thread) {
      const int64_t begin = piece % pieces * kPiece;
      body(slices[static_cast<size_t>(piece / pieces)], begin,
           std::min(kPiece, slice_count_ - begin), thread);
    });
  } catch (const Interrupted&) {
    check_in_force();
    throw;
  }
}

}  // namespace colossus::distributed
