// The feed-forward sub-layer: dense, mixture of experts, or both (Grok-2), from
// the normalised input m to the branch that the post-norm takes.
// R tokens, D dim, F hidden width, E experts, S selected; P shards.
#pragma once

#include "model/layout.h"
#include "model/parameters.h"

namespace colossus::model {

// Views of one layer's weights, or of their gradients.
template <typename Float>
struct FeedForwardParameters {
  Float* router_ED = nullptr;
  Float* experts = nullptr;   // expert 0: [w1; w3] [2F,D], w2 [D,F]
  int64_t expert_stride = 0;  // floats to the next expert
  int64_t expert_down = 0;    // floats from w1 to w2
  Float* gate_up_2FD = nullptr;
  Float* down_DF = nullptr;
};
using FeedForwardWeights = FeedForwardParameters<const float>;
using FeedForwardGradients = FeedForwardParameters<float>;

// The layer at `offsets` of the flat vector `flat`.
template <typename Float>
FeedForwardParameters<Float> layer_feed_forward(
    const config::ModelConfig& config, const LayerOffsets& offsets,
    Float* flat) {
  FeedForwardParameters<Float> f;
  if (config.has_experts()) {
    f.router_ED = flat + offsets.router;
    f.experts = flat + offsets.experts;
    f.expert_stride = offsets.expert_stride;
    f.expert_down = offsets.expert_down;
  }
  if (config.has_dense_ffn()) {
    f.gate_up_2FD = flat + offsets.gate_up;
    f.down_DF = flat + offsets.down;
  }
  return f;
}

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
