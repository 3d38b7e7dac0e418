// One new token against the KV cache. The order of every sum is the forward
// pass's, so the result has the bits of the forward's row at that position.
//
// Shapes: K head_dim; R query heads of one key head; N keys of a tile.
#include "kernels/cpu/attention.h"

#include <algorithm>
#include <limits>

#include "kernels/cpu/attention_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention_decode.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/attention_product-inl.h"
#include "kernels/cpu/attention_rows-inl.h"
#include "kernels/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

struct DecodeTiles {
  explicit DecodeTiles(ScratchTaker taker)
      : q_RK(taker.take(kRowsFloats)),
        o_RK(taker.take(kRowsFloats)),
        rows_NK(taker.take(kRowsFloats)),
        k_KN(taker.take(kTransposedFloats)),
        p_RN(taker.take(kScoresFloats)) {}
  float *q_RK, *o_RK, *rows_NK, *k_KN, *p_RN;
};

// The running state of one query head.
struct HeadSum {
  float max, sum;
};

struct DecodeGroup {
  const AttentionDecode& args;
  ScoreConstants scores;
  float score_scale;
  int64_t kv_head, first_head, num_heads;  // of q, at most kTile at once
  DecodeTiles& tiles;
};

HWY_INLINE void append_to_cache(const AttentionDecode& a, int64_t kv_head) {
  const AttentionShape& s = a.shape;
  const int64_t group = s.num_q_heads / s.num_kv_heads;
  const HeadOffsets at = head_offsets(s, kv_head * group);
  const int64_t row = (kv_head * s.seq_len + a.position) * s.head_dim;
  const int64_t angle = a.position * (s.head_dim / 2);
  rotate_row(a.qkv_C + at.k, s.rope.cos_TJ + angle, s.rope.sin_TJ + angle,
             s.head_dim, 1.0f, 1.0f, a.k_cache_GTK + row);
  std::copy_n(a.qkv_C + at.v, s.head_dim, a.v_cache_GTK + row);
}

HWY_INLINE void pack_heads(const DecodeGroup& g) {
  const AttentionShape& s = g.args.shape;
  const int64_t angle = g.args.position * (s.head_dim / 2);
  for (int64_t r = 0; r < g.num_heads; ++r) {
    float* row = g.tiles.q_RK + r * kRowStride;
    rotate_row(g.args.qkv_C + (g.first_head + r) * s.head_dim,
               s.rope.cos_TJ + angle, s.rope.sin_TJ + angle, s.head_dim, 1.0f,
               g.scores.q_scale, row);
    zero_pad(row, s.head_dim);
  }
}

// y of a row of raw scores, and their maximum with `max`; past the last key
// -infinity.
HWY_INLINE float decode_scores(const DecodeGroup& g, int64_t num_keys,
                               float max, float* p_N) {
  V16 most = set1(max);
  const V16 last = set1(static_cast<float>(num_keys - 1));
  const V16 lowest = set1(-std::numeric_limits<float>::infinity());
  for (int64_t n = 0; n < kTile; n += kVec) {
    V16 y = load16(p_N + n);
    if (g.scores.capped) y = tanh16(y);
    y = mul(set1(g.score_scale), y);
    y = if_less(last, counting16(static_cast<float>(n)), lowest, y);
    most = max16(most, y);
    store16(y, p_N + n);
  }
  return g.scores.fixed_max ? 0.0f : max_lanes(most);
}

HWY_INLINE void decode_weights(const DecodeGroup& g, int64_t num_keys,
                               HeadSum& head, float* p_N, float* o_K) {
  const float max = decode_scores(g, num_keys, head.max, p_N);
  for (int64_t n = 0; n < kTile; n += kVec) {
    store16(exp2_bounded16(sub(load16(p_N + n), set1(max))), p_N + n);
  }
  if (!g.scores.fixed_max) {
    HWY_ALIGN float rescale[kVec];
    store16(exp2_bounded16(set1(head.max - max)), rescale);
    head.sum *= rescale[0];
    for (int64_t j = 0; j < kMaxHeadDim; j += kVec) {
      store16(mul(load16(o_K + j), set1(rescale[0])), o_K + j);
    }
  }
  for (int64_t n = 0; n < num_keys; ++n) head.sum += p_N[n];
  head.max = max;
}

