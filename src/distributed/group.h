// The process group: what the ranks of one view do together in a step. One
// object is one rank under one view; a new view is a new group.
//
// A step calls, on every participant and in this order: reduce_scatter,
// all_gather_values (any number of times), all_gather or, where all of them
// read the same memory, nothing; commit. Participants
// are the ranks that own or back up a shard; the other members are spares,
// which only `idle`.
//
// Every wait ends in PeerLost when the view is no longer in force (the board's
// order word), or when its deadline passes. The group is of no use then; what
// the interrupted call was to write is undefined.
//
// SharedMemoryGroup (ranks of one machine, or threads) reads the peers' windows
// in place. MachinesGroup adds to that what the ranks of other machines send.
// The phases, the placements and the order of sums are the same.
#pragma once

#include <cstdint>
#include <vector>

#include "config/placement.h"

namespace colossus::distributed {

// By slice, for all S of them; null where the caller has nothing.
using SlicesOut = std::vector<float*>;
using SlicesIn = std::vector<const float*>;

// Which of a shard's two hosts speaks.
enum class Holder { kOwner = 0, kBackup = 1 };

class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;

  virtual const config::View& view() const = 0;
  virtual int64_t rank() const = 0;
  virtual bool participates() const = 0;

  // The aligned blocks of shards that this rank owns. Before reduce_scatter it
  // has written the gradient of block i, summed over the block's shards by the
  // tree, to gradient(i), padded_count floats. It may do so from the start of
  // the view, and again as soon as `commit` returned.
  virtual const std::vector<config::ShardBlock>& blocks() const = 0;
  virtual float* gradient(int64_t block) const = 0;

  // Where this rank may put the new weights of slices that it owns, for
  // all_gather: a flat vector, slice i at i * padded_count / S.
  virtual float* updated() const = 0;

  // For every slice that this rank owns or backs up: its total over all shards
  // to total_S[slice], padded_count / S floats.
  virtual void reduce_scatter(const SlicesOut& total_S) = 0;

  // `width` doubles a shard, values_SW. Given: the rows of the shards that this
  // rank holds as `holder`. Then every participant has all rows; rows of shards
  // without a backup stay as they are. Only moved: any 8 bytes will do.
  virtual void all_gather_values(Holder holder, int64_t width,
                                 double* values_SW) = 0;

  // The new weights of all slices into `full`, padded_count floats. updated_S:
  // where slice i's owner wrote it, in memory that this machine's ranks share
  // (as each of them maps it); for instance the store of slices.
  virtual void all_gather(const SlicesIn& updated_S, float* full) = 0;
  // The same, from the owners' updated() windows.
  virtual void all_gather(float* full) = 0;

  // New weights for memory that the ranks of a machine share. from_S: of the
  // slices that this rank owns or backs up. to_S: of those that it bears
  // (below) where they are to be; null: not needed. Who meets the others after
  // it may read what all bearers of its machine wrote. Like `all_gather`, once
  // between two meetings.
  virtual void share_weights(const SlicesIn& from_S, const SlicesOut& to_S) = 0;
  // Slices of which this rank brings the weights to its machine, whose owner is
  // on another one. None on a single machine.
  virtual std::vector<int64_t> borne_slices() const = 0;

  // Returns once all participants have come to the same call: what each of them
  // wrote before may be read.
  virtual void meet() = 0;

  // "I hold the weights after `step` steps, and stored my slices." Returns once
  // all participants said so. The answer is the same on all of them: the number
  // of a call to prepare that all follow now, or 0: go on.
  virtual int64_t commit(int64_t step) = 0;

  // A spare's work: returns when something new is posted that does not disturb
  // this view, or after `seconds`; else PeerLost.
  virtual void idle(double seconds) = 0;
};

}  // namespace colossus::distributed
