// The phases of a view as the ranks of one machine go through them, for the
// process groups of this folder: a counter in each rank's slot, and the waits
// for it. docs/architecture.md, "Shared memory of a machine".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "config/placement.h"
#include "distributed/seat.h"

namespace colossus {
class ThreadPool;
}

namespace colossus::distributed {

struct GroupOptions {
  // Of any one wait for a peer. Not how losses are found, which is the
  // watcher's: longer than the longest step.
  double deadline_seconds = 600;
  // Looks before a wait sleeps; negative: a few thousand if every participant
  // of the machine can have a core of its own, else none.
  int spins = -1;
};

// A participant of this machine.
struct LocalPeer {
  int64_t rank;
  int slot;
};

// Used by the rank's main thread alone. `seat` outlives it.
class Phases {
 public:
  // `ranks`: the participants on this machine, ascending. Throws RunError if
  // one has no seat on the board.
  Phases(int64_t view_number, const std::vector<int64_t>& ranks,
         const Seat& seat, const GroupOptions& options);

  const std::vector<LocalPeer>& peers() const { return peers_; }
  const Seat& seat() const { return seat_; }
  // Of the phase that `enter` will begin to end: where what is said in it lies.
  size_t next_parity() const { return (phase_ + 1) % 2; }

  // Says that this rank has come to the end of a phase.
  void enter();
  // Returns once all participants of the machine have said it.
  void await_peers() const;
  void meet() {
    enter();
    await_peers();
  }
  // Waits until ready(), looked at whenever the slot's bell rings. PeerLost if
  // the view ends or the deadline passes: for `rank` then.
  void await(int64_t rank, const std::function<bool()>& ready) const {
    await(-1, rank, ready);
  }
  // ProcessGroup::idle.
  void idle(double seconds) const;
  // PeerLost unless the view is in force and undisturbed.
  void check_in_force() const;

 private:
  void await(int slot, int64_t rank, const std::function<bool()>& ready) const;

  const int64_t view_number_;
  const Seat& seat_;
  const double deadline_seconds_;
  int spins_ = 0;
  std::vector<LocalPeer> peers_;
  uint64_t phase_;  // view number * 2^32 + phases done
};

// body(item, begin, count, thread) for each piece of `num_items` runs of
// `item_count` floats, in `pool`. If the work is interrupted because the view
// of `phases` ended: PeerLost.
void for_pieces(const Phases& phases, ThreadPool& pool, int64_t num_items,
                int64_t item_count,
                const std::function<void(int64_t item, int64_t begin,
                                         int64_t count, int thread)>& body);

}  // namespace colossus::distributed
