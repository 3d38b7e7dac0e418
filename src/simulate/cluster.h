// The fake machines of a history: memory that outlives processes, agents,
// ranks. Plain values; simulator.h moves them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "coordinator/protocol_names.h"
#include "coordinator/rank_rules.h"
#include "simulate/scenario.h"

namespace colossus::simulate {

inline constexpr int64_t kForEver = int64_t{1} << 60;
// The coordinator stands on no machine of the cluster.
inline constexpr int64_t kCoordinator = -1;

enum Role : size_t { kOwner, kBackup, kNumRoles };

// One buffer of a slice's state: `hash` is what was written, `content` what
// lies there.
struct Buffer {
  int64_t step = coordinator::kNone;
  int64_t view = 0;
  uint64_t content = 0;
  uint64_t hash = 0;
  bool complete = false;

  bool holds(int64_t wanted) const { return complete && step == wanted; }
  bool sound() const { return content == hash; }
};

// Step n lies in buffer n % 2, so n survives while n + 1 is written.
struct SliceStore {
  std::array<std::array<Buffer, 2>, kNumRoles> buffers;
  Buffer& buffer(Role role, int64_t step) {
    return buffers[role][static_cast<size_t>(step % 2)];
  }
};

// What a rank shows its peers, by shard or slice.
struct PeerData {
  coordinator::Word word;
  std::array<uint64_t, kMaxShards> gradients{};
  std::array<uint64_t, kMaxShards> owner_hashes{};
  std::array<uint64_t, kMaxShards> backup_hashes{};
};

struct Peer {
  int64_t rank = 0;
  std::shared_ptr<const PeerData> data;
};

struct FakeRank {
  FakeRank(int64_t rank, int64_t machine, coordinator::Mutation mutation)
      : rank(rank), machine(machine), rules(rank, mutation) {}

  int64_t rank = 0;
  int64_t machine = 0;
  coordinator::RankRules rules;
  bool alive = true;
  bool ready = false;
  int64_t hung_until = 0;
  int64_t hung_since = 0;
  int64_t slowness = 1;
  bool was_slow = false;

  coordinator::Task task = coordinator::Task::kWait;
  int64_t generation = 0;        // of tasks: an interrupted one never finishes
  bool stopped_in_task = false;  // it hung on the way: writes without a look
  bool resend_pending = false;
  int64_t saves_until_us = 0;
  int64_t noted_view = 0;   // in which it was when it last looked
  int64_t open_view = 0;    // in which it has connections to its peers
  int64_t closed_view = 0;  // the newest in which it has none any more
  int64_t fetch_since_us = coordinator::kNone;  // of a slice, over a cut link

  uint64_t weights = 0;
  int64_t weights_step = coordinator::kNone;
  PeerData data;
  std::vector<Peer> peers;
  bool flips_gradient = false;  // the next one
  bool flips_update = false;
  bool hangs_in_store = false;  // the next time that it writes
};

struct FakeMachine {
  int64_t machine = 0;
  bool alive = true;
  bool bad = false;     // its gradients are wrong
  bool leaves = false;  // its agent's user wants so; another agent forgets it
  coordinator::Board board;
  std::vector<SliceStore> store_S;

  bool agent_alive = true;
  int64_t incarnation = 1;
  int64_t sequence = 0;
  int64_t agent_hung_until = 0;
  uint64_t reported = 0;  // what the newest report said, as a word
  bool look_pending = false;
  int64_t answered_number = 0;  // greatest that it ever answered
};

}  // namespace colossus::simulate
