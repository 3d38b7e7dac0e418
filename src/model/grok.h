// The Grok decoder, forward and backward, for batches of one fixed shape.
//
// Holds pointers into an arena and a backend, which must outlive it; the
// weights and gradients are flat vectors (parameters.h) passed to each call.
// One caller at a time.
//
//   x0 = Emb[token] * embedding_multiplier,  a0 = RMSNorm(x0; pre_attn_norm)
//   for each layer:
//     x', m = residual norm (x, Attention(a); post_attn_norm, pre_moe_norm)
//     x, a  = residual norm (x', FeedForward(m); post_moe_norm, the next
//             layer's pre_attn_norm, after the last layer model.norm)
//   loss = head(a)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/model_config.h"
#include "kernels/embedding.h"
#include "model/attention_block.h"
#include "model/feed_forward.h"
#include "model/layout.h"
#include "model/parameters.h"

namespace colossus::model {

// What one call says of its shards, P of them.
struct BatchResult {
  std::vector<double> loss_P;  // mean cross-entropy of the micro-batch, nats
  std::vector<double> aux_loss_P;  // weighted router losses, mean over layers
  std::vector<float> expert_load_LE;  // share of assignments, mean over shards
};

class Grok {
 public:
  enum class Mode { kForwardOnly, kTraining };

  // Takes its memory from `arena` (a planning arena gives an object that can
  // only be asked for sizes).
  Grok(const config::ModelConfig& config, const BatchShape& shape, Mode mode,
       kernels::Backend& backend, tensor::Arena& arena);

  const ParameterList& parameters() const { return parameters_; }
  const BatchShape& shape() const { return shape_; }

  // The gradient of each shard's loss + aux loss, summed over the shards by the
  // tree. accumulate: go on from what `grad` holds (one shard only: the next
  // micro-batch); else `grad` is written.
  BatchResult forward_backward(const float* w,
                               std::span<const int32_t> tokens_N,
                               std::span<const int32_t> targets_N, float* grad,
                               bool accumulate);

  // Cross-entropy of each token in nats.
  void token_losses(const float* w, std::span<const int32_t> tokens_N,
                    std::span<const int32_t> targets_N,
                    std::span<float> losses_N);

  // After either call: the residual stream behind a layer [N, D], the router
  // losses of the shards, and logits of rows [first, first + count) [count, V].
  const float* hidden_ND(int64_t layer) const;
  std::vector<double> aux_losses() const;
  void logits(const float* w, int64_t first, int64_t count,
              float* logits_NV) const;

 private:
  // One layer's tensors that outlive the forward pass.
  struct LayerActivations {
    AttentionActivations attention;
    FeedForwardActivations feed_forward;
    float *a_ND, *attn_branch_ND, *x_mid_ND, *m_ND, *ffn_branch_ND, *x_out_ND;
    float *post_attn_inv_rms_N, *pre_moe_inv_rms_N;
    float *post_moe_inv_rms_N, *next_inv_rms_N;
  };

  void take_activations(tensor::Arena& arena);
  void take_scratch(tensor::Arena& arena);
  void forward(const float* w, std::span<const int32_t> tokens_N);
  void forward_layer(const float* w, int64_t layer);
  void head_and_loss(const float* w, std::span<const int32_t> targets_N,
                     float* grad, kernels::Shards shards);
  void backward(const float* w, std::span<const int32_t> tokens_N, float* grad,
                kernels::Shards shards);
  void backward_layer(const float* w, int64_t layer, float* grad,
                      kernels::Shards shards);
  void embedding_backward(std::span<const int32_t> tokens_N, float* grad,
                          kernels::Shards shards);
  void find_touched_rows(std::span<const int32_t> tokens_N);

  BlockContext context(kernels::Shards shards) const;
  // What the norm behind a layer's feed-forward feeds, and its scale.
  float* next_input_ND(int64_t layer) const;
  int64_t next_norm(int64_t layer) const;
  BatchResult result() const;

  const config::ModelConfig config_;
  const BatchShape shape_;
  kernels::Backend& backend_;
  const ParameterList parameters_;
  kernels::AttentionShape attention_;

  std::vector<LayerActivations> layers_;
  float* x0_ND_ = nullptr;
  float* first_inv_rms_N_ = nullptr;
  float* h_ND_ = nullptr;  // the head's input
  float* losses_N_ = nullptr;

  FeedForwardScratch feed_forward_scratch_;
  AttentionScratch attention_scratch_;
  float *dx_ND_ = nullptr, *dy_ND_ = nullptr, *dbranch_ND_ = nullptr;
  float* norm_workspace_ = nullptr;
  float* head_workspace_ = nullptr;
  int32_t *touched_row_ = nullptr, *touched_index_N_ = nullptr;
  int32_t* index_of_token_V_ = nullptr;
  float* shard_rows_ = nullptr;
  kernels::TouchedRows touched_;
};

}  // namespace colossus::model
