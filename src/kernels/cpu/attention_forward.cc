// Attention forward by tiles: for a query tile, all key tiles up to its own.
//
// Scores lie as [key][query]: 16 queries are the lanes of a vector, so that
// their maxima and sums need no reduction across lanes. Keys and values are
// rotated and packed once for all query tiles and heads of a group, as far as
// scratch memory goes.
// Shapes: T seq_len, H query heads, K head_dim; Q, N rows of a query, key tile.
#include "kernels/cpu/attention.h"

#include <algorithm>

#include "kernels/cpu/attention_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention_forward.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/attention_product-inl.h"
#include "kernels/cpu/attention_rows-inl.h"
#include "kernels/cpu/math-inl.h"

#ifndef COLOSSUS_KERNELS_CPU_ATTENTION_FORWARD_CC_
#define COLOSSUS_KERNELS_CPU_ATTENTION_FORWARD_CC_
namespace colossus::kernels::cpu {
// The (query tile, head) pairs of one sequence and key head, dealt out in turn
// to num_parts pieces.
struct ForwardPiece {
  int64_t sequence, kv_head, part, num_parts;
};
}  // namespace colossus::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

struct ForwardTiles {
  explicit ForwardTiles(ScratchTaker taker)
      : q_QK(taker.take(kRowsFloats)),
        q_KQ(taker.take(kTransposedFloats)),
        p_NQ(taker.take(kScoresFloats)),
        o_QK(taker.take(kRowsFloats)),
        max_Q(taker.take(kTile)),
        sum_Q(taker.take(kTile)),
        rescale_Q(taker.take(kTile)),
        scale_Q(taker.take(kTile)) {
    num_slots = taker.num_left() / (2 * kRowsFloats);
    keys_and_values = taker.take(num_slots * 2 * kRowsFloats);
  }
  float *q_QK, *q_KQ, *p_NQ, *o_QK;
  float *max_Q, *sum_Q, *rescale_Q, *scale_Q;
  // Slot i holds key tile i; the last slot whatever is past it.
  float* keys_and_values;
  int64_t num_slots;
  int64_t num_packed = 0;
};

struct ForwardContext {
  const AttentionForward& args;
  ScoreConstants scores;
  int64_t sequence, kv_head;

  const float* row(int64_t t) const {
    return args.qkv_BTC +
           (sequence * args.shape.seq_len + t) * args.shape.qkv_dim();
  }
};

struct KeyTile {
  const float *k_NK, *v_NK;
};

HWY_INLINE KeyTile packed_key_tile(const ForwardContext& f, int64_t tile,
                                   ForwardTiles& tiles) {
  const AttentionShape& s = f.args.shape;
  const int64_t slot = std::min(tile, tiles.num_slots - 1);
  float* k_NK = tiles.keys_and_values + slot * 2 * kRowsFloats;
  float* v_NK = k_NK + kRowsFloats;
  const bool kept = slot < tiles.num_slots - 1 && tile < tiles.num_packed;
  if (!kept) {
    const int64_t group = s.num_q_heads / s.num_kv_heads;
    const HeadOffsets at = head_offsets(s, f.kv_head * group);
    const int64_t first = tile * kTile;
    const int64_t num_keys = tile_rows(s.seq_len, tile);
    pack_rotated({f.row(first) + at.k, s.qkv_dim(), first}, num_keys, s, 1.0f,
                 k_NK);
    pack_rows(f.row(first) + at.v, s.qkv_dim(), num_keys, s.head_dim, v_NK);
    tiles.num_packed = tile + 1;
  }
  return {k_NK, v_NK};
}

// p = 2^y over `num_keys` rows of one column of 16 queries, no maximum. Queries
// before a key are masked where kMask: lane i of `query` counts from the tile's
// first key.
template <bool kMask>
HWY_INLINE V16 bounded_weights(int64_t begin, int64_t end, const V16& query,
                               const V16& scale, V16 sum, float* p_NQ) {
  for (int64_t n = begin; n < end; ++n) {
    const V16 y = mul(scale, tanh16(load16(p_NQ + n * kTile)));
    V16 p = exp2_bounded16(y);
    if (kMask) p = zero_if_less(query, set1(static_cast<float>(n)), p);
    sum = add(sum, p);
    store16(p, p_NQ + n * kTile);
  }
  return sum;
}

// y, and the maximum with it.
template <bool kCapped>
HWY_INLINE V16 scores_and_max(int64_t num_keys, const V16& query,
                              const V16& scale, V16 max, float* p_NQ) {
  const V16 lowest = set1(-std::numeric_limits<float>::infinity());
  for (int64_t n = 0; n < num_keys; ++n) {
    const V16 s = load16(p_NQ + n * kTile);
    const V16 y = mul(scale, kCapped ? tanh16(s) : s);
    const V16 key = set1(static_cast<float>(n));
    const V16 masked = if_less(query, key, lowest, y);
    max = max16(max, masked);
    store16(masked, p_NQ + n * kTile);
  }
  return max;
}

