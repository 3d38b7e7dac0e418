// One piece of a product's output, from packed blocks:
//
//   for each block of the summed index          (kBlockK long)
//     pack B: all columns of the piece          stays in L2, also for the next
//                                               piece if it has the same
//     for each group of tiles                   (kBlockTiles of them)
//       pack A                                  stays in L2
//       for each panel of B, for each tile      the panel stays in L1
//         multiply_tile
//
// Between blocks the accumulators rest in memory: one chain an element.
#if defined(COLOSSUS_KERNELS_CPU_LINEAR_BLOCK_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_LINEAR_BLOCK_INL_H_
#undef COLOSSUS_KERNELS_CPU_LINEAR_BLOCK_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_LINEAR_BLOCK_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <vector>

#include "hwy/highway.h"

#include "kernels/cpu/context.h"
#include "kernels/cpu/linear_pack-inl.h"
#include "kernels/cpu/linear_plan.h"
#include "kernels/cpu/linear_tile-inl.h"
#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

// Where the summed index runs in each operand.
enum class Form {
  kForward,         // along the rows of a, along the rows of b
  kBackwardInput,   // along the rows of a, down the columns of b
  kBackwardWeight,  // down the columns of both
};

template <Form kForm>
using LayoutOf =
    std::conditional_t<kForm == Form::kBackwardWeight, StepMajor, RowMajor>;

// Columns [col, col + count) of the product; c is where the piece's first row
// has the first of them.
struct Span {
  int64_t col, count;
  float* c;
};

struct PieceProduct {
  Matrix a, b;
  int64_t a_cols;              // of the matrix a: what may be read
  int64_t row_begin, row_end;  // of the output
  int64_t depth_begin, depth_end;
  int64_t depth_ahead;  // up to which a call that follows may go on
  Span span[2];
  int num_spans;
  int64_t c_stride;
  bool resume;  // the chains start from what c holds
  // Of a product with one span: where the accumulators rest between blocks
  // (null: in c), and what their sums are added to at the end.
  TileBlock rest;
  Carry carry;
};

// The block of B that a thread's scratch holds: pieces that follow each other
// often share it.
struct PackedB {
  const float* data = nullptr;
  int64_t col, count, depth_begin, depth;

  bool operator==(const PackedB&) const = default;
};

inline constexpr int64_t kPackedA =
    kBlockTiles * std::max(RowMajor::kTileFloats, StepMajor::kTileFloats);
// Each of two spans may end in a panel that is not full.
inline constexpr int64_t kPackedB =
    (kMaxPieceCols / kTileCols + 2) * panel_floats(kBlockK);
inline constexpr int64_t kEdgeTile = kTileRows * kTileCols;

// The parts of a thread's scratch.
struct Scratch {
  float* a;
  float* b;
  float* edge;
  float* rest;
  int64_t rest_floats;

  explicit Scratch(float* base)
      : a(base), b(a + kPackedA), edge(b + kPackedB), rest(edge + kEdgeTile) {
    rest_floats = kScratchBytes / int64_t{sizeof(float)} - (rest - base);
  }
};
static_assert(kPackedA % 16 == 0 && kPackedB % 16 == 0 && kEdgeTile % 16 == 0);

HWY_INLINE int64_t num_panels(const Span& span) {
  return (span.count + kTileCols - 1) / kTileCols;
}

template <Form kForm>
HWY_INLINE void pack_b(const PieceProduct& p, int64_t k, int64_t depth,
                       float* packed) {
  for (int s = 0; s < p.num_spans; ++s) {
    const Span& span = p.span[s];
    if constexpr (kForm == Form::kForward) {
      for (int64_t j = 0; j < num_panels(span); ++j) {
        const int64_t col = j * kTileCols;
        pack_panel_transposed(p.b, span.col + col,
                              std::min(kTileCols, span.count - col), k, depth,
                              packed + j * panel_floats(depth));
      }
    } else {
      pack_panels(p.b, span.col, span.count, k, depth, packed);
    }
    packed += num_panels(span) * panel_floats(depth);
  }
}

// The piece's rows in tiles of nearly equal height.
struct Tiling {
  int64_t rows, num_tiles;
  explicit Tiling(int64_t num_rows)
      : rows(num_rows), num_tiles((num_rows + kTileRows - 1) / kTileRows) {}
  int64_t begin(int64_t tile) const { return rows * tile / num_tiles; }
};

// Tiles [begin, end), as rows of the operand.
HWY_INLINE TileRows rows_of_tiles(const PieceProduct& p, const Tiling& tiling,
                                  int64_t begin, int64_t end) {
  TileRows rows;
  rows.num_tiles = end - begin;
  for (int64_t t = begin; t <= end; ++t) {
    rows.begin[t - begin] = p.row_begin + tiling.begin(t);
  }
  return rows;
}

