// The feed-forward sub-layer: dense, mixture of experts, or both (Grok-2), from
// the normalised input m to the branch that the post-norm takes.
// R tokens, D dim, F hidden width, E experts, S selected; P shards.
#pragma once

#include "model/layout.h"

namespace colossus::model {

struct FeedForwardWeights {
  const float* router_ED = nullptr;
  const float* experts = nullptr;  // expert 0: [w1; w3] [2F,D], w2 [D,F]
  int64_t expert_stride = 0;       // floats to the next expert
  int64_t expert_down = 0;         // floats from w1 to w2
  const float* gate_up_2FD = nullptr;
  const float* down_DF = nullptr;
};
struct FeedForwardGradients {
  float* router_ED = nullptr;
  float* experts = nullptr;
  float* gate_up_2FD = nullptr;
  float* down_DF = nullptr;
};

// Kept from forward to backward, one a layer.
struct FeedForwardActivations {
  // Experts.
  float* logits_RE = nullptr;
  float* probs_RE = nullptr;
  int32_t* expert_RS = nullptr;
  float* weight_RS = nullptr;
  int32_t* slot_RS = nullptr;
  int32_t* row_of_slot = nullptr;
  int32_t* segment_begin = nullptr;
  float* gate_up_slots = nullptr;  // [R*S, 2F]
  float* y_slots = nullptr;        // [R*S, D]
  float* share_PE = nullptr;
  float* balance_loss_P = nullptr;
  float* z_loss_P = nullptr;
  // Dense.
  float* gate_up_R2F = nullptr;
};

// Shared by all layers, live during one call.
struct FeedForwardScratch {
  float* h_slots = nullptr;   // [R*S, F]
  float* dm_slots = nullptr;  // [R*S, D]
  float* dweight_RS = nullptr;
  float* dlogits_RE = nullptr;
  float* h_RF = nullptr;
  float* dense_RD = nullptr;  // output, and in the backward its gradient
  float* ddense_m_RD = nullptr;
};

FeedForwardActivations take_feed_forward_activations(
    const config::ModelConfig& config, const BatchShape& shape,
    tensor::Arena& arena);
FeedForwardScratch take_feed_forward_scratch(const config::ModelConfig& config,
                                             const BatchShape& shape,
                                             tensor::Arena& arena);

void feed_forward_forward(const BlockContext& context,
                          const FeedForwardWeights& w, const float* m_RD,
                          const FeedForwardActivations& act,
                          const FeedForwardScratch& scratch, float* branch_RD);

// Writes dm_RD; overwrites act's gate_up and y_slots. The router's losses enter
// with their weights from the config, averaged over layers.
void feed_forward_backward(const BlockContext& context,
                           const FeedForwardWeights& w, const float* m_RD,
                           const FeedForwardActivations& act,
                           const FeedForwardScratch& scratch,
                           const float* dbranch_RD, float* dm_RD,
                           const FeedForwardGradients& grad);

}  // namespace colossus::model
