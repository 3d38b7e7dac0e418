// A rank's place on the board of its machine: its sign of life, what it reports
// to the agent, and how it waits.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/pulse.h"
#include "distributed/board.h"

namespace colossus::distributed {

// Holds the slot's robust mutex, by which the agent learns of this process's
// death at once. So a seat is made and destroyed by the process's *main*
// thread (the mutex speaks when the thread that holds it ends); in tests, where
// ranks are threads, by the rank's thread. `board` must outlive it.
class Seat {
 public:
  // Takes slot `slot` as rank `rank`, joining. Throws RunError while another
  // process holds the slot.
  Seat(Board& board, int slot, int64_t rank);
  // Leaves: done, unless `failed` said otherwise.
  ~Seat();
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  Board& board() const { return board_; }
  int slot() const { return slot_; }
  int64_t rank() const { return rank_; }

  // For the work of this rank under view or call `number`: beats for the
  // watcher, and is interrupted once `number` is no longer in force.
  Pulse pulse(int64_t number) const;
  void beat() const;
  // Whether `number` is in force and undisturbed.
  bool in_force(int64_t number) const;

  // Until it is taken back, no beats are expected of this rank: it is at a
  // disk, or at work whose pieces are long.
  void set_away(bool away) const;

  // What the agent reads.
  void listens_at(const config::Endpoint& endpoint);
  void prepared(int64_t number);
  void running(int64_t number);
  // Rank `peer` of another machine, in the view that runs here; -1: whoever it
  // was, a new view has new connections. Any thread.
  void cannot_reach(int64_t peer) const;
  void failed(const std::string& why);  // the last word; cut to fit
  void record_step(int64_t committed_step, double step_seconds,
                   double compute_seconds);
  // The whole state of `step` is on disk, since `view`.
  void record_saved(int64_t view, int64_t step);
  // The step of `found.view` that is being made is held up by it.
  void differs(const FoundDifference& found);
  void recomputed(const RecomputedGradient& gradient);

  // The newest posting, once it is newer than posting `seen`; nullopt after
  // `seconds`. Beats while it waits.
  std::optional<Posted> wait_posted(uint64_t seen, double seconds) const;

  // Beats and waits until ready() or `seconds` are over; returns ready().
  // Spins first, `spins` times, then sleeps. Woken by postings, disturbed
  // orders, and phases of the slot `awaited` (-1: of none).
  bool wait(int awaited, int spins, double seconds,
            const std::function<bool()>& ready) const;

 private:
  void report(SlotState state, int64_t number);

  Board& board_;
  const int slot_;
  const int64_t rank_;
  SlotData& data_;
  bool failed_ = false;
};

}  // namespace colossus::distributed