template <Form kForm>
HWY_INLINE void pack_a(const PieceProduct& p, const TileRows& rows, int64_t k,
                       int64_t depth, float* packed) {
  if constexpr (kForm == Form::kBackwardWeight) {
    pack_steps(p.a, rows, p.a_cols, k, depth, packed);
  } else {
    for (int64_t t = 0; t < rows.num_tiles; ++t) {
      pack_rows(p.a, rows.begin[t], rows.begin[t + 1] - rows.begin[t], k, depth,
                packed + t * RowMajor::kTileFloats);
    }
  }
}

// to = what `carry` makes of the sums in `from` (without levels: a copy); `to`
// may be any of them.
HWY_INLINE void add_carry(const TileBlock& from, const Carry& carry,
                          int64_t rows, int64_t cols, const TileBlock& to) {
  for (int64_t i = 0; i < rows; ++i) {
    const float* sum = from.data + i * from.stride;
    float* t = to.data + i * to.stride;
    for (int64_t j = 0; j < cols; j += kVec) {
      const int64_t n = std::min(kVec, cols - j);
      V16 v = load_n(sum + j, n);
      for (int64_t l = 0; l < carry.num_levels; ++l) {
        v = add(load_n(carry.level(l) + i * carry.stride + j, n), v);
      }
      store_n(v, t + j, n);
    }
  }
}

// A tile that has fewer than kTileCols columns: by way of `edge`.
HWY_INLINE void multiply_edge_tile(TileFunction tile, int64_t rows,
                                   int64_t cols, int64_t depth, const float* a,
                                   const float* b, const TileSums& sums,
                                   float* edge_data, Prefetcher* ahead) {
  const TileBlock edge = {edge_data, kTileCols};
  if (sums.from.data != nullptr) {
    add_carry(sums.from, {}, rows, cols, edge);
    tile(depth, a, b, {edge, edge, {}, edge_data}, ahead);
  } else {
    tile(depth, a, b, {{}, edge, {}, nullptr}, ahead);
  }
  add_carry(edge, sums.carry, rows, cols, sums.to);
}

// The sums of a block of the product: where those of its first element are.
struct BlockSums {
  TileBlock from, to;
  Carry carry;

  // Of the tile at (row, col), before the one at (next_row, next_col). From
  // values in registers: copying a struct that was just written by halves waits
  // until all stores before it are through, those of the last tile to C among
  // them.
  HWY_INLINE TileSums at(int64_t row, int64_t col, int64_t next_row,
                         int64_t next_col) const {
    TileSums sums;
    sums.from.data = nullptr;
    sums.next_from = nullptr;
    if (from.data != nullptr) {
      sums.from.data = from.data + row * from.stride + col;
      sums.next_from = from.data + next_row * from.stride + next_col;
    }
    sums.from.stride = from.stride;
    sums.to.data = to.data + row * to.stride + col;
    sums.to.stride = to.stride;
    sums.carry.num_levels = carry.num_levels;
    sums.carry.left =
        carry.num_levels > 0 ? carry.left + row * carry.stride + col : nullptr;
    sums.carry.stride = carry.stride;
    sums.carry.level_stride = carry.level_stride;
    return sums;
  }
};

// One panel of B and the packed tiles of A. `sums` are the block's, of which
// the first tile stands at (row, col).
template <typename Layout>
HWY_INLINE void multiply_panel(const TileRows& rows, int64_t cols,
                               int64_t depth, const float* panel,
                               const BlockSums& sums, int64_t row, int64_t col,
                               const Scratch& scratch, Prefetcher* ahead) {
  const float* a = scratch.a;
  for (int64_t t = 0; t < rows.num_tiles; ++t) {
    const int64_t here = row + rows.begin[t] - rows.begin[0];
    const int64_t height = rows.begin[t + 1] - rows.begin[t];
    const bool last = t + 1 == rows.num_tiles;
    const TileSums tile_sums = sums.at(here, col, last ? row : here + height,
                                       last ? col + kTileCols : col);
    const TileFunction tile = kTileFunctions<Layout>[height];
    if (cols == kTileCols) {
      tile(depth, a, panel, tile_sums, ahead);
    } else {
      multiply_edge_tile(tile, height, cols, depth, a, panel, tile_sums,
                         scratch.edge, ahead);
    }
    a += Layout::kTileFloats;
  }
}

// The product of no summed index at all: zeros.
HWY_INLINE void multiply_nothing(const PieceProduct& p) {
  const int64_t rows = p.row_end - p.row_begin;
  for (int s = 0; s < p.num_spans; ++s) {
    const TileBlock c = {p.span[s].c, p.c_stride};
    const TileBlock rest = p.rest.data != nullptr ? p.rest : c;
    for (int64_t i = 0; i < rows; ++i) {
      std::fill_n(rest.data + i * rest.stride, p.span[s].count, 0.0f);
    }
    add_carry(rest, p.carry, rows, p.span[s].count, c);
  }
}

// What is left of `depth`, cut into blocks of nearly equal length: the next.
HWY_INLINE int64_t next_block(int64_t depth) {
  const int64_t num_blocks = (depth + kBlockK - 1) / kBlockK;
  const int64_t length = (depth + num_blocks - 1) / num_blocks;
  return std::min(depth, (length + 3) / 4 * 4);
}

