#include "model/grok.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/backend.h"
#include "model/rope.h"
#include "tensor/arena.h"

namespace colossus::model {

Grok::Grok(const config::ModelConfig& config, const BatchShape& shape,
           Mode mode, kernels::Backend& backend, tensor::Arena& arena)
    : config_(config),
      shape_(shape),
      backend_(backend),
      parameters_(config),
      attention_(make_attention_shape(config, shape.num_sequences(),
                                      shape.seq_len, arena)) {
  take_activations(arena);
  feed_forward_scratch_ = take_feed_forward_scratch(config_, shape_, arena);
  const bool training = mode == Mode::kTraining;
  head_workspace_ =
      arena.take<float>(backend_.head_workspace_floats(
                            shape_.num_tokens(), config_.model_dim,
                            config_.vocab_size, shape_.num_shards, training),
                        "logits");
  if (training) take_scratch(arena);
}

void Grok::take_activations(tensor::Arena& arena) {
  const int64_t N = shape_.num_tokens(), D = config_.model_dim;
  const auto floats = [&](int64_t count) {
    return arena.take<float>(count, "activations");
  };
  x0_ND_ = floats(N * D);
  first_inv_rms_N_ = floats(N);
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    LayerActivations a;
    a.attention = take_attention_activations(config_, shape_, arena);
    a.feed_forward = take_feed_forward_activations(config_, shape_, arena);
    for (float** tensor : {&a.a_ND, &a.attn_branch_ND, &a.x_mid_ND, &a.m_ND,
                           &a.ffn_branch_ND, &a.x_out_ND}) {
      *tensor = floats(N * D);
    }
    for (float** tensor : {&a.post_attn_inv_rms_N, &a.pre_moe_inv_rms_N,
                           &a.post_moe_inv_rms_N, &a.next_inv_rms_N}) {
      *tensor = floats(N);
    }
    layers_.push_back(a);
  }
  h_ND_ = floats(N * D);
  losses_N_ = floats(N);
}

void Grok::take_scratch(tensor::Arena& arena) {
  const int64_t N = shape_.num_tokens(), D = config_.model_dim;
  attention_scratch_ = take_attention_scratch(config_, shape_, arena);
  for (float** tensor : {&dx_ND_, &dy_ND_, &dbranch_ND_}) {
    *tensor = arena.take<float>(N * D, "backward scratch");
  }
  norm_workspace_ = arena.take<float>(
      kernels::norm_backward_workspace_floats(N, D, shape_.num_shards),
      "backward scratch");
  if (shape_.num_shards == 1) return;
  const int64_t most_rows = std::min(N, config_.vocab_size);
  touched_row_ = arena.take<int32_t>(most_rows, "backward scratch");
  touched_index_N_ = arena.take<int32_t>(N, "backward scratch");
  index_of_token_V_ =
      arena.take<int32_t>(config_.vocab_size, "backward scratch");
  shard_rows_ = arena.take<float>(shape_.num_shards * most_rows * D,
                                  "embedding rows of shards");
}

BlockContext Grok::context(kernels::Shards shards) const {
  return {config_, shape_, backend_, shards};
}

float* Grok::next_input_ND(int64_t layer) const {
  return layer + 1 < config_.num_layers
             ? layers_[static_cast<size_t>(layer + 1)].a_ND
             : h_ND_;
}

int64_t Grok::next_norm(int64_t layer) const {
  return layer + 1 < config_.num_layers
             ? parameters_.layer(layer + 1).pre_attn_norm
             : parameters_.final_norm();
}

void Grok::forward(const float* w, std::span<const int32_t> tokens_N) {
  const int64_t N = shape_.num_tokens(), D = config_.model_dim;
  COLOSSUS_CHECK(static_cast<int64_t>(tokens_N.size()) == N,
                 "{} tokens for a batch of {}", tokens_N.size(), N);
  backend_.embedding_forward(
      {.num_tokens = N,
       .dim = D,
       .multiplier = static_cast<float>(config_.embedding_multiplier),
       .tokens_N = tokens_N.data(),
       .w_VD = w + parameters_.embedding(),
       .x_ND = x0_ND_});
  backend_.rms_norm_forward({.rows = N,
                             .dim = D,
                             .eps = static_cast<float>(config_.rms_norm_eps),
                             .x_RD = x0_ND_,
                             .scale_D = w + parameters_.layer(0).pre_attn_norm,
                             .y_RD = layers_[0].a_ND,
                             .inv_rms_R = first_inv_rms_N_});
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    forward_layer(w, layer);
  }
}

