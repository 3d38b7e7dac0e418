// The fixed tree over shards: neighbours first, then pairs of pairs, always
// left + right; over the sums of any aligned blocks that make up all shards.
// The bits of the total do not depend on how the blocks are cut.
#pragma once

#include <cstdint>
#include <vector>

#include "config/placement.h"

namespace colossus::distributed {

class TreeSum {
 public:
  // Floats that are summed at once, while their partial sums stay in cache.
  static constexpr int64_t kTile = 4096;

  // `blocks`, in any order, cover each of the shards once: a CHECK.
  TreeSum(const std::vector<config::ShardBlock>& blocks, int64_t num_shards);

  // The same of a part: the blocks cover `range`, which is aligned.
  TreeSum(const std::vector<config::ShardBlock>& blocks,
          const config::ShardBlock& range);

  // Floats of scratch that one caller of `sum` needs.
  int64_t scratch_floats() const { return depth_ * kTile; }

  // total[i] = tree over blocks of from[block][i], for i < count. `total` and
  // `scratch` overlap nothing that is read. A plain loop of additions: their
  // order is the tree's for every element, whatever the vectors' width.
  void sum(const std::vector<const float*>& from, int64_t count, float* total,
           float* scratch) const;

 private:
  // A leaf is a block; the others add two nodes.
  struct Node {
    int block = -1;
    int left = -1, right = -1;
  };
  int build(const std::vector<config::ShardBlock>& blocks,
            const config::ShardBlock& range, int depth);
  const float* tile(int node, const float* const* from, int64_t begin,
                    int64_t count, float* out, float* scratch) const;

  std::vector<Node> nodes_;
  int root_ = 0;
  int64_t depth_ = 0;
};

}  // namespace colossus::distributed
