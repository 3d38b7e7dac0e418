// Shards to ranks with limited room: a maximum matching. Private to
// placement_rules.cc.
#pragma once

#include <cstdint>
#include <iterator>
#include <vector>

namespace colossus::coordinator {

// By shard: indices of the ranks that may have it, the preferred first.
using Edges = std::vector<std::vector<size_t>>;

// Shards to ranks, at most `capacity` each: a maximum matching by augmenting
// paths, so that no shard moves that could have stayed.
class Matching {
 public:
  Matching(size_t num_shards, size_t num_ranks, int64_t capacity)
      : rank_S_(num_shards, kUnplaced),
        shards_R_(num_ranks),
        capacity_(capacity) {}

  // Places as many as `edges_S` allow; those that are placed stay placed,
  // though perhaps elsewhere. True: all are.
  bool place_all(const Edges& edges_S) {
    edges_S_ = edges_S;
    bool all = true;
    for (size_t s = 0; s < rank_S_.size(); ++s) {
      if (placed(s)) continue;
      visited_.assign(shards_R_.size(), false);
      all = augment(s) && all;
    }
    return all;
  }
  size_t rank_of(size_t shard) const { return rank_S_[shard]; }

 private:
  static constexpr size_t kUnplaced = static_cast<size_t>(-1);

  bool placed(size_t shard) const { return rank_S_[shard] != kUnplaced; }

  bool augment(size_t shard) {
    for (const size_t rank : edges_S_[shard]) {
      if (visited_[rank]) continue;
      if (std::ssize(shards_R_[rank]) < capacity_) {
        assign(shard, rank);
        return true;
      }
    }
    for (const size_t rank : edges_S_[shard]) {
      if (visited_[rank]) continue;
      visited_[rank] = true;
      for (const size_t other : std::vector<size_t>(shards_R_[rank])) {
        if (!augment(other)) continue;
        assign(shard, rank);
        return true;
      }
    }
    return false;
  }

  void assign(size_t shard, size_t rank) {
    if (placed(shard)) std::erase(shards_R_[rank_S_[shard]], shard);
    rank_S_[shard] = rank;
    shards_R_[rank].push_back(shard);
  }

  Edges edges_S_;
  std::vector<size_t> rank_S_;
  std::vector<std::vector<size_t>> shards_R_;
  std::vector<bool> visited_;
  const int64_t capacity_;
};

}  // namespace colossus::coordinator
