// How the head cuts its tokens into chunks, so that logits exist for one chunk
// at a time: pure arithmetic, no work.
#pragma once

#include <cstdint>

namespace colossus::kernels::cpu {

// The most floats of logits in one chunk (128 MiB), one token's at least.
inline constexpr int64_t kMaxChunkFloats = 32 << 20;

struct HeadPlan {
  // Tokens of a chunk; where a shard has more, its chunks continue one another.
  int64_t chunk_tokens = 1;
  // Whole shards of a chunk: a power of two. 0: chunks within a shard.
  int64_t chunk_shards = 0;
  // Gradients of the table [V, D] that wait for their right sibling in the tree
  // over shards, beside the one in dw.
  int64_t num_levels = 0;

  int64_t workspace_floats(int64_t dim, int64_t vocab_size) const {
    return (chunk_tokens + num_levels * dim) * vocab_size;
  }
};

// At most half of the tokens in a chunk. Two chunks need no waiting gradient;
// more only where a chunk would pass `max_chunk_floats` and less memory is
// needed in all.
HeadPlan plan_head(int64_t num_tokens, int64_t dim, int64_t vocab_size,
                   int64_t num_shards, bool backward,
                   int64_t max_chunk_floats = kMaxChunkFloats);

}  // namespace colossus::kernels::cpu
