// The control block of one machine, in memory that its agent and its ranks
// share: the view that is in force, and a slot for each rank of the machine.
// docs/architecture.md, "Shared memory of a machine".
//
// The agent posts; ranks read, and report through their slot (seat.h). If the
// agent dies, ranks go on with what is posted; its successor opens the same
// memory. Nothing in it is trusted: what is out of bounds is a RunError.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "base/hash.h"
#include "distributed/findings.h"
#include "distributed/posted_view.h"
#include "distributed/shared_memory.h"

namespace colossus::distributed {

struct BoardData;
struct SlotData;

enum class SlotState : uint8_t {
  kEmpty = 0,
  kJoining = 1,   // has its slot, is in no view yet
  kPrepared = 2,  // let go of everything of older views than `number`
  kRunning = 3,   // works under view `number`, or is a spare of it
  kDone = 4,      // left of its own will
  kFailed = 5,    // left because of an error: `text`
};

// A slot as it was at one moment, for the agent.
struct SlotReport {
  SlotState state = SlotState::kEmpty;
  int64_t number = 0;
  int64_t rank = -1;
  pid_t pid = 0;
  config::Endpoint endpoint;  // where it listens
  // Whose connection broke in the view that it runs under, or did; -1:
  // nobody's.
  int64_t unreachable = -1;
  uint64_t beats = 0;
  bool away = false;  // no beats are expected
  int64_t committed_step = 0;
  double step_seconds = 0;     // of the last step
  double compute_seconds = 0;  // of that, without waiting for others
  int64_t saved_view = 0;      // in which it had all of `saved_step` on disk
  int64_t saved_step = -1;
  std::string text;  // of kFailed
  std::optional<FoundDifference> difference;
  std::optional<RecomputedGradient> recomputed;
  bool lost = false;  // the watcher found it dead or hung
};

// The value of the order word while view or call `number` is undisturbed.
inline constexpr uint64_t order_of(int64_t number) {
  return 2 * static_cast<uint64_t>(number);
}

class Board {
 public:
  static uint64_t bytes();

  // Makes a board in fresh memory of at least bytes(). Slots: at most 64.
  static Board create(SharedMemory memory, const Hash128& run, int num_slots);
  // One that another process made. Throws RunError unless it is a board of this
  // program's layout and of this run.
  static Board open(SharedMemory memory, const Hash128& run);

  int num_slots() const;
  const SharedMemory& memory() const { return memory_; }

  // What the agent does. One thread at a time posts.

  // Puts a posting in force, wakes everybody, and returns true; false if it is
  // not newer than what stands there (by number, then kind): dropped. A view
  // that needs a rank of this machine which is known as lost is posted but at
  // once disturbed.
  bool post(const Posted& posted);
  // Throws RunError if it is out of bounds.
  SlotReport report(int slot) const;
  // `rank` will take its seat in `slot`, which is free: for a successor, who
  // must not start that rank again.
  void reserve(int slot, int64_t rank);
  // The process of that rank, until it has its seat and says so itself.
  void note_process(int slot, pid_t pid);
  // The machine's number in the run, for the agent's successors; -1: none yet.
  int64_t machine() const;
  // Random: tells one life of this memory from another.
  uint64_t memory_id() const;
  void set_machine(int64_t machine);
  // The slot where `rank` sits or last sat; -1: none.
  int slot_of(int64_t rank) const;
  // Counts changes of slots' states; `wait_news` returns once it is not `seen`
  // any more, or after `seconds`.
  uint32_t news() const;
  void wait_news(uint32_t seen, double seconds) const;
  void nudge() const;  // counts as a change
  // The rank of this slot is dead or hung. If the view in force needs it, all
  // who work under it are told to let go. Any thread.
  void mark_lost(int slot);
  // Ranks that wait because of a difference look at it.
  void call_recompute(const RecomputeCall& call);

  // View `number` cannot go on: a rank of another machine is out of reach. All
  // who work under it here are told to let go; nothing if it is not in force.
  // Any thread.
  void disturb_view(int64_t number);

  // What everybody reads.

  Posted posted() const;      // never a torn one
  uint64_t sequence() const;  // of the newest posting; 0: none yet
  const std::atomic<uint64_t>& order() const;
  int64_t wish() const;  // of the newest kPrepareAtCommit; 0: none yet
  std::optional<RecomputeCall> recompute_call() const;

  // The bytes, for this folder.
  BoardData& data() const { return *data_; }
  SlotData& slot_data(int slot) const;

 private:
  explicit Board(SharedMemory memory);
  void ring_all() const;
  void disturb_if_lost(const config::View& view) const;
  bool is_needed(int64_t rank) const;
  bool disturb(uint64_t order) const;

  SharedMemory memory_;
  BoardData* data_;
};

}  // namespace colossus::distributed
