// The output head and the cross-entropy over the vocabulary, forward and
// backward at once, without the logits of all tokens in memory: they exist for
// one chunk of tokens at a time. N tokens, V vocabulary, D dim.
//
//   z    = multiplier * h_ND w_VD^T
//   l    = softcap(z)                              cap 0 = none
//   loss = logsumexp(l) - l[target]                nats, per token
//   dl   = grad_scale * (softmax(l) - onehot)
//   dh   = (dl * dl/dz * multiplier) w,  dw likewise from h (shards: shards.h)
//
// logsumexp: the maximum, then the sum of exp(l - max), over 16 lanes (column
// mod 16), each in order, and their fixed tree.
#pragma once

#include <cstdint>

#include "kernels/embedding.h"
#include "kernels/shards.h"

namespace colossus::kernels {

struct HeadLoss {
  int64_t num_tokens, dim, vocab_size;
  float multiplier, softcap;
  const float* h_ND;
  const float* w_VD;
  const int32_t* targets_N;
  float* losses_N;
  // Backward; dh null: the loss alone.
  float grad_scale = 0;
  float* dh_ND = nullptr;
  float* dw_VD = nullptr;
  Shards shards = {};
  // With more than one shard and a tied table: shard_rows is written.
  TouchedRows touched = {};
  float* workspace = nullptr;  // Backend::head_workspace_floats
};

// logits_NV, softcap applied: for generation and for checks, few tokens.
struct HeadLogits {
  int64_t num_tokens, dim, vocab_size;
  float multiplier, softcap;
  const float* h_ND;
  const float* w_VD;
  float* logits_NV;
};

}  // namespace colossus::kernels
