// The steps of attention backward on one pair of a query tile and a key tile:
// rows in, scores to weights and their gradient, the five products, rows out.
// The walk over tiles and its formulas: attention_backward.cc.
#if defined(COLOSSUS_KERNELS_CPU_ATTENTION_BACKWARD_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_ATTENTION_BACKWARD_INL_H_
#undef COLOSSUS_KERNELS_CPU_ATTENTION_BACKWARD_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_ATTENTION_BACKWARD_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"

#include "kernels/cpu/attention_plan.h"
#include "kernels/cpu/attention_product-inl.h"
#include "kernels/cpu/attention_rows-inl.h"
#include "kernels/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

struct BackwardTiles {
  explicit BackwardTiles(ScratchTaker taker)
      : k_NK(taker.take(kRowsFloats)),
        k_KN(taker.take(kTransposedFloats)),
        v_KN(taker.take(kTransposedFloats)),
        dk_NK(taker.take(kRowsFloats)),
        dv_NK(taker.take(kRowsFloats)),
        q_QK(taker.take(kRowsFloats)),
        do_QK(taker.take(kRowsFloats)),
        dq_QK(taker.take(kRowsFloats)),
        p_QN(taker.take(kScoresFloats)),
        ds_QN(taker.take(kScoresFloats)) {
    num_dots = taker.num_left();
    dots = taker.take(num_dots);
  }
  float *k_NK, *k_KN, *v_KN, *dk_NK, *dv_NK;
  float *q_QK, *do_QK, *dq_QK, *p_QN, *ds_QN;
  // D = sum over K of do * o, [head of the group, T] if that fits.
  float* dots;
  int64_t num_dots;
};

struct BackwardWalk {
  const AttentionBackward& args;
  const BackwardPiece& piece;
  ScoreConstants scores;
  BackwardTiles& tiles;

  const AttentionShape& shape() const { return args.shape; }
  int64_t q_head(int64_t head) const {
    const int64_t group = args.shape.num_q_heads / args.shape.num_kv_heads;
    return piece.kv_head * group + head;
  }
  int64_t qkv_row(int64_t t) const {
    return (piece.sequence * args.shape.seq_len + t) * args.shape.qkv_dim();
  }
  int64_t o_row(int64_t t, int64_t head) const {
    const AttentionShape& s = args.shape;
    const int64_t row = (piece.sequence * s.seq_len + t) * s.num_q_heads;
    return (row + q_head(head)) * s.head_dim;
  }
};

// One query tile against one key tile.
struct TilePair {
  int64_t head, query_tile, key_tile;
  int64_t num_queries, num_keys;
  float* dots_Q;
  bool diagonal, first;  // first: the first to add to dk and dv
};

HWY_INLINE void pack_keys(const BackwardWalk& w, int64_t tile) {
  const AttentionShape& s = w.shape();
  const HeadOffsets at = head_offsets(s, w.q_head(0));
  const int64_t first = tile * kTile, num_keys = tile_rows(s.seq_len, tile);
  const float* row = w.args.qkv_BTC + w.qkv_row(first);
  // The values' rows are needed only transposed: they pass through dv's place.
  pack_rows(row + at.v, s.qkv_dim(), num_keys, s.head_dim, w.tiles.dv_NK);
  transpose_rows(w.tiles.dv_NK, num_keys, s.head_dim, w.tiles.v_KN);
  pack_rotated({row + at.k, s.qkv_dim(), first}, num_keys, s, 1.0f,
               w.tiles.k_NK);
  transpose_rows(w.tiles.k_NK, num_keys, s.head_dim, w.tiles.k_KN);
}

HWY_INLINE float dot_row(const float* a_K, const float* b_K, int64_t dim) {
  V16 sum = zero16();
  for (int64_t j = 0; j < dim; j += kVec) {
    sum = fma16(load_some(a_K + j, dim - j), load_some(b_K + j, dim - j), sum);
  }
  return sum_lanes(sum);
}

HWY_INLINE void pack_queries(const BackwardWalk& w, const TilePair& pair,
                             bool need_dots) {
  const AttentionShape& s = w.shape();
  const int64_t first = pair.query_tile * kTile;
  pack_rotated({w.args.qkv_BTC + w.qkv_row(first) +
                    head_offsets(s, w.q_head(pair.head)).q,
                s.qkv_dim(), first},
               pair.num_queries, s, w.scores.q_scale, w.tiles.q_QK);
  const float* do_first = w.args.do_BTHK + w.o_row(first, pair.head);
  pack_rows(do_first, s.q_dim(), pair.num_queries, s.head_dim, w.tiles.do_QK);
  if (!need_dots) return;
  const float* o_first = w.args.o_BTHK + w.o_row(first, pair.head);
  for (int64_t q = 0; q < pair.num_queries; ++q) {
    pair.dots_Q[q] =
        dot_row(do_first + q * s.q_dim(), o_first + q * s.q_dim(), s.head_dim);
  }
}

