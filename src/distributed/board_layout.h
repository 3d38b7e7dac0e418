// The bytes of a board, private to this folder: what each process of a machine
// writes where. All fields that two processes may touch at a time are atomic.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "distributed/findings.h"
#include "distributed/posted_view.h"
#include "distributed/shared_record.h"

namespace colossus::distributed {

inline constexpr int kMaxSlots = 64;
inline constexpr int kMaxValues = 1024;  // of a record, by shard

// A posting, copied word by word so that a reader meets no torn one.
inline constexpr size_t kPostedWords = sizeof(PostedData) / 8;
using PostedWords = std::array<std::atomic<uint64_t>, kPostedWords>;
static_assert(sizeof(PostedData) % 8 == 0);

// Written once, by who makes the board.
struct BoardHeader {
  uint64_t magic;
  uint64_t version;
  uint64_t bytes;  // of the whole layout: another build's differs
  uint64_t num_slots;
  uint64_t run_high, run_low;
};

// Of one rank. The lines are apart, since their writers and readers are.
struct alignas(64) SlotData {
  pthread_mutex_t life;  // robust; held by the rank's main thread
  // Written by the rank.
  alignas(64) std::atomic<int64_t> pid;
  std::atomic<int64_t> rank;
  std::atomic<uint64_t> endpoint;    // where it listens
  std::atomic<int64_t> unreachable;  // a rank of another machine, or -1
  std::atomic<uint64_t> state;       // view number * 256 + SlotState
  std::atomic<int64_t> committed_step;
  std::atomic<double> step_seconds;
  std::atomic<double> compute_seconds;
  std::atomic<int64_t> saved_view, saved_step;  // of the whole state, on disk
  std::array<char, 160> text;  // why it failed; before state says so
  SharedRecord<FoundDifference> difference;
  SharedRecord<RecomputedGradient> recomputed;
  alignas(64) std::atomic<uint64_t> beats;
  std::atomic<uint32_t> away;  // at a disk, say: no beats are expected
  // view number * 2^32 + what of that view is done: a phase of an old view
  // never satisfies who waits under a new one.
  alignas(64) std::atomic<uint64_t> phase;
  // By the phase's parity: the wish (see BoardData) that the view's first rank
  // read before it said that it is at this commit.
  std::array<std::atomic<int64_t>, 2> wish_at_commit;
  std::atomic<int32_t> awaited;  // the slot that this rank waits for, or -1
  // Rung by others: futex.
  alignas(64) std::atomic<uint32_t> doorbell;
  // Written by the watcher.
  std::atomic<uint32_t> lost;
};

// Of one who holds an office of the machine (life.h).
struct alignas(64) LifeData {
  pthread_mutex_t held;      // robust; by the holder's main thread
  std::atomic<int64_t> pid;  // 0: nobody yet; kLeft: not needed any more
  std::atomic<uint64_t> beats;
  std::atomic<uint32_t> away;  // at a disk: no beats are expected
};

// Of one shard, from its owner and from its backup, by the phase's parity.
struct ShardValues {
  using Values = std::array<double, kMaxValues>;
  std::array<std::array<Values, 2>, 2> by_holder_and_parity;
};

struct BoardData {
  BoardHeader header;
  // Twice the number of the view or call in force; one more once a loss has
  // disturbed it. Whoever works under another value lets go.
  alignas(64) std::atomic<uint64_t> order;
  // Number of a call to prepare at the next commit.
  std::atomic<int64_t> wish;
  alignas(64) std::atomic<uint32_t> news;  // futex: some slot's state changed
  uint64_t memory_id;                      // random; written once
  std::atomic<int64_t> machine;  // its number in the run; -1: none yet
  std::array<LifeData, 2> lives;
  // Posting number `sequence` stands in posted[sequence % 2].
  alignas(64) std::atomic<uint64_t> sequence;
  std::array<PostedWords, 2> posted;
  SharedRecord<RecomputeCall> recompute_call;  // written by the agent
  std::array<SlotData, kMaxSlots> slots;
  std::array<ShardValues, kMaxShards> values;
};

static_assert(std::atomic<uint64_t>::is_always_lock_free &&
              std::atomic<double>::is_always_lock_free);

}  // namespace colossus::distributed
