// The Grok decoder one token after another, with cached keys and values: what
// generation uses. One sequence; memory from an arena; one caller at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/model_config.h"
#include "kernels/attention.h"
#include "model/feed_forward.h"
#include "model/layout.h"
#include "model/parameters.h"

namespace colossus::model {

class Decoder {
 public:
  // `capacity`: the longest sequence, prompt included. `arena` and `backend`
  // must outlive it.
  Decoder(const config::ModelConfig& config, int64_t capacity,
          kernels::Backend& backend, tensor::Arena& arena);

  int64_t capacity() const { return attention_.seq_len; }
  int64_t position() const { return position_; }  // tokens seen so far
  void reset() { position_ = 0; }

  // Appends tokens (position() + their number <= capacity()) and returns the
  // logits behind the last one, [V], valid until the next call. Each token sees
  // all before it, as in training.
  std::span<const float> append(const float* w,
                                std::span<const int32_t> tokens);

 private:
  // Tokens of a prompt that go through the products at once.
  static constexpr int64_t kChunk = 32;

  struct LayerCache {
    float* k_GTK;
    float* v_GTK;
  };

  void forward_chunk(const float* w, std::span<const int32_t> tokens);
  void forward_layer(const float* w, int64_t layer, const BlockContext& block);
  void attend(const float* w, int64_t layer, const BlockContext& block);

  const config::ModelConfig config_;
  kernels::Backend& backend_;
  const ParameterList parameters_;
  kernels::AttentionShape attention_;
  int64_t position_ = 0;

  std::vector<LayerCache> caches_;
  FeedForwardActivations feed_forward_;
  FeedForwardScratch feed_forward_scratch_;
  // [kChunk, ...]; the residual stream alternates between x and x_next.
  float *x_ND_, *x_next_ND_, *a_ND_, *branch_ND_;
  float *qkv_NC_, *o_NHK_, *inv_rms_N_;
  float* logits_V_;
};

}  // namespace colossus::model
