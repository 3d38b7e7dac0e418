#include "distributed/inbox.h"

#include "base/error.h"
#include "distributed/board_layout.h"

namespace colossus::distributed {
namespace {

[[noreturn]] void refuse(const FrameHeader& header, const char* why) {
  throw run_error(
      "a frame of rank {} is not expected: kind {}, round {}, {}, {}, {} "
      "bytes: {}",
      header.sender, static_cast<int>(header.kind), header.round, header.a,
      header.b, header.payload_bytes, why);
}

void require(bool holds, const FrameHeader& header, const char* why) {
  if (!holds) refuse(header, why);
}

int64_t rows_of(const ExchangePlan& plan, int64_t rank, int64_t holder) {
  const config::Placement& placement = plan.placement();
  return std::ssize(holder == 0 ? config::owned_shards(placement, rank)
                                : config::backed_up_slices(placement, rank));
}

}  // namespace

Lanes::Lanes(const ExchangePlan& plan, int64_t slice_count)
    : num_shards_(static_cast<size_t>(plan.num_shards())),
      slice_count_(static_cast<uint64_t>(slice_count)),
      memory_(SharedMemory::make_private(
          (plan.blocks().size() * plan.my_slices().size() + num_shards_) *
          slice_count_ * sizeof(float))),
      lanes_((plan.blocks().size() + 1) * num_shards_),
      first_weights_(plan.blocks().size() * num_shards_) {
  for (size_t block = 0; block < plan.blocks().size(); ++block) {
    if (plan.is_local(plan.blocks()[block])) continue;
    for (const int64_t slice : plan.my_slices()) {
      place(lanes_[index(block, slice)],
            plan.sender(plan.blocks()[block], slice));
    }
  }
  for (size_t slice = 0; slice < num_shards_; ++slice) {
    const int64_t owner = plan.placement().owner_S[slice];
    if (!plan.is_local(owner)) place(lanes_[first_weights_ + slice], owner);
  }
}

void Lanes::place(Lane& lane, int64_t sender) {
  const uint64_t bytes = slice_count_ * sizeof(float);
  lane.data = memory_.at<float>(num_placed_++ * bytes, slice_count_);
  lane.sender = sender;
}

size_t Lanes::index(size_t block, int64_t slice) const {
  return block * num_shards_ + static_cast<size_t>(slice);
}

const float* Lanes::gradient(size_t block, int64_t slice) const {
  return lanes_.at(index(block, slice)).data;
}

const float* Lanes::weights(int64_t slice) const {
  return lanes_.at(first_weights_ + static_cast<size_t>(slice)).data;
}

bool Lanes::has_gradient(size_t block, int64_t slice, uint64_t round) const {
  return lanes_.at(index(block, slice)).arrived.load() == round + 1;
}

bool Lanes::has_weights(int64_t slice, uint64_t round) const {
  return lanes_.at(first_weights_ + static_cast<size_t>(slice))
             .arrived.load() == round + 1;
}

Lanes::Lane& Lanes::find(const FrameHeader& header) {
  const auto a = static_cast<uint64_t>(header.a);
  const auto b = static_cast<uint64_t>(header.b);
  require(b < num_shards_, header, "no such slice");
  if (header.kind == FrameKind::kWeights) return lanes_[first_weights_ + b];
  require(a < first_weights_ / num_shards_, header, "no such block");
  return lanes_[a * num_shards_ + b];
}

std::span<std::byte> Lanes::begin(const FrameHeader& header, uint64_t round) {
  const Lane& lane = find(header);
  require(lane.data != nullptr && lane.sender == header.sender, header,
          "not of this sender");
  require(header.round == round && lane.arrived.load() <= round, header,
          "not in this round");
  require(header.payload_bytes == slice_count_ * sizeof(float), header,
          "not the size of a slice");
  return std::as_writable_bytes(std::span(lane.data, slice_count_));
}

void Lanes::end(const FrameHeader& header) {
  find(header).arrived.store(header.round + 1);
}

Inbox::Inbox(const ExchangePlan& plan, int64_t view, int64_t peer, Lanes& lanes,
             const Round& round)
    : plan_(plan), view_(view), peer_(peer), lanes_(lanes), round_(round) {}

const double* Inbox::rows(uint64_t round, int64_t holder, int64_t width) const {
  const Said& said = said_[round % 2];
  if (said.holder != holder || said.width != width) {
    throw run_error(
        "rank {} gathers {} numbers a shard where others gather {}; all ranks "
        "of a run must be of one version",
        peer_, said.width, width);
  }
  return said.values.data();
}

// A round follows the one before, and none is ahead of what this rank said by
// more than one: so what it said in the round before is not in use any more.
void Inbox::check_round(const FrameHeader& header) const {
  require(
      header.round == reached_.load() + 1 && header.round <= round_.load() + 1,
      header, "not the next round");
}

std::span<std::byte> Inbox::begin(const FrameHeader& header) {
  require(header.view == view_ && header.sender == peer_, header,
          "of another view or sender");
  switch (header.kind) {
    case FrameKind::kGradient:
    case FrameKind::kWeights:
      return lanes_.begin(header, round_.load());
    case FrameKind::kValues:
      return begin_values(header);
    case FrameKind::kMeet:
      check_round(header);
      break;
    case FrameKind::kBeat:
    case FrameKind::kGoodbye:
      break;
    default:
      refuse(header, "its kind");
  }
  require(header.payload_bytes == 0, header, "it has a payload");
  return {};
}

std::span<std::byte> Inbox::begin_values(const FrameHeader& header) {
  check_round(header);
  require(header.a <= 1, header, "no such holder");
  require(header.b >= 1 && header.b <= kMaxValues, header, "too many values");
  const int64_t count = rows_of(plan_, peer_, header.a) * header.b;
  require(header.payload_bytes == static_cast<uint64_t>(count) * sizeof(double),
          header, "not the size of its rows");
  Said& said = said_[header.round % 2];
  said.values.resize(static_cast<size_t>(count));
  return std::as_writable_bytes(std::span(said.values));
}

void Inbox::end(const FrameHeader& header) {
  switch (header.kind) {
    case FrameKind::kGradient:
    case FrameKind::kWeights:
      lanes_.end(header);
      return;
    case FrameKind::kMeet:
    case FrameKind::kValues: {
      const bool values = header.kind == FrameKind::kValues;
      Said& said = said_[header.round % 2];
      said.wish = values ? 0 : header.a;
      said.holder = values ? header.a : -1;
      said.width = values ? header.b : 0;
      reached_.store(header.round);
      return;
    }
    case FrameKind::kGoodbye:
      left_.store(true);
      return;
    default:
      return;
  }
}

}  // namespace colossus::distributed
