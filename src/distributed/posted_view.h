// What an agent posts on its board: a call to prepare, or a view to begin; and
// its form in shared memory, plain old data of bounded size.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "config/placement.h"

namespace colossus::distributed {

inline constexpr int64_t kMaxMembers = 64;
inline constexpr int64_t kMaxShards = 256;
inline constexpr int64_t kMaxNumber = int64_t{1} << 30;  // of a view

enum class PostedKind : uint64_t {
  kNothing = 0,  // a new board
  // Let go at the end of the step that all agree on (ProcessGroup::commit) and
  // answer with Seat::prepared. Of the view only number and reason count.
  kPrepareAtCommit = 1,
  kPrepare = 2,  // the same, but at once
  kBegin = 3,
};

struct Posted {
  PostedKind kind = PostedKind::kNothing;
  config::View view;      // the reason is cut to fit
  uint64_t sequence = 0;  // of this posting; given by the board
  // Of a view to begin, by slice: the hash of the state it starts from. Empty:
  // that lies in no memory, and is read from the checkpoint or made anew.
  std::vector<Hash128> hash_S = {};

  bool operator==(const Posted&) const = default;
};

// In shared memory. Only whole 64-bit words, so that it can be copied as such.
struct PostedData {
  uint64_t kind;
  int64_t number;
  int64_t start_step;
  uint64_t stop;  // 0 or 1
  int64_t num_members;
  int64_t num_shards;
  uint64_t has_hashes;  // 0 or 1
  std::array<int64_t, kMaxMembers> rank;
  std::array<int64_t, kMaxMembers> machine;
  std::array<uint64_t, kMaxMembers> endpoint;  // address * 2^16 + port
  std::array<int64_t, kMaxShards> owner_S;
  std::array<int64_t, kMaxShards> backup_S;
  std::array<uint64_t, kMaxShards> hash_high_S, hash_low_S;
  std::array<char, 256> reason;  // ends with a zero
};

// An endpoint as one word; of a word, what it must be: a RunError if it is
// none.
uint64_t encode_endpoint(const config::Endpoint& endpoint);
config::Endpoint decode_endpoint(uint64_t word);

// Throws RunError if it does not fit: more than kMaxMembers or kMaxShards.
PostedData encode_posted(const Posted& posted);

// Trusts nothing: throws RunError that names the field out of its bounds.
Posted decode_posted(const PostedData& data);

}  // namespace colossus::distributed
