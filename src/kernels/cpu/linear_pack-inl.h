// Copies blocks of the operands into the form that linear_tile-inl.h reads:
//
//   A  kTileRows rows a tile: as rows (from rows), or k-major (from columns)
//   B  panels of kTileCols columns, k-major: copied, or transposed in registers
//
// Columns and rows past the operand's end are never read; what a panel holds
// there is of no meaning, for such columns of a tile are thrown away.
#if defined(COLOSSUS_KERNELS_CPU_LINEAR_PACK_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_LINEAR_PACK_INL_H_
#undef COLOSSUS_KERNELS_CPU_LINEAR_PACK_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_LINEAR_PACK_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/cache_control.h"
#include "hwy/highway.h"

#include "kernels/cpu/linear_tile-inl.h"
#include "kernels/cpu/linear_transpose-inl.h"
#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

HWY_INLINE void copy_floats(const float* from, float* to, int64_t count) {
  int64_t i = 0;
  for (; i + kVec <= count; i += kVec) store16(load16(from + i), to + i);
  if (i < count) {
    std::memcpy(to + i, from + i, static_cast<size_t>(count - i) * 4);
  }
}

// How many rows ahead of a copy the prefetch runs.
inline constexpr int64_t kRowsAhead = 8;

HWY_INLINE void prefetch_floats(const float* x, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) hwy::Prefetch(x + i);
}

// Rows [row, row + rows) and columns [k, k + depth) of a: a tile as rows.
HWY_INLINE void pack_rows(const Matrix& a, int64_t row, int64_t rows, int64_t k,
                          int64_t depth, float* tile) {
  for (int64_t i = 0; i < rows; ++i) {
    copy_floats(a.at(row + i) + k, tile + i * RowMajor::kRow, depth);
  }
}

// The rows of tiles, those of tile t from begin[t] to begin[t + 1].
struct TileRows {
  int64_t num_tiles;
  int64_t begin[kBlockTiles + 1];
};

// Rows [k, k + depth) of a, whose columns are the product's rows: tiles,
// k-major. `a_cols`: the columns that a has.
HWY_INLINE void pack_steps(const Matrix& a, const TileRows& rows,
                           int64_t a_cols, int64_t k, int64_t depth,
                           float* packed) {
  constexpr int64_t kStep = StepMajor::kStep;
  const int64_t first = rows.begin[0], end = rows.begin[rows.num_tiles];
  for (int64_t s = 0; s < depth; ++s) {
    const float* from = a.at(k + s);
    if (s + kRowsAhead < depth) {
      prefetch_floats(a.at(k + s + kRowsAhead) + first, end - first);
    }
    float* to = packed + s * kStep;
    for (int64_t t = 0; t < rows.num_tiles; ++t) {
      const int64_t col = rows.begin[t];
      if (col + kStep <= a_cols) {  // what a step has to spare is read along
        std::memcpy(to, from + col, kStep * sizeof(float));
      } else {
        copy_floats(from + col, to, rows.begin[t + 1] - col);
      }
      to += StepMajor::kTileFloats;
    }
  }
}

// Rows [k, k + depth) and columns [col, col + count) of b: panels.
HWY_INLINE void pack_panels(const Matrix& b, int64_t col, int64_t count,
                            int64_t k, int64_t depth, float* packed) {
  const int64_t full = count / kTileCols * kTileCols;
  for (int64_t s = 0; s < depth; ++s) {
    const float* from = b.at(k + s) + col;
    if (s + kRowsAhead < depth) {
      prefetch_floats(b.at(k + s + kRowsAhead) + col, count);
    }
    float* to = packed + s * kTileCols;
    for (int64_t j = 0; j < full; j += kTileCols) {
      COLOSSUS_UNROLLED(v, kTileCols / kVec) {
        store16(load16(from + j + v * kVec), to + v * kVec);
      }
      to += panel_floats(depth);
    }
    if (full < count) copy_floats(from + full, to, count - full);
  }
}

// Rows [col, col + count), count <= kTileCols, and columns [k, k + depth) of b,
// whose rows are the product's columns: one panel.
HWY_INLINE void pack_panel_transposed(const Matrix& b, int64_t col,
                                      int64_t count, int64_t k, int64_t depth,
                                      float* panel) {
  for (int64_t j = 0; j < count; j += kVec) {
    const float* row[kVec];  // past the end: the last one, again
    for (int64_t i = 0; i < kVec; ++i) {
      row[i] = b.at(col + std::min(j + i, count - 1)) + k;
    }
    int64_t s = 0;
    for (; s + 4 <= depth; s += 4) {
      if (s % 16 == 0) {  // the rows that come next
        for (int64_t i = 0; i < kVec; ++i) {
          hwy::Prefetch(row[i] + s + kVec * b.stride);
        }
      }
      V16 step[4];
      transpose_16x4(row, s, step);
      COLOSSUS_UNROLLED(u, 4) {
        store16(step[u], panel + (s + u) * kTileCols + j);
      }
    }
    for (; s < depth; ++s) {
      for (int64_t i = 0; i < kVec; ++i) {
        panel[s * kTileCols + j + i] = row[i][s];
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
