// What binds a rank to the other ranks of its run and to whoever places them:
// the views it follows, and the exchange of a step under one view.
//
// A link is of one rank and for one thread. Whatever waits or works under a
// view throws Interrupted (base/pulse.h) as soon as the view has ended; the
// rank then asks for the next one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/hash.h"
#include "checkpoint/slice_store.h"
#include "config/placement.h"
#include "coordinator/protocol_names.h"
#include "runtime/journal_event.h"

namespace colossus {
class Pulse;
}

namespace colossus::runtime {

// What the holder of a slice made of a step, to be compared with its other
// holder. Only moved between ranks.
struct SliceHashes {
  Hash128 update;    // of the slice as it was stored
  Hash128 gradient;  // of the audited block that begins with this shard, or 0
  bool operator==(const SliceHashes&) const = default;
};

// Computes the gradient of the block that begins with a shard again: its hash.
using Recompute = std::function<Hash128(int64_t shard)>;

class RankLink {
 public:
  virtual ~RankLink() = default;

  virtual int64_t rank() const = 0;

  // Waits for the next view in which this rank has a part, and is under it when
  // it returns; nullopt: it is not needed any more.
  virtual std::optional<config::View> next_view() = 0;

  // Of the current view, for the kernels.
  virtual Pulse& pulse() = 0;
  // While it lives, no beat is expected of this rank: it is at a disk, or at
  // work whose pieces are long.
  class Unwatched {
   public:
    explicit Unwatched(RankLink& link) : link_(link) { link_.watch(false); }
    ~Unwatched() { link_.watch(true); }
    Unwatched(const Unwatched&) = delete;
    Unwatched& operator=(const Unwatched&) = delete;

   private:
    RankLink& link_;
  };

  // Where the gradient of this rank's block `index` of shards goes, a flat
  // padded vector; the others may read it until the step is committed.
  virtual float* gradient(size_t index) = 0;

  // Sums over all shards, by the tree, each slice that this rank owns or backs
  // up. Its gradients must be complete; waits for those of the other ranks.
  virtual void reduce_scatter(int64_t step) = 0;
  // Such a sum; valid until the step is committed.
  virtual float* sum(int64_t slice) const = 0;

  // `values_SK`: of each shard `count` numbers; this rank's rows are filled in,
  // and all are when it returns.
  virtual void all_gather(int64_t step, std::span<double> values_SK,
                          int64_t count) = 0;

  // `hashes_S`: the rows of the slices that this rank holds as `copy` are
  // filled in, and all are when it returns; those of slices without a backup
  // stay.
  virtual void all_gather_hashes(int64_t step, checkpoint::SliceCopy copy,
                                 std::span<SliceHashes> hashes_S) = 0;

  // Two that should agree do not: says so, and does not return but throws
  // Interrupted once the view has ended because of it. Until then it computes
  // again what it is asked to. The view is filled in.
  [[noreturn]] virtual void differ(coordinator::Difference difference,
                                   const Recompute& recompute) = 0;

  // A flat padded vector of this rank's own, for gradients of other ranks'
  // shards.
  virtual float* scratch() = 0;
  // Slices of other machines' ranks whose weights this rank brings to its own
  // machine with share_weights.
  virtual std::vector<int64_t> borne_slices() const = 0;
  // New weights, so that each machine has those of all slices. from_S: of the
  // slices that this rank owns or backs up; to_S: where those that it bears go,
  // null where they are not needed. All is there behind the next barrier.
  virtual void share_weights(int64_t step,
                             const std::vector<const float*>& from_S,
                             const std::vector<float*>& to_S) = 0;

  // The slice as of `step` from another machine of the view: from either copy,
  // `copy` before the other. The hash that it was stored with there, with which
  // the caller compares what arrived; of the view's start step, only the state
  // from which the view starts. Nullopt if none of them holds it; what `to` has
  // is undefined then.
  virtual std::optional<Hash128> fetch_slice(
      checkpoint::SliceCopy copy, int64_t slice, int64_t step,
      const checkpoint::SliceData& to) = 0;

  // Returns when every rank of the view is there: all hold the slices of
  // `step` and have shared its weights, so all of these can be read.
  virtual void barrier(int64_t step) = 0;

  // The barrier behind which `step` counts: what the step before needed may be
  // overwritten from now on.
  virtual void commit(int64_t step) = 0;

  // For journal and progress; never waits.
  virtual void report(const JournalEvent& event) = 0;

 private:
  virtual void watch(bool on) = 0;
};

}  // namespace colossus::runtime