// A block of the summed index.
struct Depth {
  int64_t k, length;
};

template <Form kForm>
HWY_INLINE Region region_of_a(const PieceProduct& p, const Tiling& tiling,
                              int64_t tile, const Depth& depth) {
  const int64_t row = p.row_begin + tiling.begin(tile);
  const int64_t row_end =
      p.row_begin +
      tiling.begin(std::min(tile + kBlockTiles, tiling.num_tiles));
  if constexpr (kForm == Form::kBackwardWeight) {
    return {p.a, depth.k, depth.k + depth.length, row, row_end - row};
  }
  return {p.a, row, row_end, depth.k, depth.length};
}

// The part of the next block of B that falls to one group of tiles, of
// `num_parts`. (Of two spans, the first.)
template <Form kForm>
HWY_INLINE Region region_of_b(const PieceProduct& p, const Depth& depth,
                              int64_t part, int64_t num_parts) {
  const Span& span = p.span[0];
  if constexpr (kForm == Form::kForward) {
    return {p.b, span.col + span.count * part / num_parts,
            span.col + span.count * (part + 1) / num_parts, depth.k,
            depth.length};
  }
  return {p.b, depth.k + depth.length * part / num_parts,
          depth.k + depth.length * (part + 1) / num_parts, span.col,
          span.count};
}

// What is packed after the tiles from `tile` on.
template <Form kForm>
HWY_INLINE Prefetcher what_comes_next(const PieceProduct& p,
                                      const Tiling& tiling, int64_t tile,
                                      const Depth& depth) {
  constexpr Region kNothing = {};
  const int64_t k = depth.k + depth.length;
  const Depth next = {k, std::min(kBlockK, p.depth_ahead - k)};
  const int64_t next_tile = tile + kBlockTiles;
  const bool last = next_tile >= tiling.num_tiles;
  Region a = kNothing, b = kNothing;
  if (!last) a = region_of_a<kForm>(p, tiling, next_tile, depth);
  if (next.length > 0) {
    if (last) a = region_of_a<kForm>(p, tiling, 0, next);
    b = region_of_b<kForm>(p, next, tile / kBlockTiles,
                           (tiling.num_tiles + kBlockTiles - 1) / kBlockTiles);
  }
  return {a, b};
}

// The sums of a span in one block of the summed index.
HWY_INLINE BlockSums sums_of_block(const PieceProduct& p, const Span& span,
                                   const Depth& depth) {
  const bool first = depth.k == p.depth_begin;
  const bool last = depth.k + depth.length == p.depth_end;
  const TileBlock c = {span.c, p.c_stride};
  const TileBlock rest = p.rest.data != nullptr ? p.rest : c;
  BlockSums sums = {};
  if (!first) sums.from = rest;
  if (first && p.resume) sums.from = c;
  sums.to = last ? c : rest;
  if (last) sums.carry = p.carry;
  return sums;
}

template <Form kForm>
HWY_NOINLINE void multiply_piece(const PieceProduct& p, const Scratch& scratch,
                                 PackedB* packed) {
  const Tiling tiling(p.row_end - p.row_begin);
  if (p.depth_begin == p.depth_end && !p.resume) return multiply_nothing(p);
  for (int64_t k = p.depth_begin; k < p.depth_end;) {
    const Depth depth = {k, next_block(p.depth_end - k)};
    const PackedB wanted = {p.b.data, p.span[0].col, p.span[0].count, k,
                            depth.length};
    if (!(*packed == wanted)) {
      pack_b<kForm>(p, k, depth.length, scratch.b);
      *packed = wanted;
    }
    for (int64_t t = 0; t < tiling.num_tiles; t += kBlockTiles) {
      const TileRows rows = rows_of_tiles(
          p, tiling, t, std::min(t + kBlockTiles, tiling.num_tiles));
      pack_a<kForm>(p, rows, k, depth.length, scratch.a);
      Prefetcher ahead = what_comes_next<kForm>(p, tiling, t, depth);
      const float* panel = scratch.b;
      for (int s = 0; s < p.num_spans; ++s) {
        const Span& span = p.span[s];
        const BlockSums sums = sums_of_block(p, span, depth);
        for (int64_t j = 0; j < span.count; j += kTileCols) {
          multiply_panel<LayoutOf<kForm>>(
              rows, std::min(kTileCols, span.count - j), depth.length, panel,
              sums, tiling.begin(t), j, scratch, &ahead);
          panel += panel_floats(depth.length);
        }
      }
    }
    k += depth.length;
  }
}

// Calls body(piece, scratch, packed) for each piece: what its thread owns.
template <typename Body>
void run_pieces(const Context& context, const std::vector<Piece>& pieces,
                const Body& body) {
  std::vector<PackedB> packed(context.scratch.size());
  context.pool.run(static_cast<int64_t>(pieces.size()),
                   [&](int64_t index, int thread) {
                     const auto t = static_cast<size_t>(thread);
                     body(pieces[static_cast<size_t>(index)],
                          Scratch(context.scratch[t]), &packed[t]);
                   });
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
