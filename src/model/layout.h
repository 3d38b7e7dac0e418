// The shape of one call into the model, and what its layers share.
#pragma once

#include <cstdint>

#include "config/model_config.h"
#include "kernels/attention.h"
#include "kernels/shards.h"

namespace colossus::kernels {
class Backend;
}
namespace colossus::tensor {
class Arena;
}

namespace colossus::model {

// One call computes `num_shards` shards together, of each one micro-batch.
// Rows (tokens) are ordered by shard, sequence, position.
struct BatchShape {
  int64_t num_shards = 1;
  int64_t micro_batch_size = 1;
  int64_t seq_len = 1;

  int64_t num_sequences() const { return num_shards * micro_batch_size; }
  int64_t tokens_per_shard() const { return micro_batch_size * seq_len; }
  int64_t num_tokens() const { return num_shards * tokens_per_shard(); }
};

// Passed to every block of the model.
struct BlockContext {
  const config::ModelConfig& config;
  BatchShape shape;
  kernels::Backend& backend;
  kernels::Shards shards;  // of the backward pass
};

}  // namespace colossus::model
