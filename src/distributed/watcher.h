// Finds out which ranks of this machine are lost, tells their peers at once,
// and makes sure that the lost do no more. Part of the agent's process.
//
// Signs, of which the first counts: the slot's robust mutex (0.2 ms after a
// kill, whatever the rank's size), the process's pidfd (once its memory is
// freed), beats that stand still (a hang). On a sign the board's order word is
// disturbed if the view needs the rank, so that its peers let go before anyone
// has decided anything; then the process is ended and `on_lost` called.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "distributed/board.h"

namespace colossus::distributed {

enum class LossKind {
  kKilled,  // its process died
  kHung,    // alive, but its beats stood still (or its slot is damaged)
  kClosed,  // left of its own will: the slot says whether done or failed
};

struct Loss {
  int slot = 0;
  int64_t rank = -1;  // -1: it never took its seat
  pid_t pid = 0;
  LossKind how = LossKind::kKilled;
  // Nothing that it does will reach shared memory any more. False only if the
  // kernel would not let it go within WatcherOptions::fence_seconds, and for
  // threads, which cannot be killed.
  bool fenced = false;
  // From its last sign of life until `on_lost` is called.
  double silent_seconds = 0;
};

struct WatcherOptions {
  // How long the beats of a prepared or running rank may stand still. Time in
  // which the watcher itself was kept from looking does not count.
  double hang_seconds = 0.4;
  double away_seconds = 20;  // the same, for one that says it is away
  double look_seconds = 0.01;
  double fence_seconds = 5;
  // For a rank that left to end its process, before it is killed.
  double leave_seconds = 1;
};

// Safe from several threads. `board` must outlive it.
class Watcher {
 public:
  // `on_lost` is called in a thread of the watcher, one loss at a time; when it
  // is, the slot is free for another rank. It may call `watch_child`.
  Watcher(Board& board, const WatcherOptions& options,
          std::function<void(const Loss&)> on_lost);
  // Watches no more; what it had not told yet stays untold.
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // A child that will take its seat in `slot`, or has. It is killed, should it
  // hang, but left for others to wait for.
  void watch_child(int slot, pid_t pid);
  // Who sits in `slot` already. Its process number is believed only of a
  // process that maps the board: else RunError.
  void adopt(int slot);
  // A rank that is a thread of this process and sits in `slot` already; it
  // cannot be killed.
  void watch_thread(int slot);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace colossus::distributed