HWY_INLINE void decode_tile(const DecodeGroup& g, int64_t tile,
                            HeadSum* heads) {
  const AttentionShape& s = g.args.shape;
  const DecodeTiles& t = g.tiles;
  const int64_t num_keys = tile_rows(g.args.position + 1, tile);
  const int64_t row = (g.kv_head * s.seq_len + tile * kTile) * s.head_dim;
  pack_rows(g.args.k_cache_GTK + row, s.head_dim, num_keys, s.head_dim,
            t.rows_NK);
  transpose_rows(t.rows_NK, num_keys, s.head_dim, t.k_KN);
  product<RowsOperand, kTile, kTile, false>(
      t.q_RK, t.k_KN, g.num_heads, vecs_of(num_keys),
      [&](int64_t, int64_t) {
        return ChainRange{0, s.head_dim};
      },
      t.p_RN);
  for (int64_t r = 0; r < g.num_heads; ++r) {
    decode_weights(g, num_keys, heads[r], t.p_RN + r * kTile,
                   t.o_RK + r * kRowStride);
  }
  pack_rows(g.args.v_cache_GTK + row, s.head_dim, num_keys, s.head_dim,
            t.rows_NK);
  product<ScoresOperand, kRowStride, kRowStride, true>(
      t.p_RN, t.rows_NK, g.num_heads, vecs_of(s.head_dim),
      [&](int64_t, int64_t) {
        return ChainRange{0, num_keys};
      },
      t.o_RK);
}

HWY_INLINE void decode_heads(const DecodeGroup& g) {
  const AttentionShape& s = g.args.shape;
  HeadSum heads[kTile];
  const float lowest = -std::numeric_limits<float>::infinity();
  std::fill_n(heads, kTile, HeadSum{g.scores.fixed_max ? 0.0f : lowest, 0.0f});
  std::fill_n(g.tiles.o_RK, kRowsFloats, 0.0f);
  pack_heads(g);
  for (int64_t tile = 0; tile < num_tiles(g.args.position + 1); ++tile) {
    decode_tile(g, tile, heads);
  }
  for (int64_t r = 0; r < g.num_heads; ++r) {
    const V16 inverse = set1(1.0f / heads[r].sum);
    float* o_K = g.args.o_HK + (g.first_head + r) * s.head_dim;
    for (int64_t j = 0; j < s.head_dim; j += kVec) {
      const V16 o = load16(g.tiles.o_RK + r * kRowStride + j);
      store_some(mul(o, inverse), o_K + j, s.head_dim - j);
    }
  }
}

void decode_kv_head(const AttentionDecode& a, int64_t kv_head, float* scratch) {
  const AttentionShape& s = a.shape;
  DecodeTiles tiles{ScratchTaker(scratch)};
  append_to_cache(a, kv_head);
  const ScoreConstants scores = score_constants(s);
  const float position_scale =
      s.position_scale_T == nullptr ? 1.0f : s.position_scale_T[a.position];
  const int64_t group = s.num_q_heads / s.num_kv_heads;
  for (int64_t h = 0; h < group; h += kTile) {
    decode_heads({a, scores, scores.score_scale * position_scale, kv_head,
                  kv_head * group + h, std::min(kTile, group - h), tiles});
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {
HWY_EXPORT(decode_kv_head);

void attention_decode(const Context& context, const AttentionDecode& args) {
  check_attention_shape(args.shape);
  COLOSSUS_CHECK(args.position >= 0 && args.position < args.shape.seq_len,
                 "position is {} of {}", args.position, args.shape.seq_len);
  context.pool.run(args.shape.num_kv_heads, [&](int64_t g, int thread) {
    HWY_DYNAMIC_DISPATCH(decode_kv_head)
    (args, g, context.scratch[static_cast<size_t>(thread)]);
  });
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