struct RowConstants {
  V16 score_scale, lse2, position_scale, dot;
};

HWY_INLINE RowConstants row_constants(const BackwardWalk& w,
                                      const TilePair& pair, int64_t q) {
  const AttentionShape& s = w.shape();
  const int64_t t = pair.query_tile * kTile + q;
  const float scale =
      s.position_scale_T == nullptr ? 1.0f : s.position_scale_T[t];
  const int64_t lse_row =
      (w.piece.sequence * s.num_q_heads + w.q_head(pair.head)) * s.seq_len;
  return {set1(w.scores.score_scale * scale),
          set1(w.args.lse_BHT[lse_row + t] * kLog2E), set1(scale),
          set1(pair.dots_Q[q] * scale)};
}

// s and dp to p and ds, 16 keys of a query.
template <bool kCapped>
HWY_INLINE void weights_and_gradient(const RowConstants& c, float* p, float* ds,
                                     bool masked, const V16& key,
                                     const V16& query) {
  const V16 s = load16(p);
  const V16 t = kCapped ? tanh16(s) : s;
  const V16 y = sub(mul(c.score_scale, t), c.lse2);
  V16 weight = exp2_bounded16(y);
  if (masked) weight = zero_if_less(query, key, weight);
  const V16 dp = sub(mul(load16(ds), c.position_scale), c.dot);
  V16 gradient = mul(weight, dp);
  if (kCapped) gradient = mul(gradient, fnma16(t, t, set1(1.0f)));
  store16(weight, p);
  store16(gradient, ds);
}

template <bool kCapped>
HWY_INLINE void row_weights(const BackwardWalk& w, const TilePair& pair,
                            int64_t q) {
  const RowConstants c = row_constants(w, pair, q);
  float* p_N = w.tiles.p_QN + q * kTile;
  float* ds_N = w.tiles.ds_QN + q * kTile;
  // Whole vectors of keys up to the query's own, then its own, then none.
  const int64_t unmasked = pair.diagonal
                               ? std::min(pair.num_keys, (q + 1) / kVec * kVec)
                               : pair.num_keys;
  const V16 query = set1(static_cast<float>(q));
  int64_t n = 0;
  for (; n < unmasked; n += kVec) {
    weights_and_gradient<kCapped>(c, p_N + n, ds_N + n, false, query, query);
  }
  if (!pair.diagonal) return;
  if (n <= q) {
    weights_and_gradient<kCapped>(c, p_N + n, ds_N + n, true,
                                  counting16(static_cast<float>(n)), query);
    n += kVec;
  }
  for (; n < kTile; n += kVec) {
    store16(zero16(), p_N + n);
    store16(zero16(), ds_N + n);
  }
}

// Scores and dp of a tile; on the diagonal, a column of keys only from its
// first query on.
template <int kVecs>
HWY_INLINE void score_band(const BackwardWalk& w, const TilePair& pair,
                           int64_t first_row, int64_t column) {
  const int64_t head_dim = w.shape().head_dim;
  const auto whole = [&](int64_t, int64_t) { return ChainRange{0, head_dim}; };
  product_band<RowsOperand, kTile, kTile, false, kVecs>(
      w.tiles.q_QK, w.tiles.k_KN + column, first_row, pair.num_queries, whole,
      w.tiles.p_QN + column);
  product_band<RowsOperand, kTile, kTile, false, kVecs>(
      w.tiles.do_QK, w.tiles.v_KN + column, first_row, pair.num_queries, whole,
      w.tiles.ds_QN + column);
}

HWY_INLINE void tile_scores(const BackwardWalk& w, const TilePair& pair) {
  const int64_t step = pair.diagonal ? kVec : kProductVecs * kVec;
  for (int64_t n = 0; n < pair.num_keys; n += step) {
    if (pair.diagonal) {
      score_band<1>(w, pair, n, n);
    } else {
      score_band<kProductVecs>(w, pair, 0, n);
    }
  }
  for (int64_t q = 0; q < pair.num_queries; ++q) {
    w.scores.capped ? row_weights<true>(w, pair, q)
                    : row_weights<false>(w, pair, q);
  }
}

