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
// Numerics (chain: fused multiply-adds in the stated order, from 0):
// - q' = RoPE(q) * c with c = multiplier / cap (cap > 0) or multiplier *
// log2(e);
//   a cos - b sin is fma(-b, sin, a * cos). q'.k is a chain over K in order.
// - y = (cap * log2(e) * position_scale) * tanh(q'.k), or position_scale *
// q'.k:
//   the score in units of log(2). p = 2^(y - m).
// - Keys come in tiles of kKeyTile from key 0 on. m is 0 throughout where the
//   exponent is bounded (uses_fixed_max); else the maximum of y over the keys
//   so far, and the sums are multiplied by 2^(old m - m) once a tile.
// - The sum of p is a chain of additions over keys in order, and so, of fmas,
// is
//   the weighted sum of values, which is then multiplied by 1 / sum.
// - Backward: D = sum over K of do * o in 16 lanes and the fixed tree;
//   p = 2^(y - lse log2(e)), ds = p (do.v - D) position_scale (1 - tanh^2).
//   dq is a chain over keys in order, dk (from q') and dv are chains over (head
//   of the group, query) in order, head-major; then scaled, then rotated back.
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

// With a soft cap up to 50 and no further scale, e^s lies within 10^+-22: no
// running maximum is needed.
inline constexpr float kMaxFixedSoftcap = 50.0f;
inline bool uses_fixed_max(const AttentionShape& shape) {
  return shape.softcap > 0 && shape.softcap <= kMaxFixedSoftcap &&
         shape.position_scale_T == nullptr;
}

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