void Grok::forward_layer(const float* w, int64_t layer) {
  const LayerActivations& a = layers_[static_cast<size_t>(layer)];
  const LayerOffsets& o = parameters_.layer(layer);
  const float* x_ND =
      layer == 0 ? x0_ND_ : layers_[static_cast<size_t>(layer - 1)].x_out_ND;
  const int64_t N = shape_.num_tokens(), D = config_.model_dim;
  const auto eps = static_cast<float>(config_.rms_norm_eps);
  const BlockContext block = context({});

  attention_block_forward(block, attention_, {w + o.qkv, w + o.o}, a.a_ND,
                          a.attention, a.attn_branch_ND);
  backend_.residual_norm_forward({.rows = N,
                                  .dim = D,
                                  .eps = eps,
                                  .x_RD = x_ND,
                                  .branch_RD = a.attn_branch_ND,
                                  .post_scale_D = w + o.post_attn_norm,
                                  .next_scale_D = w + o.pre_moe_norm,
                                  .x_out_RD = a.x_mid_ND,
                                  .y_RD = a.m_ND,
                                  .post_inv_rms_R = a.post_attn_inv_rms_N,
                                  .next_inv_rms_R = a.pre_moe_inv_rms_N});
  feed_forward_forward(block, layer_feed_forward(config_, o, w), a.m_ND,
                       a.feed_forward, feed_forward_scratch_, a.ffn_branch_ND);
  backend_.residual_norm_forward({.rows = N,
                                  .dim = D,
                                  .eps = eps,
                                  .x_RD = a.x_mid_ND,
                                  .branch_RD = a.ffn_branch_ND,
                                  .post_scale_D = w + o.post_moe_norm,
                                  .next_scale_D = w + next_norm(layer),
                                  .x_out_RD = a.x_out_ND,
                                  .y_RD = next_input_ND(layer),
                                  .post_inv_rms_R = a.post_moe_inv_rms_N,
                                  .next_inv_rms_R = a.next_inv_rms_N});
}

void Grok::head_and_loss(const float* w, std::span<const int32_t> targets_N,
                         float* grad, kernels::Shards shards) {
  COLOSSUS_CHECK(static_cast<int64_t>(targets_N.size()) == shape_.num_tokens(),
                 "{} targets for a batch of {}", targets_N.size(),
                 shape_.num_tokens());
  const bool training = grad != nullptr;
  const double tokens = static_cast<double>(shape_.tokens_per_shard());
  backend_.head_loss(
      {.num_tokens = shape_.num_tokens(),
       .dim = config_.model_dim,
       .vocab_size = config_.vocab_size,
       .multiplier = static_cast<float>(config_.output_multiplier),
       .softcap = static_cast<float>(config_.final_logit_softcap),
       .h_ND = h_ND_,
       .w_VD = w + parameters_.head(),
       .targets_N = targets_N.data(),
       .losses_N = losses_N_,
       .grad_scale = static_cast<float>(1 / tokens),
       .dh_ND = training ? dy_ND_ : nullptr,
       .dw_VD = training ? grad + parameters_.head() : nullptr,
       .shards = shards,
       .touched = training && config_.tie_embeddings ? touched_
                                                     : kernels::TouchedRows{},
       .workspace = head_workspace_});
}

BatchResult Grok::forward_backward(const float* w,
                                   std::span<const int32_t> tokens_N,
                                   std::span<const int32_t> targets_N,
                                   float* grad, bool accumulate) {
  COLOSSUS_CHECK(dx_ND_ != nullptr, "built for forward passes only");
  const kernels::Shards shards{shape_.num_shards, accumulate};
  forward(w, tokens_N);
  find_touched_rows(tokens_N);
  head_and_loss(w, targets_N, grad, shards);
  backward(w, tokens_N, grad, shards);
  return result();
}

