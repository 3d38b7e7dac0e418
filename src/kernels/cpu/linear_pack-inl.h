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

#if HWY_TARGET != HWY_SCALAR
// A register of 128-bit blocks: four floats of rows i, i + 4, i + 8, ...
HWY_INLINE Reg load_blocks(const float* const* row, int64_t k) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const hn::CappedTag<float, 4> d4;
  const hn::CappedTag<float, 8> d8;
  const auto low =
      hn::Combine(d8, hn::LoadU(d4, row[4] + k), hn::LoadU(d4, row[0] + k));
#if HWY_TARGET == HWY_AVX2
  return low;
#else
  const auto high =
      hn::Combine(d8, hn::LoadU(d4, row[12] + k), hn::LoadU(d4, row[8] + k));
  return hn::Combine(Tag(), high, low);
#endif
#else
  static_assert(kRegLanes == 4);
  return hn::LoadU(Tag(), row[0] + k);
#endif
}

// Four floats, from k, of each of 16 rows: to[s * kTileCols + i] = row[i][k+s].
HWY_INLINE void transpose_16x4(const float* const* row, int64_t k, float* to) {
  const hn::RepartitionToWide<Tag> wide;
  COLOSSUS_EACH_PART(p) {
    const float* const* r = row + p * kRegLanes;
    const Reg r0 = load_blocks(r, k), r1 = load_blocks(r + 1, k);
    const Reg r2 = load_blocks(r + 2, k), r3 = load_blocks(r + 3, k);
    const auto low01 = hn::BitCast(wide, hn::InterleaveLower(Tag(), r0, r1));
    const auto low23 = hn::BitCast(wide, hn::InterleaveLower(Tag(), r2, r3));
    const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(Tag(), r0, r1));
    const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(Tag(), r2, r3));
    const auto store = [&](auto v, int64_t s) HWY_ATTR {
      hn::Store(hn::BitCast(Tag(), v), Tag(),
                to + s * kTileCols + p * kRegLanes);
    };
    store(hn::InterleaveLower(wide, low01, low23), 0);
    store(hn::InterleaveUpper(wide, low01, low23), 1);
    store(hn::InterleaveLower(wide, high01, high23), 2);
    store(hn::InterleaveUpper(wide, high01, high23), 3);
  }
}
#endif

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
#if HWY_TARGET != HWY_SCALAR
    for (; s + 4 <= depth; s += 4) {
      transpose_16x4(row, s, panel + s * kTileCols + j);
    }
#endif
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
