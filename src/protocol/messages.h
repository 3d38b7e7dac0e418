// What coordinator, agents and ranks tell each other. Every message carries the
// whole of what its receiver must know, not a change: a lost one is made good
// by the next, a repeated one changes nothing, and an old one is known by its
// number. docs/failure_model.md.
//
//   agent -> coordinator   Hello, then AgentReport  by (incarnation, sequence)
//   coordinator -> agent   Welcome, AgentOrders  by version: journal's length
//   rank -> journal        RankLines, LinesKept  by position in the rank's ring
//   agent <-> its ranks    Board         shared memory; outlives both
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "config/placement.h"

namespace colossus::protocol {

inline constexpr int64_t kNone = -1;
// As the machine that a slice's state comes from: the newest checkpoint, which
// at step 0 means the initial values.
inline constexpr int64_t kFromCheckpoint = -1;
// As PREPARE's stop step: let go at once.
inline constexpr int64_t kAtOnce = -1;

// A complete copy of a slice's state in a machine's store.
struct SliceCopy {
  int64_t slice = 0;
  int64_t step = 0;
  int64_t view = 0;   // the view in which it was written
  Hash128 hash;       // of what was written
  bool sound = true;  // false: what lies there has another hash by now
};

// In `view`, every slice of every step up to `step` was stored by owner and
// backup with equal hashes, and audited.
struct CheckedStep {
  int64_t view = 0;
  int64_t step = 0;
  auto operator<=>(const CheckedStep&) const = default;
};

enum class DifferenceKind {
  kGradient,  // owner's and auditor's gradient of a shard
  kUpdate,    // owner's and backup's update of a slice
  kTransfer,  // a slice and the hash that it came, or was stored, with
};

// Two that should agree do not. It holds the step up.
struct Difference {
  DifferenceKind kind = DifferenceKind::kGradient;
  int64_t view = 0;
  int64_t step = 0;         // the one being made
  int64_t shard = 0;        // or slice
  int64_t first_rank = 0;   // owner; of a transfer, kNone
  int64_t second_rank = 0;  // auditor or backup; of a transfer, the holder
  Hash128 first_hash;
  Hash128 second_hash;
  bool operator==(const Difference&) const = default;
};

struct Recomputed {
  int64_t rank = 0;
  int64_t view = 0;
  int64_t step = 0;
  int64_t shard = 0;
  Hash128 hash;
};

// A rank's place on the board: what it says of itself.
struct RankSlot {
  int64_t rank = 0;
  int64_t pid = 0;                 // 0: not known yet
  bool ready = false;              // it started, and looks at the board
  bool dying = false;              // killed by its agent, not yet gone
  int64_t let_go = 0;              // refuses all views before this number
  int64_t view = 0;                // the view that it works in
  int64_t committed_step = kNone;  // in that view; its start step counts
  bool healed = false;     // in that view: it has all slices of its start
  int64_t saved_view = 0;  // its slices of `saved_step` lie on disk
  int64_t saved_step = kNone;
  bool saved_all = false;  // not its slices alone, but those of all ranks
  config::Endpoint endpoint = {};  // where it listens for other machines
  int64_t unreachable = kNone;     // whose connection broke, in that view
  int64_t shard_us = 0;            // what a shard's gradient took it
  std::optional<Difference> difference;
  std::optional<Recomputed> recomputed;
};

// BEGIN: everything that ranks need to enter a view.
struct BegunView {
  config::View view;
  // By slice: the machine from which owner and backup take its state (their own
  // if it is there), and the state's hash. kFromCheckpoint, no hash.
  std::vector<int64_t> owner_source_S;
  std::vector<int64_t> backup_source_S;
  std::vector<Hash128> hash_S;
  bool verify = false;         // hash the copies that are used in place as well
  int64_t last_step = 0;       // none is made after it
  bool save_and_stop = false;  // checkpoint the start step, then nothing more
};

// Gradients to compute again, for an audit.
struct RecomputeOrder {
  int64_t view = 0;
  int64_t step = 0;
  int64_t shard = 0;
  std::vector<int64_t> ranks;
  bool operator==(const RecomputeOrder&) const = default;
};

struct AgentOrders {
  int64_t machine = 0;
  int64_t version = 0;                     // records in the journal
  std::vector<int64_t> ranks;              // that shall run there, ascending
  int64_t number = 0;                      // newest PREPARE
  int64_t stop_step = kAtOnce;             // of it
  bool verify = false;                     // answer with copies hashed again
  std::shared_ptr<const BegunView> begun;  // of `number`, or none yet
  std::optional<RecomputeOrder> recompute;
  int64_t hosting_ranks = 1;  // of the run, beside spares: they share a machine
  bool over = false;          // the run has ended
  bool left = false;          // it has, for this machine
};

// How a rank's process ended, for people.
struct RankEnd {
  int64_t rank = 0;
  int64_t pid = 0;
  int64_t silent_us = 0;  // since its last sign of life
  std::string how;      // "rank 1 (process 77) was ended by signal 9 (Killed)"
  bool failed = false;  // it said that the run cannot go on
};

struct AgentReport {
  int64_t machine = 0;      // of one life of its memory: rebooted, another
  int64_t incarnation = 0;  // of the agent's process
  int64_t sequence = 0;
  int64_t version = 0;    // newest orders obeyed
  int64_t number = 0;     // newest PREPARE
  bool answered = false;  // all ranks here let go of older views, and those
                          // that were given up are dead
  std::vector<RankSlot> ranks;  // living, ascending
  CheckedStep checked;
  std::vector<SliceCopy> copies;  // with `answered` only
  std::vector<RankEnd> ends;      // the newest
  bool leaves = false;            // the user takes this machine out of the run
};

// An agent's first words.
struct Hello {
  Hash128 run;              // of what changes its bits
  int64_t machine = kNone;  // none: fresh memory, and so a new machine
  uint64_t memory_id = 0;   // random; of the life of that memory
  int64_t pid = 0;
  std::string host;
  std::string numerics;  // version of the bits that its ranks compute: "fma-1"
};

struct Welcome {
  int64_t machine = 0;
  int64_t incarnation = 0;  // for the reports of this agent
};

// What a rank reported for the journal, in order. The agent keeps each until it
// hears that it is in the journal.
struct RankLines {
  int64_t rank = 0;
  std::vector<std::string> lines;
  std::vector<int64_t> ends;  // by line: where it ends in the rank's ring
};

struct LinesKept {
  int64_t rank = 0;
  int64_t position = 0;  // all that ends up to here is in the journal
};

// How many ranks shall host shards, and how many more shall stand by.
struct ResizeRequest {
  int64_t ranks = 1;
  int64_t spares = 0;
  std::string reason;
};

struct StopRequest {
  std::string reason;
  bool at_once = false;  // without a checkpoint
};

// What agent and ranks of a machine share.
struct Board {
  int64_t version = 0;
  int64_t number = 0;
  int64_t stop_step = kAtOnce;
  bool verify = false;
  int64_t halted_view = 0;  // a rank of it was lost here: views up to this
                            // one are over
  int64_t highest_started = kNone;  // no rank up to this is started again
  std::shared_ptr<const BegunView> begun;
  std::optional<RecomputeOrder> recompute;
  CheckedStep checked;
  std::vector<RankSlot> slots;  // by rank, ascending
};

}  // namespace colossus::protocol