void Grok::token_losses(const float* w, std::span<const int32_t> tokens_N,
                        std::span<const int32_t> targets_N,
                        std::span<float> losses_N) {
  forward(w, tokens_N);
  head_and_loss(w, targets_N, nullptr, {shape_.num_shards, false});
  std::copy_n(losses_N_, losses_N.size(), losses_N.data());
}

void Grok::backward(const float* w, std::span<const int32_t> tokens_N,
                    float* grad, kernels::Shards shards) {
  for (int64_t layer = config_.num_layers - 1; layer >= 0; --layer) {
    backward_layer(w, layer, grad, shards);
  }
  // dx_ND_ has come through the residual stream, dy_ND_ through the first norm.
  const int64_t first_norm = parameters_.layer(0).pre_attn_norm;
  backend_.rms_norm_backward({.rows = shape_.num_tokens(),
                              .dim = config_.model_dim,
                              .dy_RD = dy_ND_,
                              .x_RD = x0_ND_,
                              .scale_D = w + first_norm,
                              .inv_rms_R = first_inv_rms_N_,
                              .dx_RD = dbranch_ND_,
                              .dscale_D = grad + first_norm,
                              .shards = shards,
                              .workspace = norm_workspace_});
  backend_.add_into({.count = shape_.num_tokens() * config_.model_dim,
                     .left = dx_ND_,
                     .right = dbranch_ND_});
  embedding_backward(tokens_N, grad, shards);
}

// On entry dy_ND_ is the gradient of what follows the layer's last norm and
// dx_ND_ that of the residual stream behind it; on return of what is before it.
void Grok::backward_layer(const float* w, int64_t layer, float* grad,
                          kernels::Shards shards) {
  const LayerActivations& a = layers_[static_cast<size_t>(layer)];
  const LayerOffsets& o = parameters_.layer(layer);
  const int64_t N = shape_.num_tokens(), D = config_.model_dim;
  const bool last = layer + 1 == config_.num_layers;
  const BlockContext block = context(shards);

  backend_.residual_norm_backward({.rows = N,
                                   .dim = D,
                                   .dx_out_RD = last ? nullptr : dx_ND_,
                                   .dy_RD = dy_ND_,
                                   .x_out_RD = a.x_out_ND,
                                   .branch_RD = a.ffn_branch_ND,
                                   .post_scale_D = w + o.post_moe_norm,
                                   .next_scale_D = w + next_norm(layer),
                                   .post_inv_rms_R = a.post_moe_inv_rms_N,
                                   .next_inv_rms_R = a.next_inv_rms_N,
                                   .dx_RD = dx_ND_,
                                   .dbranch_RD = dbranch_ND_,
                                   .dpost_scale_D = grad + o.post_moe_norm,
                                   .dnext_scale_D = grad + next_norm(layer),
                                   .shards = shards,
                                   .workspace = norm_workspace_});
  feed_forward_backward(block, layer_feed_forward(config_, o, w), a.m_ND,
                        a.feed_forward, feed_forward_scratch_, dbranch_ND_,
                        dy_ND_, layer_feed_forward(config_, o, grad));
  backend_.residual_norm_backward({.rows = N,
                                   .dim = D,
                                   .dx_out_RD = dx_ND_,
                                   .dy_RD = dy_ND_,
                                   .x_out_RD = a.x_mid_ND,
                                   .branch_RD = a.attn_branch_ND,
                                   .post_scale_D = w + o.post_attn_norm,
                                   .next_scale_D = w + o.pre_moe_norm,
                                   .post_inv_rms_R = a.post_attn_inv_rms_N,
                                   .next_inv_rms_R = a.pre_moe_inv_rms_N,
                                   .dx_RD = dx_ND_,
                                   .dbranch_RD = dbranch_ND_,
                                   .dpost_scale_D = grad + o.post_attn_norm,
                                   .dnext_scale_D = grad + o.pre_moe_norm,
                                   .shards = shards,
                                   .workspace = norm_workspace_});
  attention_block_backward(block, attention_, {w + o.qkv, w + o.o}, a.a_ND,
                           a.attention, attention_scratch_, dbranch_ND_, dy_ND_,
                           {grad + o.qkv, grad + o.o});
}

