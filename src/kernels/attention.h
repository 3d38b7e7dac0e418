// Causal grouped-query attention with rotary positions and a logit softcap, by
// tiles: no T x T matrix in memory.
//
// B sequences of T tokens; H query heads, G key/value heads, head h reads key
// head h / (H/G); K head dim. A row of qkv is [q: H*K | k: G*K | v: G*K].
//
//   q, k  = RoPE(q), RoPE(k)           halves: (a cos - b sin, b cos + a sin)
//   s     = softcap(multiplier * q.k)  cap * tanh(s / cap); cap 0 = none
//   s    *= position_scale_T[query]    where given (Grok-2 past 1024)
//   o     = softmax(s over keys <= query) v
//
// Numerics: q.k is a chain over K in order; keys come in tiles of kKeyTile from
// key 0 on; within a tile the weighted sum over keys is a chain in order; the
// running maximum and sum are rescaled once a tile. dk and dv are chains over
// (head of the group, query) in order, head-major.
#pragma once

#include <cstdint>

namespace colossus::kernels {

inline constexpr int64_t kKeyTile = 64;

// cos and sin of position * theta^(-2j/K), [T, K/2] each.
struct RopeTable {
  const float* cos_TJ;
  const float* sin_TJ;
};

struct AttentionShape {
  int64_t num_sequences, seq_len;
  int64_t num_q_heads, num_kv_heads, head_dim;
  float multiplier, softcap;
  RopeTable rope;
  const float* position_scale_T = nullptr;

  int64_t q_dim() const { return num_q_heads * head_dim; }
  int64_t kv_dim() const { return num_kv_heads * head_dim; }
  int64_t qkv_dim() const { return q_dim() + 2 * kv_dim(); }
};

struct AttentionForward {
  AttentionShape shape;
  const float* qkv_BTC;  // C = qkv_dim, before RoPE
  float* o_BTHK;
  float* lse_BHT;  // log of the sum of exponentials, for the backward pass
};

struct AttentionBackward {
  AttentionShape shape;
  const float* qkv_BTC;
  const float* o_BTHK;
  const float* do_BTHK;
  const float* lse_BHT;
  float* dqkv_BTC;  // written
};

// One new token of one sequence against cached keys and values: RoPE at
// `position`, append to the cache, attend over positions 0..position.
struct AttentionDecode {
  AttentionShape shape;  // seq_len = capacity of the cache and of the tables
  int64_t position;
  const float* qkv_C;
  float* k_cache_GTK;  // rotated keys
  float* v_cache_GTK;
  float* o_HK;
};

}  // namespace colossus::kernels
