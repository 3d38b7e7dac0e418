// How the rows of one call divide into shards, and what that means for sums.
//
// A call works on the rows of `num_shards` shards, one after the other, equally
// many each. Per-row results do not care. The gradient of a parameter does: its
// value is the binary tree over the shards (distance 1 first, left + right),
// and a shard's own value is one chain over its rows in order:
//
//   num_shards == 1: the chain starts from what `dw` holds if `accumulate`
//                    (the next micro-batch of a shard), from 0 otherwise.
//   num_shards  > 1: each chain starts from 0; `accumulate` must be false.
//
// So any aligned block of shards, computed at once or one by one, has the same
// bits. num_shards is a power of two.
#pragma once

#include <cstdint>

namespace colossus::kernels {

struct Shards {
  int64_t num_shards = 1;
  bool accumulate = false;
  // The tree's result, formed as above from 0, is added to what `dw` holds, as
  // the right half of a larger tree whose left half is there. Only products
  // (LinearBackwardWeight) know it; not together with `accumulate`.
  bool add_to_left = false;
};

// Rows sorted into groups (experts), each a product with a weight of its own.
// Segment (g, s) holds the rows of group g that belong to shard s; segments
// follow one another: g-major, s-minor.
struct RowGroups {
  int64_t num_groups = 1;
  // [num_groups * num_shards + 1] first row of each segment; null: one group,
  // shards of equal length.
  const int32_t* segment_begin = nullptr;
  // Floats from a group's weight (and weight gradient) to the next group's.
  int64_t weight_stride = 0;
};

}  // namespace colossus::kernels
