// The embedding table's look-up and its gradient. N tokens, V vocabulary, D
// dim.
#pragma once

#include <cstdint>

#include "kernels/shards.h"

namespace colossus::kernels {

// x_ND = w_VD[token] * multiplier
struct EmbeddingForward {
  int64_t num_tokens, dim;
  float multiplier;
  const int32_t* tokens_N;
  const float* w_VD;
  float* x_ND;
};

// The rows of a table that a call's tokens touch, each once, ascending, and for
// tied tables room for each shard's own gradient of them.
//
// A tied table gets two gradients, the head's and the look-up's. A shard's own
// is (head's chain) + (look-ups in the order of the tokens); only then does the
// tree add shards. So where shards are computed together, the head leaves each
// shard's part of the touched rows here, and the look-up finishes them.
struct TouchedRows {
  int64_t num_rows = 0;
  const int32_t* row_U = nullptr;    // [U] vocabulary ids
  const int32_t* index_N = nullptr;  // [N] place in row_U of each token
  float* shard_rows_PUD = nullptr;   // [num_shards, U, D]
};

// dw_VD[token] += dx_ND * multiplier (fused), in the order of the tokens.
//   one shard:    added to what dw holds (the head's gradient, or what was
//                 there; the caller zeroes dw where nothing was).
//   more shards:  the sum starts from touched.shard_rows (the head's, or
//                 zeros), then the tree over shards *replaces* dw's touched
//                 rows; other rows are left alone.
struct EmbeddingBackward {
  int64_t num_tokens, dim;
  float multiplier;
  const int32_t* tokens_N;
  const float* dx_ND;
  float* dw_VD;
  int64_t num_shards;
  TouchedRows touched;
};

}  // namespace colossus::kernels