// d(keys) += weights^T rows: for p and do, or ds and q'.
template <bool kResume>
HWY_INLINE void add_to_keys(const BackwardWalk& w, const TilePair& pair,
                            const float* weights_QN, const float* rows_QK,
                            float* d_NK) {
  const auto range = [&](int64_t first, int64_t) {
    return ChainRange{pair.diagonal ? first : 0, pair.num_queries};
  };
  product<StepsOperand, kRowStride, kRowStride, kResume>(
      weights_QN, rows_QK, pair.num_keys, vecs_of(w.shape().head_dim), range,
      d_NK);
}

HWY_INLINE void add_to_keys_and_values(const BackwardWalk& w,
                                       const TilePair& pair) {
  const BackwardTiles& t = w.tiles;
  if (pair.first) {
    add_to_keys<false>(w, pair, t.p_QN, t.do_QK, t.dv_NK);
    add_to_keys<false>(w, pair, t.ds_QN, t.q_QK, t.dk_NK);
  } else {
    add_to_keys<true>(w, pair, t.p_QN, t.do_QK, t.dv_NK);
    add_to_keys<true>(w, pair, t.ds_QN, t.q_QK, t.dk_NK);
  }
}

template <bool kResume>
HWY_INLINE void multiply_keys(const BackwardWalk& w, const TilePair& pair) {
  const auto range = [&](int64_t, int64_t last) {
    return ChainRange{
        0, pair.diagonal ? std::min(last, pair.num_keys) : pair.num_keys};
  };
  product<ScoresOperand, kRowStride, kRowStride, kResume>(
      w.tiles.ds_QN, w.tiles.k_NK, pair.num_queries,
      vecs_of(w.shape().head_dim), range, w.tiles.dq_QK);
}

// Writes rows of dqkv from packed ones, rotated back and scaled.
HWY_INLINE void write_rotated_back(const BackwardWalk& w, const float* from,
                                   int64_t first, int64_t num_rows, float scale,
                                   float* to) {
  const AttentionShape& s = w.shape();
  const int64_t half = s.head_dim / 2;
  for (int64_t r = 0; r < num_rows; ++r) {
    const int64_t angle = (first + r) * half;
    rotate_row(from + r * kRowStride, s.rope.cos_TJ + angle,
               s.rope.sin_TJ + angle, s.head_dim, -1.0f, scale,
               to + r * s.qkv_dim());
  }
}

HWY_INLINE void write_rows(const float* from, int64_t num_rows,
                           int64_t head_dim, float* to, int64_t stride) {
  for (int64_t r = 0; r < num_rows; ++r) {
    for (int64_t j = 0; j < head_dim; j += kVec) {
      store_some(load16(from + r * kRowStride + j), to + r * stride + j,
                 head_dim - j);
    }
  }
}

// dq += ds k. It lies in the gradient's memory between key tiles, and the
// diagonal tile is its last.
HWY_INLINE void add_to_queries(const BackwardWalk& w, const TilePair& pair) {
  const AttentionShape& s = w.shape();
  const int64_t first = pair.query_tile * kTile;
  float* dq = w.args.dqkv_BTC + w.qkv_row(first) +
              head_offsets(s, w.q_head(pair.head)).q;
  if (pair.key_tile == 0) {
    multiply_keys<false>(w, pair);
  } else {
    pack_rows(dq, s.qkv_dim(), pair.num_queries, s.head_dim, w.tiles.dq_QK);
    multiply_keys<true>(w, pair);
  }
  if (pair.diagonal) {
    write_rotated_back(w, w.tiles.dq_QK, first, pair.num_queries, s.multiplier,
                       dq);
  } else {
    write_rows(w.tiles.dq_QK, pair.num_queries, s.head_dim, dq, s.qkv_dim());
  }
}

HWY_INLINE void write_keys_and_values(const BackwardWalk& w, int64_t tile) {
  const AttentionShape& s = w.shape();
  const HeadOffsets at = head_offsets(s, w.q_head(0));
  const int64_t first = tile * kTile, num_keys = tile_rows(s.seq_len, tile);
  float* row = w.args.dqkv_BTC + w.qkv_row(first);
  write_rotated_back(w, w.tiles.dk_NK, first, num_keys, w.scores.dk_scale,
                     row + at.k);
  write_rows(w.tiles.dv_NK, num_keys, s.head_dim, row + at.v, s.qkv_dim());
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
