// One piece of a product's output, from packed blocks:
//
//   for each block of the summed index          (kBlockK long)
//     pack B: all columns of the piece          stays in L2
//     for each group of tiles                   (kBlockTiles of them)
//       pack A                                  stays in L2
//       for each panel of B, for each tile      the panel stays in L1
//         multiply_tile
//
// Between blocks the accumulators rest in the output: one chain an element.
#if defined(COLOSSUS_KERNELS_CPU_LINEAR_BLOCK_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_LINEAR_BLOCK_INL_H_
#undef COLOSSUS_KERNELS_CPU_LINEAR_BLOCK_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_LINEAR_BLOCK_INL_H_
#endif

#include <algorithm>
#include <cstdint>

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
  Span span[2];
  int num_spans;
  int64_t c_stride;
  bool resume;  // the chains start from what c holds
};

// Tiles whose packed rows stay in L2 together.
inline constexpr int64_t kBlockTiles = 84 / kTileRows;
inline constexpr int64_t kPackedA =
    kBlockTiles * std::max(RowMajor::kTileFloats, StepMajor::kTileFloats);
// Each of two spans may end in a panel that is not full.
inline constexpr int64_t kPackedB = kBlockK * (kMaxPieceCols + 2 * kTileCols);
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

template <Form kForm>
HWY_INLINE void pack_b(const PieceProduct& p, int64_t k, int64_t depth,
                       float* panel) {
  for (int s = 0; s < p.num_spans; ++s) {
    const Span& span = p.span[s];
    for (int64_t j = 0; j < span.count; j += kTileCols) {
      const int64_t count = std::min(kTileCols, span.count - j);
      if constexpr (kForm == Form::kForward) {
        pack_panel_transposed(p.b, span.col + j, count, k, depth, panel);
      } else {
        pack_panel(p.b, span.col + j, count, k, depth, panel);
      }
      panel += depth * kTileCols;
    }
  }
}

// The piece's rows in tiles of nearly equal height.
struct Tiling {
  int64_t rows, num_tiles;
  explicit Tiling(int64_t num_rows)
      : rows(num_rows), num_tiles((num_rows + kTileRows - 1) / kTileRows) {}
  int64_t begin(int64_t tile) const { return rows * tile / num_tiles; }
};

template <Form kForm>
HWY_INLINE void pack_a(const PieceProduct& p, const Tiling& tiling,
                       int64_t tile_begin, int64_t tile_end, int64_t k,
                       int64_t depth, float* packed) {
  for (int64_t t = tile_begin; t < tile_end; ++t) {
    const int64_t row = p.row_begin + tiling.begin(t);
    const int64_t rows = p.row_begin + tiling.begin(t + 1) - row;
    if constexpr (kForm == Form::kBackwardWeight) {
      pack_steps(p.a, row, rows, p.a_cols - row, k, depth, packed);
    } else {
      pack_rows(p.a, row, rows, k, depth, packed);
    }
    packed += LayoutOf<kForm>::kTileFloats;
  }
}

// A tile that has fewer than kTileCols columns: by way of `edge`.
HWY_INLINE void multiply_edge_tile(TileFunction tile, int64_t rows,
                                   int64_t cols, int64_t depth, const float* a,
                                   const float* b, float* c, int64_t c_stride,
                                   bool resume, float* edge) {
  const size_t bytes = static_cast<size_t>(cols) * sizeof(float);
  if (resume) {
    for (int64_t i = 0; i < rows; ++i) {
      std::memcpy(edge + i * kTileCols, c + i * c_stride, bytes);
    }
  }
  tile(depth, a, b, edge, kTileCols, resume);
  for (int64_t i = 0; i < rows; ++i) {
    std::memcpy(c + i * c_stride, edge + i * kTileCols, bytes);
  }
}

template <Form kForm>
HWY_INLINE void multiply_span(const PieceProduct& p, const Span& span,
                              const Tiling& tiling, int64_t tile_begin,
                              int64_t tile_end, int64_t depth, bool resume,
                              const float* panel, const Scratch& scratch) {
  using Layout = LayoutOf<kForm>;
  for (int64_t j = 0; j < span.count; j += kTileCols) {
    const int64_t cols = std::min(kTileCols, span.count - j);
    const float* a = scratch.a;
    for (int64_t t = tile_begin; t < tile_end; ++t) {
      const int64_t row = tiling.begin(t);
      const int64_t rows = tiling.begin(t + 1) - row;
      float* c = span.c + row * p.c_stride + j;
      const TileFunction tile = kTileFunctions<Layout>[rows];
      if (cols == kTileCols) {
        tile(depth, a, panel, c, p.c_stride, resume);
      } else {
        multiply_edge_tile(tile, rows, cols, depth, a, panel, c, p.c_stride,
                           resume, scratch.edge);
      }
      a += Layout::kTileFloats;
    }
    panel += depth * kTileCols;
  }
}

HWY_INLINE void fill_with_zero(const PieceProduct& p) {
  for (int s = 0; s < p.num_spans; ++s) {
    for (int64_t i = 0; i < p.row_end - p.row_begin; ++i) {
      std::fill_n(p.span[s].c + i * p.c_stride, p.span[s].count, 0.0f);
    }
  }
}

// What is left of `depth`, cut into blocks of nearly equal length: the next.
HWY_INLINE int64_t next_block(int64_t depth) {
  const int64_t num_blocks = (depth + kBlockK - 1) / kBlockK;
  const int64_t length = (depth + num_blocks - 1) / num_blocks;
  return std::min(depth, (length + 3) / 4 * 4);
}

template <Form kForm>
HWY_NOINLINE void multiply_piece(const PieceProduct& p,
                                 const Scratch& scratch) {
  const Tiling tiling(p.row_end - p.row_begin);
  if (p.depth_begin == p.depth_end && !p.resume) return fill_with_zero(p);
  bool resume = p.resume;
  for (int64_t k = p.depth_begin; k < p.depth_end;) {
    const int64_t depth = next_block(p.depth_end - k);
    pack_b<kForm>(p, k, depth, scratch.b);
    for (int64_t t = 0; t < tiling.num_tiles; t += kBlockTiles) {
      const int64_t t_end = std::min(t + kBlockTiles, tiling.num_tiles);
      pack_a<kForm>(p, tiling, t, t_end, k, depth, scratch.a);
      const float* panel = scratch.b;
      for (int s = 0; s < p.num_spans; ++s) {
        multiply_span<kForm>(p, p.span[s], tiling, t, t_end, depth, resume,
                             panel, scratch);
        panel +=
            (p.span[s].count + kTileCols - 1) / kTileCols * kTileCols * depth;
      }
    }
    k += depth;
    resume = true;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
