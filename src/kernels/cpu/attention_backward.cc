// Attention backward by tiles: for a key tile, the query tiles from its own on.
//
//   s = q' k^T, dp = do v^T        scores lie as [query][key], 16 keys a vector
//   p = 2^(y(s) - lse), ds = p (dp - D) dy/ds
//   dv += p^T do, dk += ds^T q', dq += ds k
//
// dk and dv stay in scratch for their key tile; dq is accumulated in the
// gradient's own memory, key tile after key tile. Where there are too few
// (sequence, key head) pairs for the threads, dq is computed apart from dk, dv.
// Shapes: T seq_len, H query heads, K head_dim; Q, N rows of a query, key tile.
#include "kernels/cpu/attention.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/attention_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention_backward.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/attention_backward-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

void backward_pair(const BackwardWalk& w, TilePair pair) {
  const int64_t seq_len = w.shape().seq_len;
  const TileRange& heads = w.piece.heads;
  const bool kept = (heads.end - heads.begin) * seq_len <= w.tiles.num_dots;
  pair.dots_Q = w.tiles.dots;
  if (kept) {
    pair.dots_Q +=
        (pair.head - heads.begin) * seq_len + pair.query_tile * kTile;
  }
  const bool new_query = pair.key_tile == w.piece.key_tiles.begin;
  pack_queries(w, pair, !kept || new_query);
  tile_scores(w, pair);
  if (w.piece.want_dkv) add_to_keys_and_values(w, pair);
  if (w.piece.want_dq) add_to_queries(w, pair);
}

void backward_piece(const AttentionBackward& args, const BackwardPiece& piece,
                    float* scratch) {
  const AttentionShape& s = args.shape;
  BackwardTiles tiles{ScratchTaker(scratch)};
  const BackwardWalk w{args, piece, score_constants(s), tiles};
  for (int64_t n = piece.key_tiles.begin; n < piece.key_tiles.end; ++n) {
    pack_keys(w, n);
    bool first = true;
    for (int64_t h = piece.heads.begin; h < piece.heads.end; ++h) {
      const int64_t begin = std::max(n, piece.query_tiles.begin);
      for (int64_t q = begin; q < piece.query_tiles.end; ++q) {
        backward_pair(w, {h, q, n, tile_rows(s.seq_len, q),
                          tile_rows(s.seq_len, n), nullptr, q == n, first});
        first = false;
      }
    }
    if (piece.want_dkv) write_keys_and_values(w, n);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {
HWY_EXPORT(backward_piece);

namespace {

// Everything of a (sequence, key head) in one piece: five products a tile.
void add_whole_pieces(const AttentionShape& s, int64_t sequence,
                      int64_t kv_head, std::vector<BackwardPiece>& pieces) {
  const int64_t tiles = num_tiles(s.seq_len);
  const int64_t group = s.num_q_heads / s.num_kv_heads;
  pieces.push_back(
      {sequence, kv_head, {0, group}, {0, tiles}, {0, tiles}, true, true});
}

// dk and dv a key tile, dq a query tile and head: seven products a tile, of
// which two are computed twice, but many pieces; the longest first.
void add_small_pieces(const AttentionShape& s, int64_t sequence,
                      int64_t kv_head, std::vector<BackwardPiece>& pieces) {
  const int64_t tiles = num_tiles(s.seq_len);
  const int64_t group = s.num_q_heads / s.num_kv_heads;
  for (int64_t n = 0; n < tiles; ++n) {
    pieces.push_back(
        {sequence, kv_head, {0, group}, {n, n + 1}, {n, tiles}, false, true});
  }
  for (int64_t q = tiles - 1; q >= 0; --q) {
    for (int64_t h = 0; h < group; ++h) {
      pieces.push_back(
          {sequence, kv_head, {h, h + 1}, {0, q + 1}, {q, q + 1}, true, false});
    }
  }
}

// Whole pieces where they keep the threads busy for 5/7 of the time or more.
bool whole_pieces_suffice(int64_t num_groups, int num_threads) {
  const int64_t rounds = (num_groups + num_threads - 1) / num_threads;
  return 7 * num_groups >= 5 * rounds * num_threads;
}

}  // namespace

void attention_backward(const Context& context, const AttentionBackward& args) {
  const AttentionShape& s = args.shape;
  check_attention_shape(s);
  const bool whole = whole_pieces_suffice(s.num_sequences * s.num_kv_heads,
                                          context.pool.num_threads());
  std::vector<BackwardPiece> pieces;
  for (int64_t b = 0; b < s.num_sequences; ++b) {
    for (int64_t g = 0; g < s.num_kv_heads; ++g) {
      whole ? add_whole_pieces(s, b, g, pieces)
            : add_small_pieces(s, b, g, pieces);
    }
  }
  context.pool.run(static_cast<int64_t>(pieces.size()),
                   [&](int64_t i, int thread) {
                     HWY_DYNAMIC_DISPATCH(backward_piece)
                     (args, pieces[static_cast<size_t>(i)],
                      context.scratch[static_cast<size_t>(thread)]);
                   });
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
