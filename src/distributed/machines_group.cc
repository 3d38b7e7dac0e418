#include "distributed/machines_group.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/board_layout.h"
#include "distributed/peer_lost.h"

namespace colossus::distributed {
namespace {

std::vector<std::unique_ptr<Inbox>> make_inboxes(const ExchangePlan& plan,
                                                 int64_t view, Lanes& lanes,
                                                 const Round& round) {
  std::vector<std::unique_ptr<Inbox>> inboxes;
  for (const config::Member& member : plan.remote_members()) {
    inboxes.push_back(
        std::make_unique<Inbox>(plan, view, member.rank, lanes, round));
  }
  return inboxes;
}

bool contains(const config::ShardBlock& outer,
              const config::ShardBlock& inner) {
  return inner.first >= outer.first &&
         inner.first + inner.count <= outer.first + outer.count;
}

}  // namespace

MachinesGroup::MachinesGroup(const config::View& view, const Seat& seat,
                             const Windows& windows, ThreadPool& pool,
                             Network& network, const GroupOptions& options)
    : view_(view),
      seat_(seat),
      windows_(windows),
      pool_(pool),
      plan_(view, seat.rank()),
      num_shards_(plan_.num_shards()),
      slice_count_(windows.layout().padded_count / num_shards_),
      phases_(view.number, plan_.local_ranks(), seat, options),
      lanes_(plan_, slice_count_),
      inboxes_(make_inboxes(plan_, view.number, lanes_, round_)),
      mesh_(network, seat, view.number, plan_.remote_members(), inboxes_) {
  COLOSSUS_CHECK(num_shards_ <= kMaxShards && slice_count_ * num_shards_ ==
                                                  windows.layout().padded_count,
                 "{} shards of {} floats", num_shards_,
                 windows.layout().padded_count);
  find_local_blocks();
  find_outgoing();
  find_leaves();
}

MachinesGroup::~MachinesGroup() {
  if (seat_.in_force(view_.number)) mesh_.leave();
}

void MachinesGroup::find_local_blocks() {
  for (const LocalPeer& peer : phases_.peers()) {
    const std::vector<config::ShardBlock> blocks =
        blocks_of(view_, peer.rank, windows_.layout());
    if (peer.rank == rank()) blocks_ = blocks;
    for (size_t i = 0; i < blocks.size(); ++i) {
      local_blocks_.push_back(
          {blocks[i], windows_.gradient(peer.slot, static_cast<int>(i))});
    }
  }
}

void MachinesGroup::find_outgoing() {
  for (size_t i = 0; i < plan_.blocks().size(); ++i) {
    const MachineBlock& block = plan_.blocks()[i];
    if (!plan_.is_local(block)) continue;
    std::vector<config::ShardBlock> parts;
    std::vector<const float*> from;
    for (const LocalBlock& local : local_blocks_) {
      if (!contains(block.block, local.block)) continue;
      parts.push_back(local.block);
      from.push_back(local.gradient);
    }
    outgoing_.push_back({i, from, TreeSum(parts, block.block)});
  }
  const size_t floats =
      outgoing_.size() * static_cast<size_t>(windows_.layout().padded_count);
  if (floats == 0) return;
  outgoing_sums_ = std::make_unique<SharedMemory>(
      SharedMemory::make_private(floats * sizeof(float)));
}

void MachinesGroup::find_leaves() {
  std::vector<config::ShardBlock> leaves;
  for (const LocalBlock& local : local_blocks_) leaves.push_back(local.block);
  for (size_t i = 0; i < plan_.blocks().size(); ++i) {
    if (plan_.is_local(plan_.blocks()[i])) continue;
    leaves.push_back(plan_.blocks()[i].block);
    foreign_.push_back(i);
  }
  tree_.emplace_back(leaves, num_shards_);
  int64_t scratch = tree_[0].scratch_floats();
  for (const Outgoing& outgoing : outgoing_) {
    scratch = std::max(scratch, outgoing.tree.scratch_floats());
  }
  scratch_.assign(static_cast<size_t>(pool_.num_threads()),
                  std::vector<float>(static_cast<size_t>(scratch)));
}

float* MachinesGroup::gradient(int64_t block) const {
  COLOSSUS_CHECK(block >= 0 && block < std::ssize(blocks_), "block {} of {}",
                 block, blocks_.size());
  return windows_.gradient(seat_.slot(), static_cast<int>(block));
}

float* MachinesGroup::updated() const { return windows_.updated(seat_.slot()); }

void MachinesGroup::reduce_scatter(const SlicesOut& total_S) {
  phases_.meet();
  send_sums();
  for (const int64_t slice : plan_.my_slices()) {
    std::vector<const float*> from;
    for (const LocalBlock& local : local_blocks_) {
      from.push_back(local.gradient + slice * slice_count_);
    }
    for (const size_t block : foreign_) {
      await_remote(inbox_of(plan_.sender(plan_.blocks()[block], slice)), [&] {
        return lanes_.has_gradient(block, slice, round_.load());
      });
      from.push_back(lanes_.gradient(block, slice));
    }
    sum_slice(tree_[0], from, total_S[static_cast<size_t>(slice)]);
  }
}

// Each sum is on its way while the next one is made.
void MachinesGroup::send_sums() {
  for (const Outgoing& outgoing : outgoing_) {
    const MachineBlock& block = plan_.blocks()[outgoing.index];
    for (int64_t slice = 0; slice < num_shards_; ++slice) {
      if (plan_.sender(block, slice) != rank()) continue;
      const std::vector<int64_t> receivers = plan_.receivers(block, slice);
      if (receivers.empty()) continue;
      const float* sum = sum_of(outgoing, slice);
      for (const int64_t receiver : receivers) {
        send_to(receiver, FrameKind::kGradient,
                static_cast<int64_t>(outgoing.index), slice, sum);
      }
    }
  }
}

// Where it lies already, if the block is one rank's.
const float* MachinesGroup::sum_of(const Outgoing& outgoing, int64_t slice) {
  const int64_t at = slice * slice_count_;
  if (outgoing.from.size() == 1) return outgoing.from[0] + at;
  std::vector<const float*> from = outgoing.from;
  for (const float*& gradient : from) gradient += at;
  const auto position = &outgoing - outgoing_.data();
  const int64_t offset = position * windows_.layout().padded_count + at;
  auto* sum =
      outgoing_sums_->at<float>(static_cast<uint64_t>(offset) * sizeof(float),
                                static_cast<uint64_t>(slice_count_));
  sum_slice(outgoing.tree, from, sum);
  return sum;
}

void MachinesGroup::sum_slice(const TreeSum& tree,
                              const std::vector<const float*>& from,
                              float* total) {
  const auto sum = [&](int64_t, int64_t begin, int64_t count, int thread) {
    std::vector<const float*> pieces = from;
    for (const float*& piece : pieces) piece += begin;
    tree.sum(pieces, count, total + begin,
             scratch_[static_cast<size_t>(thread)].data());
  };
  for_pieces(phases_, pool_, 1, slice_count_, sum);
}

void MachinesGroup::send_to(int64_t rank, FrameKind kind, int64_t a,
                            int64_t slice, const float* data) {
  FrameHeader header;
  header.kind = kind;
  header.round = round_.load();
  header.a = a;
  header.b = slice;
  const std::span payload(data, static_cast<size_t>(slice_count_));
  header.payload_bytes = payload.size_bytes();
  for (size_t i = 0; i < inboxes_.size(); ++i) {
    if (inboxes_[i]->peer() != rank) continue;
    mesh_.send(i, header, std::as_bytes(payload));
  }
}

const Inbox& MachinesGroup::inbox_of(int64_t rank) const {
  const auto found =
      std::find_if(inboxes_.begin(), inboxes_.end(),
                   [rank](const auto& inbox) { return inbox->peer() == rank; });
  COLOSSUS_CHECK(found != inboxes_.end(), "rank {} is on this machine", rank);
  return **found;
}

// A peer that left in peace will not come any more.
void MachinesGroup::await_remote(const Inbox& inbox,
                                 const std::function<bool()>& ready) {
  phases_.await(inbox.peer(), [&] { return inbox.has_left() || ready(); });
  if (ready()) return;
  seat_.board().disturb_view(view_.number);
  throw PeerLost(
      fmt::format("rank {} left view {}", inbox.peer(), view_.number),
      inbox.peer());
}

void MachinesGroup::all_gather_values(Holder holder, int64_t width,
                                      double* values_SW) {
  COLOSSUS_CHECK(width > 0 && width <= kMaxValues, "width {}", width);
  const std::vector<int64_t>& host_S = holder == Holder::kOwner
                                           ? view_.placement.owner_S
                                           : view_.placement.backup_S;
  const size_t parity = phases_.next_parity();
  const auto record = [&](int64_t shard) {
    return seat_.board()
        .data()
        .values[static_cast<size_t>(shard)]
        .by_holder_and_parity[static_cast<size_t>(holder)][parity]
        .data();
  };
  const size_t bytes = static_cast<size_t>(width) * sizeof(double);
  for (int64_t shard = 0; shard < num_shards_; ++shard) {
    if (host_S[static_cast<size_t>(shard)] != rank()) continue;
    std::memcpy(record(shard), values_SW + shard * width, bytes);
  }
  FrameHeader header;
  header.kind = FrameKind::kValues;
  header.a = static_cast<int64_t>(holder);
  header.b = width;
  come_to_round(header, own_rows(host_S, width, values_SW));
  await_all();
  std::vector<int64_t> next_row(inboxes_.size(), 0);
  for (int64_t shard = 0; shard < num_shards_; ++shard) {
    const int64_t host = host_S[static_cast<size_t>(shard)];
    if (host == config::kNoBackup) continue;
    const double* from = nullptr;
    for (size_t i = 0; i < inboxes_.size(); ++i) {
      if (inboxes_[i]->peer() != host) continue;
      from = inboxes_[i]->rows(round_.load(), header.a, width) +
             next_row[i]++ * width;
    }
    std::memcpy(values_SW + shard * width, from ? from : record(shard), bytes);
  }
}

std::shared_ptr<std::vector<double>> MachinesGroup::own_rows(
    const std::vector<int64_t>& host_S, int64_t width,
    const double* values_SW) const {
  auto rows = std::make_shared<std::vector<double>>();
  for (int64_t shard = 0; shard < num_shards_; ++shard) {
    if (host_S[static_cast<size_t>(shard)] != rank()) continue;
    const double* row = values_SW + shard * width;
    rows->insert(rows->end(), row, row + width);
  }
  return rows;
}

void MachinesGroup::all_gather(const SlicesIn& updated_S, float* full) {
  meet();
  for (int64_t slice = 0; slice < num_shards_; ++slice) {
    const auto at = static_cast<size_t>(slice);
    if (view_.placement.owner_S[at] != rank()) continue;
    for (const auto& inbox : inboxes_) {
      send_to(inbox->peer(), FrameKind::kWeights, 0, slice, updated_S[at]);
    }
  }
  for (int64_t slice = 0; slice < num_shards_; ++slice) {
    const auto at = static_cast<size_t>(slice);
    const bool local = plan_.is_local(view_.placement.owner_S[at]);
    const float* from = local ? updated_S[at] : await_weights(slice);
    float* to = full + slice * slice_count_;
    if (from == to) continue;
    std::memcpy(to, from, static_cast<size_t>(slice_count_) * sizeof(float));
  }
}

void MachinesGroup::all_gather(float* full) {
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

void MachinesGroup::share_weights(const SlicesIn& from_S,
                                  const SlicesOut& to_S) {
  for (const int64_t slice : config::owned_shards(view_.placement, rank())) {
    for (const int64_t receiver : plan_.weight_receivers(slice)) {
      send_to(receiver, FrameKind::kWeights, 0, slice,
              from_S[static_cast<size_t>(slice)]);
    }
  }
  for (const int64_t slice : plan_.borne_slices()) {
    const auto at = static_cast<size_t>(slice);
    const bool backs_up = view_.placement.backup_S[at] == rank();
    const float* from = backs_up ? from_S[at] : await_weights(slice);
    if (to_S[at] == nullptr || to_S[at] == from) continue;
    std::memcpy(to_S[at], from,
                static_cast<size_t>(slice_count_) * sizeof(float));
  }
}

const float* MachinesGroup::await_weights(int64_t slice) {
  const int64_t owner = view_.placement.owner_S[static_cast<size_t>(slice)];
  await_remote(inbox_of(owner),
               [&] { return lanes_.has_weights(slice, round_.load()); });
  return lanes_.weights(slice);
}

void MachinesGroup::meet() {
  FrameHeader header;
  header.kind = FrameKind::kMeet;
  come_to_round(header, nullptr);
  await_all();
}

int64_t MachinesGroup::commit(int64_t step) {
  // What is being sent may be written again after the commit.
  phases_.await(rank(), [&] { return mesh_.all_sent(); });
  const Board& board = seat_.board();
  const size_t parity = phases_.next_parity();
  const int64_t chief = plan_.members()[0].rank;
  FrameHeader header;
  header.kind = FrameKind::kMeet;
  // The first rank decides for all, so that all stop after the same step.
  if (chief == rank()) {
    const int64_t wish = board.wish();
    header.a = wish > view_.number ? wish : 0;
    board.slot_data(seat_.slot()).wish_at_commit[parity].store(header.a);
  }
  come_to_round(header, nullptr);
  await_all();
  board.slot_data(seat_.slot()).committed_step.store(step);
  if (!plan_.is_local(chief)) return inbox_of(chief).wish(round_.load());
  const int slot = phases_.peers()[0].slot;
  return board.slot_data(slot).wish_at_commit[parity].load();
}

void MachinesGroup::come_to_round(
    FrameHeader header, const std::shared_ptr<std::vector<double>>& values) {
  phases_.check_in_force();
  header.round = round_.load() + 1;
  round_.store(header.round);
  if (values) header.payload_bytes = values->size() * sizeof(double);
  for (size_t i = 0; i < inboxes_.size(); ++i) {
    if (values) {
      mesh_.send(i, header, values);
    } else {
      mesh_.send(i, header, std::span<const std::byte>());
    }
  }
  phases_.enter();
}

void MachinesGroup::await_all() {
  phases_.await_peers();
  for (const auto& inbox : inboxes_) {
    await_remote(*inbox, [&] { return inbox->reached() >= round_.load(); });
  }
}

}  // namespace colossus::distributed
