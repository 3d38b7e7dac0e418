#include "model/decoder.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "kernels/backend.h"
#include "model/rope.h"
#include "tensor/arena.h"

namespace colossus::model {

Decoder::Decoder(const config::ModelConfig& config, int64_t capacity,
                 kernels::Backend& backend, tensor::Arena& arena)
    : config_(config),
      backend_(backend),
      parameters_(config),
      attention_(make_attention_shape(config, 1, capacity, arena)) {
  const auto floats = [&](int64_t count, const char* label) {
    return arena.take<float>(count, label);
  };
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    const int64_t count = capacity * config_.kv_dim();
    caches_.push_back({floats(count, "KV cache"), floats(count, "KV cache")});
  }
  const BatchShape chunk{.seq_len = kChunk};
  feed_forward_ = take_feed_forward_activations(config_, chunk, arena);
  feed_forward_scratch_ = take_feed_forward_scratch(config_, chunk, arena);
  for (float** tensor : {&x_ND_, &x_next_ND_, &a_ND_, &branch_ND_}) {
    *tensor = floats(kChunk * config_.model_dim, "decode");
  }
  qkv_NC_ = floats(kChunk * config_.qkv_dim(), "decode");
  o_NHK_ = floats(kChunk * config_.q_dim(), "decode");
  inv_rms_N_ = floats(2 * kChunk, "decode");
  logits_V_ = floats(config_.vocab_size, "decode");
}

std::span<const float> Decoder::append(const float* w,
                                       std::span<const int32_t> tokens) {
  const auto count = static_cast<int64_t>(tokens.size());
  COLOSSUS_CHECK(count > 0 && position_ + count <= capacity(),
                 "{} tokens at {} of {}", count, position_, capacity());
  int64_t last = 0;
  for (int64_t at = 0; at < count; at += kChunk) {
    const int64_t size = std::min(kChunk, count - at);
    forward_chunk(
        w, tokens.subspan(static_cast<size_t>(at), static_cast<size_t>(size)));
    last = size - 1;
  }
  backend_.head_logits(
      {.num_tokens = 1,
       .dim = config_.model_dim,
       .vocab_size = config_.vocab_size,
       .multiplier = static_cast<float>(config_.output_multiplier),
       .softcap = static_cast<float>(config_.final_logit_softcap),
       .h_ND = a_ND_ + last * config_.model_dim,
       .w_VD = w + parameters_.head(),
       .logits_NV = logits_V_});
  return {logits_V_, static_cast<size_t>(config_.vocab_size)};
}

void Decoder::forward_chunk(const float* w, std::span<const int32_t> tokens) {
  const auto N = static_cast<int64_t>(tokens.size());
  const BlockContext block{config_, {.seq_len = N}, backend_, {}};
  backend_.embedding_forward(
      {.num_tokens = N,
       .dim = config_.model_dim,
       .multiplier = static_cast<float>(config_.embedding_multiplier),
       .tokens_N = tokens.data(),
       .w_VD = w + parameters_.embedding(),
       .x_ND = x_ND_});
  backend_.rms_norm_forward({.rows = N,
                             .dim = config_.model_dim,
                             .eps = static_cast<float>(config_.rms_norm_eps),
                             .x_RD = x_ND_,
                             .scale_D = w + parameters_.layer(0).pre_attn_norm,
                             .y_RD = a_ND_,
                             .inv_rms_R = inv_rms_N_});
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    forward_layer(w, layer, block);
  }
  position_ += N;
}

void Decoder::forward_layer(const float* w, int64_t layer,
                            const BlockContext& block) {
  const LayerOffsets& o = parameters_.layer(layer);
  const bool last = layer + 1 == config_.num_layers;
  const int64_t next = last ? parameters_.final_norm()
                            : parameters_.layer(layer + 1).pre_attn_norm;
  // x, a = residual norm (x, branch; post, next)
  const auto residual_norm = [&](int64_t post_scale, int64_t next_scale) {
    backend_.residual_norm_forward(
        {.rows = block.shape.num_tokens(),
         .dim = config_.model_dim,
         .eps = static_cast<float>(config_.rms_norm_eps),
         .x_RD = x_ND_,
         .branch_RD = branch_ND_,
         .post_scale_D = w + post_scale,
         .next_scale_D = w + next_scale,
         .x_out_RD = x_next_ND_,
         .y_RD = a_ND_,
         .post_inv_rms_R = inv_rms_N_,
         .next_inv_rms_R = inv_rms_N_ + kChunk});
    std::swap(x_ND_, x_next_ND_);
  };
  attend(w, layer, block);
  residual_norm(o.post_attn_norm, o.pre_moe_norm);
  feed_forward_forward(block, layer_feed_forward(config_, o, w), a_ND_,
                       feed_forward_, feed_forward_scratch_, branch_ND_);
  residual_norm(o.post_moe_norm, next);
}

// branch = attention over the cache, to which the chunk's tokens are added.
void Decoder::attend(const float* w, int64_t layer, const BlockContext& block) {
  const LayerOffsets& o = parameters_.layer(layer);
  const LayerCache& cache = caches_[static_cast<size_t>(layer)];
  const int64_t N = block.shape.num_tokens();
  backend_.linear_forward({.rows = N,
                           .in_dim = config_.model_dim,
                           .out_dim = config_.qkv_dim(),
                           .x_RI = a_ND_,
                           .w_OI = w + o.qkv,
                           .y_RO = qkv_NC_});
  for (int64_t n = 0; n < N; ++n) {
    backend_.attention_decode({.shape = attention_,
                               .position = position_ + n,
                               .qkv_C = qkv_NC_ + n * config_.qkv_dim(),
                               .k_cache_GTK = cache.k_GTK,
                               .v_cache_GTK = cache.v_GTK,
                               .o_HK = o_NHK_ + n * config_.q_dim()});
  }
  backend_.linear_forward({.rows = N,
                           .in_dim = config_.q_dim(),
                           .out_dim = config_.model_dim,
                           .x_RI = o_NHK_,
                           .w_OI = w + o.o,
                           .y_RO = branch_ND_});
}

}  // namespace colossus::model
