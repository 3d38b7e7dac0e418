#include "kernels/cpu/head_plan.h"

#include <algorithm>

namespace colossus::kernels::cpu {
namespace {

// `tokens` in the fewest chunks of at most `most`, about equally long.
int64_t even_chunk(int64_t tokens, int64_t most) {
  const int64_t chunks = (tokens + most - 1) / most;
  return (tokens + chunks - 1) / chunks;
}

}  // namespace

HeadPlan plan_head(int64_t num_tokens, int64_t dim, int64_t vocab_size,
                   int64_t num_shards, bool backward,
                   int64_t max_chunk_floats) {
  const int64_t most = std::max<int64_t>(1, max_chunk_floats / vocab_size);
  const int64_t half = std::max<int64_t>(1, num_tokens / 2);
  HeadPlan plan;
  if (!backward || num_shards == 1) {
    plan.chunk_tokens = even_chunk(num_tokens, std::min(half, most));
    return plan;
  }
  const int64_t tokens_per_shard = num_tokens / num_shards;
  plan.chunk_shards = num_shards / 2;
  plan.chunk_tokens = plan.chunk_shards * tokens_per_shard;
  while (plan.chunk_tokens > most) {
    HeadPlan finer;
    finer.num_levels = plan.num_levels + 1;
    finer.chunk_shards = plan.chunk_shards / 2;
    finer.chunk_tokens = finer.chunk_shards > 0
                             ? finer.chunk_shards * tokens_per_shard
                             : even_chunk(tokens_per_shard, most);
    if (finer.workspace_floats(dim, vocab_size) >=
        plan.workspace_floats(dim, vocab_size)) {
      break;
    }
    plan = finer;
    if (plan.chunk_shards == 0) break;
  }
  return plan;
}

}  // namespace colossus::kernels::cpu
