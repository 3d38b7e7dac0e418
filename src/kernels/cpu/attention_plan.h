// What the three attention kernels share: the sizes of tiles, the constants
// that are folded into the scores, where heads lie in memory, and scratch
// memory.
//
// Tiles are kTile queries by kTile keys. Rows (of q, k, v, o and their
// gradients) are packed kRowStride floats apart, tiles of scores and transposed
// rows kTile floats apart: constants, so that an address in the innermost loop
// is one register and a displacement. The row stride is an odd number of cache
// lines, which spreads rows over the sets of the first cache.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "kernels/attention.h"
#include "kernels/cpu/context.h"

namespace colossus::kernels::cpu {

inline constexpr int64_t kTile = kKeyTile;
// Register tiles may run past the last row of a tile.
inline constexpr int64_t kTileSlack = 16;
inline constexpr int64_t kMaxHeadDim = 256;
inline constexpr int64_t kRowStride = kMaxHeadDim + 16;

inline constexpr int64_t kRowsFloats = (kTile + kTileSlack) * kRowStride;
inline constexpr int64_t kScoresFloats = (kTile + kTileSlack) * kTile;
inline constexpr int64_t kTransposedFloats = kMaxHeadDim * kTile;

inline constexpr float kLog2E = 1.44269504088896f;
inline constexpr float kLn2 = 0.693147180559945f;

// Scores are computed in units of log(2), from q already scaled:
//   cap > 0: y = (cap log2(e)) tanh(q' k),  q' = q multiplier / cap
//   cap = 0: y = q' k,                      q' = q multiplier log2(e)
struct ScoreConstants {
  bool capped, fixed_max;
  float q_scale;      // q' / q
  float score_scale;  // y / tanh(q' k) or y / (q' k)
  float dk_scale;     // what the sum of ds q' must be multiplied by
};

inline ScoreConstants score_constants(const AttentionShape& shape) {
  ScoreConstants c;
  c.capped = shape.softcap > 0;
  c.fixed_max = uses_fixed_max(shape);
  c.q_scale =
      c.capped ? shape.multiplier / shape.softcap : shape.multiplier * kLog2E;
  c.score_scale = c.capped ? shape.softcap * kLog2E : 1.0f;
  c.dk_scale = c.capped ? shape.softcap : kLn2;
  return c;
}

inline void check_attention_shape(const AttentionShape& s) {
  COLOSSUS_CHECK(
      s.head_dim >= 2 && s.head_dim <= kMaxHeadDim && s.head_dim % 2 == 0,
      "head_dim is {}", s.head_dim);
  COLOSSUS_CHECK(s.num_kv_heads >= 1 && s.num_q_heads % s.num_kv_heads == 0,
                 "{} query heads, {} key heads", s.num_q_heads, s.num_kv_heads);
}

inline int64_t num_tiles(int64_t seq_len) {
  return (seq_len + kTile - 1) / kTile;
}
inline int64_t tile_rows(int64_t seq_len, int64_t tile) {
  return std::min(kTile, seq_len - tile * kTile);
}

// Offsets of a head within a row of qkv, and of query head h's key head.
struct HeadOffsets {
  int64_t q, k, v;
};
inline HeadOffsets head_offsets(const AttentionShape& s, int64_t q_head) {
  const int64_t kv_head = q_head / (s.num_q_heads / s.num_kv_heads);
  return {q_head * s.head_dim, s.q_dim() + kv_head * s.head_dim,
          s.q_dim() + s.kv_dim() + kv_head * s.head_dim};
}

struct TileRange {
  int64_t begin, end;
};
// What one piece computes: for one sequence and key head, some heads of the
// group (0 ...), key tiles and query tiles; both gradients or one kind.
struct BackwardPiece {
  int64_t sequence, kv_head;
  TileRange heads, key_tiles, query_tiles;
  bool want_dq, want_dkv;
};

// Into how many pieces to cut the work of each (sequence, key head), so that
// threads end together; each piece packs its keys for itself.
inline int64_t parts_per_group(int64_t num_groups, int64_t num_items,
                               int num_threads) {
  const int64_t wanted = 4 * int64_t{num_threads};
  return std::clamp((wanted + num_groups - 1) / num_groups, int64_t{1},
                    num_items);
}

// Hands out one thread's scratch memory, piece after piece.
class ScratchTaker {
 public:
  explicit ScratchTaker(float* scratch)
      : next_(scratch),
        end_(scratch + kScratchBytes / static_cast<int64_t>(sizeof(float))) {}

  float* take(int64_t num_floats) {
    float* start = next_;
    next_ += (num_floats + 15) / 16 * 16;
    COLOSSUS_CHECK(next_ <= end_, "scratch is {} floats short", next_ - end_);
    return start;
  }
  int64_t num_left() const { return end_ - next_; }

 private:
  float* next_;
  float* end_;
};

}  // namespace colossus::kernels::cpu
