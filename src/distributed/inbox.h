// What a rank receives under one view from ranks of other machines, and where
// it goes: the rules by which a frame of a peer is taken or refused, without
// the sockets.
//
// The thread of the sockets fills it; the rank's main thread reads what is
// there. That a place is not overwritten while it is read follows from the
// rounds (meetings of all participants), and is checked: a peer that is ahead
// of what it can know is refused.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "distributed/exchange_plan.h"
#include "distributed/frame.h"
#include "distributed/shared_memory.h"

namespace colossus::distributed {

// The rounds that this rank has said it has come to. Written by the main
// thread before it says so.
using Round = std::atomic<uint64_t>;

// Memory for slices that come from other machines: the sums of their blocks for
// each slice of this rank, and new weights. Untouched lanes cost nothing.
class Lanes {
 public:
  Lanes(const ExchangePlan& plan, int64_t slice_count);

  // `block`: in plan.blocks(), of another machine; `slice`: this rank's.
  const float* gradient(size_t block, int64_t slice) const;
  const float* weights(int64_t slice) const;
  // Whether it came in round `round`.
  bool has_gradient(size_t block, int64_t slice, uint64_t round) const;
  bool has_weights(int64_t slice, uint64_t round) const;

  // For a frame: throws RunError if it is not expected.
  std::span<std::byte> begin(const FrameHeader& header, uint64_t round);
  void end(const FrameHeader& header);

 private:
  struct Lane {
    float* data = nullptr;  // null: nothing is expected
    int64_t sender = -1;
    std::atomic<uint64_t> arrived{0};  // one more than the round
  };
  void place(Lane& lane, int64_t sender);
  Lane& find(const FrameHeader& header);
  size_t index(size_t block, int64_t slice) const;

  const size_t num_shards_;
  const uint64_t slice_count_;
  SharedMemory memory_;
  uint64_t num_placed_ = 0;
  std::vector<Lane> lanes_;  // [block, slice], then weights [slice]
  size_t first_weights_;
};

// Of one peer. All outlives it.
class Inbox : public FrameSink {
 public:
  Inbox(const ExchangePlan& plan, int64_t view, int64_t peer, Lanes& lanes,
        const Round& round);

  int64_t peer() const { return peer_; }
  // The peer has come to this round.
  uint64_t reached() const { return reached_.load(); }
  bool has_left() const { return left_.load(); }
  // What it said when it came to round `round`, the newest or the one before.
  int64_t wish(uint64_t round) const { return said_[round % 2].wish; }
  // Its rows, `width` numbers each, ascending by shard; throws RunError if it
  // sent others. Valid until this rank comes to the next round but one.
  const double* rows(uint64_t round, int64_t holder, int64_t width) const;

  std::span<std::byte> begin(const FrameHeader& header) override;
  void end(const FrameHeader& header) override;

 private:
  // By the round's parity.
  struct Said {
    int64_t wish = 0;
    int64_t holder = -1, width = 0;  // of values, if any
    std::vector<double> values;
  };
  void check_round(const FrameHeader& header) const;
  std::span<std::byte> begin_values(const FrameHeader& header);

  const ExchangePlan& plan_;
  const int64_t view_, peer_;
  Lanes& lanes_;
  const Round& round_;
  std::atomic<uint64_t> reached_{0};
  std::atomic<bool> left_{false};
  std::array<Said, 2> said_;
};

}  // namespace colossus::distributed
