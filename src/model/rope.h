// Tables of the rotary positions and of Grok-2's scale for long contexts.
#pragma once

#include "config/model_config.h"
#include "kernels/attention.h"

namespace colossus::tensor {
class Arena;
}

namespace colossus::model {

// The attention operation's shape for `num_sequences` sequences of `seq_len`
// tokens, with its tables in `arena` (of which it keeps pointers).
//   angle of (position t, pair j) = t * theta^(-2j/K)
//   position scale of query n past long_context_start L: log(n) / log(L)
kernels::AttentionShape make_attention_shape(const config::ModelConfig& config,
                                             int64_t num_sequences,
                                             int64_t seq_len,
                                             tensor::Arena& arena);

}  // namespace colossus::model
