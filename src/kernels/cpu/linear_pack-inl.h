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

#include "hwy/highway.h"

#include "kernels/cpu/linear_tile-inl.h"
#include "kernels/cpu/linear_transpose-inl.h"
#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

// A matrix in memory: row i starts at data + stride * (row ? row[i] : i).
struct Matrix {
  const float* data;
  int64_t stride;
  const int32_t* row = nullptr;

  HWY_INLINE const float* at(int64_t i) const {
    return data + stride * (row != nullptr ? row[i] : i);
  }
};

HWY_INLINE void copy_floats(const float* from, float* to, int64_t count) {
  int64_t i = 0;
  for (; i + kVec <= count; i += kVec) store16(load16(from + i), to + i);
  if (i < count) {
    std::memcpy(to + i, from + i, static_cast<size_t>(count - i) * 4);
  }
}

// Rows [row, row + rows) and columns [k, k + depth) of a: a tile as rows.
HWY_INLINE void pack_rows(const Matrix& a, int64_t row, int64_t rows, int64_t k,
                          int64_t depth, float* tile) {
  for (int64_t i = 0; i < rows; ++i) {
    copy_floats(a.at(row + i) + k, tile + i * RowMajor::kRow, depth);
  }
}

// Rows [k, k + depth) and columns [col, col + count) of a, whose columns are
// the product's rows: a tile, k-major. `readable`: columns from col on that
// exist.
HWY_INLINE void pack_steps(const Matrix& a, int64_t col, int64_t count,
                           int64_t readable, int64_t k, int64_t depth,
                           float* tile) {
  constexpr int64_t kStep = StepMajor::kStep;
  if (readable >= kStep) {  // what a step has to spare is read along
    for (int64_t s = 0; s < depth; ++s) {
      std::memcpy(tile + s * kStep, a.at(k + s) + col, kStep * sizeof(float));
    }
    return;
  }
  for (int64_t s = 0; s < depth; ++s) {
    std::memcpy(tile + s * kStep, a.at(k + s) + col,
                static_cast<size_t>(count) * sizeof(float));
  }
}

// Rows [k, k + depth) and columns [col, col + count), count <= kTileCols, of b.
HWY_INLINE void pack_panel(const Matrix& b, int64_t col, int64_t count,
                           int64_t k, int64_t depth, float* panel) {
  if (count == kTileCols) {
    for (int64_t s = 0; s < depth; ++s) {
      const float* from = b.at(k + s) + col;
      for (int64_t j = 0; j < kTileCols; j += kVec) {
        store16(load16(from + j), panel + j);
      }
      panel += kTileCols;
    }
    return;
  }
  for (int64_t s = 0; s < depth; ++s) {
    copy_floats(b.at(k + s) + col, panel, count);
    panel += kTileCols;
  }
}

// Rows [col, col + count) and columns [k, k + depth) of b, whose rows are the
// product's columns.
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