HWY_INLINE V16 weights_below_max(int64_t num_keys, const V16& max, V16 sum,
                                 float* p_NQ) {
  for (int64_t n = 0; n < num_keys; ++n) {
    const V16 p = exp2_bounded16(sub(load16(p_NQ + n * kTile), max));
    sum = add(sum, p);
    store16(p, p_NQ + n * kTile);
  }
  return sum;
}

// Raw scores to weights, in one column of 16 queries from `first_query`
// (counted from the tile's first key) on.
HWY_INLINE void column_weights(const ForwardContext& f, int64_t first_query,
                               int64_t num_keys, int64_t column,
                               ForwardTiles& tiles) {
  float* p_NQ = tiles.p_NQ + column;
  const V16 query = counting16(static_cast<float>(first_query));
  const V16 scale = load16(tiles.scale_Q + column);
  V16 sum = load16(tiles.sum_Q + column);
  if (f.scores.fixed_max) {
    const int64_t unmasked = std::min(num_keys, first_query + 1);
    sum = bounded_weights<false>(0, unmasked, query, scale, sum, p_NQ);
    sum = bounded_weights<true>(unmasked, num_keys, query, scale, sum, p_NQ);
  } else {
    const V16 old_max = load16(tiles.max_Q + column);
    const V16 max =
        f.scores.capped
            ? scores_and_max<true>(num_keys, query, scale, old_max, p_NQ)
            : scores_and_max<false>(num_keys, query, scale, old_max, p_NQ);
    const V16 rescale = exp2_bounded16(sub(old_max, max));
    sum = weights_below_max(num_keys, max, mul(sum, rescale), p_NQ);
    store16(rescale, tiles.rescale_Q + column);
    store16(max, tiles.max_Q + column);
  }
  store16(sum, tiles.sum_Q + column);
}

template <int kVecs>
HWY_INLINE void raw_scores(const float* k_NK, int64_t head_dim,
                           int64_t num_keys, int64_t column,
                           const ForwardTiles& tiles) {
  product_band<RowsOperand, kTile, kTile, false, kVecs>(
      k_NK, tiles.q_KQ + column, 0, num_keys,
      [&](int64_t, int64_t) {
        return ChainRange{0, head_dim};
      },
      tiles.p_NQ + column);
}

// Weights of the whole tile. `diagonal`: keys and queries are the same
// positions; keys past a column's last query are left out.
HWY_INLINE void tile_weights(const ForwardContext& f, const float* k_NK,
                             int64_t num_queries, int64_t num_keys,
                             bool diagonal, ForwardTiles& tiles) {
  const int64_t head_dim = f.args.shape.head_dim;
  constexpr int64_t kBand = kProductVecs * kVec;
  for (int64_t c = 0; c < num_queries; c += kBand) {
    if (!diagonal) {
      raw_scores<kProductVecs>(k_NK, head_dim, num_keys, c, tiles);
    }
    for (int64_t v = c; v < std::min(c + kBand, num_queries); v += kVec) {
      const int64_t keys = diagonal ? std::min(num_keys, v + kVec) : num_keys;
      if (diagonal) raw_scores<1>(k_NK, head_dim, keys, v, tiles);
      column_weights(f, diagonal ? v : kTile + v, keys, v, tiles);
      for (int64_t n = keys; n < num_keys; ++n) {
        store16(zero16(), tiles.p_NQ + n * kTile + v);
      }
    }
  }
}

HWY_INLINE void rescale_rows(const float* rescale_Q, int64_t num_rows,
                             int64_t num_vecs, float* o_QK) {
  for (int64_t q = 0; q < num_rows; ++q) {
    if (rescale_Q[q] == 1.0f) continue;
    const V16 r = set1(rescale_Q[q]);
    for (int64_t j = 0; j < num_vecs * kVec; j += kVec) {
      float* o = o_QK + q * kRowStride + j;
      store16(mul(load16(o), r), o);
    }
  }
}

// o += p v; a diagonal tile's rows stop at their own keys.
HWY_INLINE void add_values(const ForwardContext& f, const float* v_NK,
                           int64_t num_queries, int64_t num_keys, bool first,
                           bool diagonal, ForwardTiles& tiles) {
  const int64_t num_vecs = vecs_of(f.args.shape.head_dim);
  const auto range = [&](int64_t, int64_t last) {
    return ChainRange{0, diagonal ? std::min(last, num_keys) : num_keys};
  };
  if (first) {
    product<StepsOperand, kRowStride, kRowStride, false>(
        tiles.p_NQ, v_NK, num_queries, num_vecs, range, tiles.o_QK);
    return;
  }
  if (!f.scores.fixed_max) {
    rescale_rows(tiles.rescale_Q, num_queries, num_vecs, tiles.o_QK);
  }
  product<StepsOperand, kRowStride, kRowStride, true>(
      tiles.p_NQ, v_NK, num_queries, num_vecs, range, tiles.o_QK);
}

