// Who hosts what: the ranks of a run as of a view, and the shards placed on
// them. docs/architecture.md, "Views and placements".
//
// Plain values, compared and copied freely; what decides them is coordinator/,
// what follows them is distributed/ and runtime/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace colossus::config {

// Where a rank listens for the ranks of other machines: IPv4, in the order that
// numbers are written in. Port 0: nowhere.
struct Endpoint {
  uint32_t address = 0;
  uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};

// Address * 2^16 + port, for messages and records; whoever reads a word checks
// is_endpoint_word.
int64_t word_of(const Endpoint& endpoint);
bool is_endpoint_word(int64_t word);
Endpoint endpoint_of(int64_t word);

// A process that can host shards. Numbers are never given twice in a run: a
// restarted rank is another one.
struct Member {
  int64_t rank = 0;
  int64_t machine = 0;
  Endpoint endpoint = {};  // nowhere where all members are on one machine
  bool operator==(const Member&) const = default;
};

// By shard, for all S of them. Shard i stands for slice i of every batch and
// for slice i of weights and optimizer state.
struct Placement {
  std::vector<int64_t> owner_S;   // the rank that computes and updates it
  std::vector<int64_t> backup_S;  // the rank that repeats the slice's update;
                                  // kNoBackup with a single rank
  bool operator==(const Placement&) const = default;
};

inline constexpr int64_t kNoBackup = -1;

struct View {
  int64_t number = 0;           // grows by one with each
  std::vector<Member> members;  // by rank, ascending; without shards: a spare
  Placement placement;
  int64_t start_step = 0;  // steps done, and held by all sources of its state
  // Not to step on: the state of start_step is saved, and the run ends there.
  bool stop = false;
  std::string reason;  // "rank 3 was killed; rank 5, a spare, took over"
  bool operator==(const View&) const = default;
};

// Whether `rank` owns or backs up a shard; else it is a spare.
bool takes_part(const Placement& placement, int64_t rank);
// Shards with their owner `rank`, ascending.
std::vector<int64_t> owned_shards(const Placement& placement, int64_t rank);
// Slices whose backup is `rank`, ascending.
std::vector<int64_t> backed_up_slices(const Placement& placement, int64_t rank);
// Ranks that own at least one shard, ascending.
std::vector<int64_t> hosting_ranks(const Placement& placement);

// A hosting rank's part of its machine's `threads`, at least one.
int share_of_threads(int threads, const View& view, int64_t rank);

// What the tree over shards sums alone: an aligned run of 2^k shards.
struct ShardBlock {
  int64_t first = 0;
  int64_t count = 1;  // a power of two; `first` is a multiple of it
  bool operator==(const ShardBlock&) const = default;
};

// `shards` (ascending, of S, a power of two) as the fewest aligned blocks.
std::vector<ShardBlock> aligned_blocks(const std::vector<int64_t>& shards,
                                       int64_t num_shards);

}  // namespace colossus::config