void Grok::find_touched_rows(std::span<const int32_t> tokens_N) {
  if (shape_.num_shards == 1) return;
  int32_t* const index_V = index_of_token_V_;
  std::fill(index_V, index_V + config_.vocab_size, -1);
  for (const int32_t token : tokens_N) index_V[token] = 0;
  int32_t num_rows = 0;
  for (int32_t v = 0; v < config_.vocab_size; ++v) {
    if (index_V[v] < 0) continue;
    touched_row_[num_rows] = v;
    index_V[v] = num_rows++;
  }
  for (size_t n = 0; n < tokens_N.size(); ++n) {
    touched_index_N_[n] = index_V[tokens_N[n]];
  }
  touched_ = {num_rows, touched_row_, touched_index_N_, shard_rows_};
}

void Grok::embedding_backward(std::span<const int32_t> tokens_N, float* grad,
                              kernels::Shards shards) {
  const int64_t D = config_.model_dim;
  float* table = grad + parameters_.embedding();
  if (!config_.tie_embeddings) {
    if (!shards.accumulate) {
      std::fill(table, table + config_.vocab_size * D, 0.0f);
    }
    if (shards.num_shards > 1) {
      std::fill(shard_rows_,
                shard_rows_ + shards.num_shards * touched_.num_rows * D, 0.0f);
    }
  }
  backend_.embedding_backward(
      {.num_tokens = shape_.num_tokens(),
       .dim = D,
       .multiplier = static_cast<float>(config_.embedding_multiplier),
       .tokens_N = tokens_N.data(),
       .dx_ND = dx_ND_,
       .dw_VD = table,
       .num_shards = shards.num_shards,
       .touched = touched_});
}

const float* Grok::hidden_ND(int64_t layer) const {
  return layers_[static_cast<size_t>(layer)].x_out_ND;
}

void Grok::logits(const float* w, int64_t first, int64_t count,
                  float* logits_NV) const {
  backend_.head_logits(
      {.num_tokens = count,
       .dim = config_.model_dim,
       .vocab_size = config_.vocab_size,
       .multiplier = static_cast<float>(config_.output_multiplier),
       .softcap = static_cast<float>(config_.final_logit_softcap),
       .h_ND = h_ND_ + first * config_.model_dim,
       .w_VD = w + parameters_.head(),
       .logits_NV = logits_NV});
}

std::vector<double> Grok::aux_losses() const {
  std::vector<double> aux(static_cast<size_t>(shape_.num_shards), 0.0);
  if (!config_.has_experts()) return aux;
  const auto layers = static_cast<double>(config_.num_layers);
  for (size_t p = 0; p < aux.size(); ++p) {
    double balance = 0, z = 0;
    for (const LayerActivations& a : layers_) {
      balance += double{a.feed_forward.balance_loss_P[p]};
      z += double{a.feed_forward.z_loss_P[p]};
    }
    aux[p] = config_.load_balance_loss * balance / layers +
             config_.router_z_loss * z / layers;
  }
  return aux;
}

BatchResult Grok::result() const {
  BatchResult r;
  const int64_t per_shard = shape_.tokens_per_shard();
  for (int64_t p = 0; p < shape_.num_shards; ++p) {
    double sum = 0;
    for (int64_t n = p * per_shard; n < (p + 1) * per_shard; ++n) {
      sum += double{losses_N_[n]};
    }
    r.loss_P.push_back(sum / static_cast<double>(per_shard));
  }
  r.aux_loss_P = aux_losses();
  const int64_t E = config_.num_experts, P = shape_.num_shards;
  for (const LayerActivations& a : layers_) {
    for (int64_t e = 0; e < E; ++e) {
      float load = 0;
      for (int64_t p = 0; p < P; ++p) {
        load += a.feed_forward.share_PE[p * E + e];
      }
      r.expert_load_LE.push_back(load / static_cast<float>(P));
    }
  }
  return r;
}

}  // namespace colossus::model