HWY_INLINE void start_query_tile(const ForwardContext& f, int64_t q_head,
                                 int64_t tile, ForwardTiles& tiles) {
  const AttentionShape& s = f.args.shape;
  const int64_t first = tile * kTile;
  const int64_t num_queries = tile_rows(s.seq_len, tile);
  pack_rotated({f.row(first) + q_head * s.head_dim, s.qkv_dim(), first},
               num_queries, s, f.scores.q_scale, tiles.q_QK);
  transpose_rows(tiles.q_QK, num_queries, s.head_dim, tiles.q_KQ);
  for (int64_t q = 0; q < kTile; ++q) {
    const bool scaled = s.position_scale_T != nullptr && q < num_queries;
    const float position_scale = scaled ? s.position_scale_T[first + q] : 1.0f;
    tiles.scale_Q[q] = f.scores.score_scale * position_scale;
    tiles.sum_Q[q] = 0.0f;
    tiles.max_Q[q] =
        f.scores.fixed_max ? 0.0f : -std::numeric_limits<float>::infinity();
  }
}

HWY_INLINE void finish_query_tile(const ForwardContext& f, int64_t q_head,
                                  int64_t tile, ForwardTiles& tiles) {
  const AttentionShape& s = f.args.shape;
  const int64_t first = tile * kTile;
  const int64_t num_queries = tile_rows(s.seq_len, tile);
  float* lse_T =
      f.args.lse_BHT + (f.sequence * s.num_q_heads + q_head) * s.seq_len;
  for (int64_t q = 0; q < num_queries; q += kVec) {
    const V16 log_sum = log16(load16(tiles.sum_Q + q));
    const V16 lse = fma16(load16(tiles.max_Q + q), set1(kLn2), log_sum);
    store_some(lse, lse_T + first + q, num_queries - q);
  }
  for (int64_t q = 0; q < num_queries; ++q) {
    const V16 inverse = set1(1.0f / tiles.sum_Q[q]);
    const int64_t row = (f.sequence * s.seq_len + first + q) * s.num_q_heads;
    float* o_K = f.args.o_BTHK + (row + q_head) * s.head_dim;
    for (int64_t j = 0; j < s.head_dim; j += kVec) {
      const V16 o = load16(tiles.o_QK + q * kRowStride + j);
      store_some(mul(o, inverse), o_K + j, s.head_dim - j);
    }
  }
}

void forward_query_tile(const ForwardContext& f, int64_t q_head, int64_t tile,
                        ForwardTiles& tiles) {
  const int64_t seq_len = f.args.shape.seq_len;
  const int64_t num_queries = tile_rows(seq_len, tile);
  start_query_tile(f, q_head, tile, tiles);
  for (int64_t key_tile = 0; key_tile <= tile; ++key_tile) {
    const KeyTile keys = packed_key_tile(f, key_tile, tiles);
    const int64_t num_keys = tile_rows(seq_len, key_tile);
    const bool diagonal = key_tile == tile;
    tile_weights(f, keys.k_NK, num_queries, num_keys, diagonal, tiles);
    add_values(f, keys.v_NK, num_queries, num_keys, key_tile == 0, diagonal,
               tiles);
  }
  finish_query_tile(f, q_head, tile, tiles);
}

void forward_piece(const AttentionForward& args, const ForwardPiece& piece,
                   float* scratch) {
  const AttentionShape& s = args.shape;
  const int64_t group = s.num_q_heads / s.num_kv_heads;
  const ForwardContext f{args, score_constants(s), piece.sequence,
                         piece.kv_head};
  ForwardTiles tiles{ScratchTaker(scratch)};
  const int64_t num_items = num_tiles(s.seq_len) * group;
  for (int64_t i = piece.part; i < num_items; i += piece.num_parts) {
    forward_query_tile(f, piece.kv_head * group + i % group, i / group, tiles);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {
HWY_EXPORT(forward_piece);

void attention_forward(const Context& context, const AttentionForward& args) {
  const AttentionShape& s = args.shape;
  check_attention_shape(s);
  const int64_t num_groups = s.num_sequences * s.num_kv_heads;
  const int64_t group = s.num_q_heads / s.num_kv_heads;
  const int64_t num_parts = parts_per_group(
      num_groups, num_tiles(s.seq_len) * group, context.pool.num_threads());
  context.pool.run(num_groups * num_parts, [&](int64_t i, int thread) {
    const int64_t pair = i / num_parts;
    const ForwardPiece piece{pair / s.num_kv_heads, pair % s.num_kv_heads,
                             i % num_parts, num_parts};
    HWY_DYNAMIC_DISPATCH(forward_piece)
    (args, piece, context.scratch[static_cast<size_t>(thread)]);
  });
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
