// The attention sub-layer: from the normalised input to the branch that the
// post-norm takes. R tokens, D dim, C = qkv_dim, H heads, K head dim.
#pragma once

#include "kernels/attention.h"
#include "model/layout.h"

namespace colossus::model {

struct AttentionWeights {
  const float* qkv_CD;
  const float* o_DHK;
};
struct AttentionGradients {
  float* qkv_CD;
  float* o_DHK;
};

// Kept from forward to backward, one a layer.
struct AttentionActivations {
  float* qkv_RC;
  float* o_RHK;
  float* lse_BHT;
};

// Needed only during a backward call, shared by all layers.
struct AttentionScratch {
  float* do_RHK;
  float* dqkv_RC;
};

AttentionActivations take_attention_activations(
    const config::ModelConfig& config, const BatchShape& shape,
    tensor::Arena& arena);
AttentionScratch take_attention_scratch(const config::ModelConfig& config,
                                        const BatchShape& shape,
                                        tensor::Arena& arena);

void attention_block_forward(const BlockContext& context,
                             const kernels::AttentionShape& attention,
                             const AttentionWeights& w, const float* a_RD,
                             const AttentionActivations& act, float* branch_RD);

// Writes da_RD.
void attention_block_backward(const BlockContext& context,
                              const kernels::AttentionShape& attention,
                              const AttentionWeights& w, const float* a_RD,
                              const AttentionActivations& act,
                              const AttentionScratch& scratch,
                              const float* dbranch_RD, float* da_RD,
                              const AttentionGradients& grad);

}  // namespace colossus::model
