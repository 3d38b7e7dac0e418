#include "distributed/tree_sum.h"

#include <algorithm>

#include "base/error.h"

namespace colossus::distributed {
namespace {

void add(const float* __restrict left, const float* __restrict right,
         int64_t count, float* __restrict out) {
  for (int64_t i = 0; i < count; ++i) out[i] = left[i] + right[i];
}

void add_right(const float* __restrict right, int64_t count,
               float* __restrict out) {
  for (int64_t i = 0; i < count; ++i) out[i] = out[i] + right[i];
}

}  // namespace

TreeSum::TreeSum(const std::vector<config::ShardBlock>& blocks,
                 int64_t num_shards)
    : TreeSum(blocks, config::ShardBlock{0, num_shards}) {}

TreeSum::TreeSum(const std::vector<config::ShardBlock>& blocks,
                 const config::ShardBlock& range) {
  int64_t covered = 0;
  for (const config::ShardBlock& block : blocks) covered += block.count;
  COLOSSUS_CHECK(covered == range.count, "blocks cover {} of {} shards",
                 covered, range.count);
  root_ = build(blocks, range, 0);
}

int TreeSum::build(const std::vector<config::ShardBlock>& blocks,
                   const config::ShardBlock& range, int depth) {
  Node node;
  const auto found = std::find(blocks.begin(), blocks.end(), range);
  if (found != blocks.end()) {
    node.block = static_cast<int>(found - blocks.begin());
  } else {
    COLOSSUS_CHECK(range.count > 1, "no block has shard {}", range.first);
    const int64_t half = range.count / 2;
    node.left = build(blocks, {range.first, half}, depth + 1);
    node.right = build(blocks, {range.first + half, half}, depth + 1);
    depth_ = std::max<int64_t>(depth_, depth + 1);
  }
  nodes_.push_back(node);
  return static_cast<int>(nodes_.size()) - 1;
}

void TreeSum::sum(const std::vector<const float*>& from, int64_t count,
                  float* total, float* scratch) const {
  for (int64_t begin = 0; begin < count; begin += kTile) {
    const int64_t floats = std::min(kTile, count - begin);
    float* out = total + begin;
    const float* sum = tile(root_, from.data(), begin, floats, out, scratch);
    if (sum != out) std::copy_n(sum, floats, out);
  }
}

// The node's sum: where it lies already (a block), or in `out`.
const float* TreeSum::tile(int node, const float* const* from, int64_t begin,
                           int64_t count, float* out, float* scratch) const {
  const Node& n = nodes_[static_cast<size_t>(node)];
  if (n.block >= 0) return from[n.block] + begin;
  const float* left = tile(n.left, from, begin, count, out, scratch);
  const float* right =
      tile(n.right, from, begin, count, scratch, scratch + kTile);
  if (left == out) {
    add_right(right, count, out);
  } else {
    add(left, right, count, out);
  }
  return out;
}

}  // namespace colossus::distributed
