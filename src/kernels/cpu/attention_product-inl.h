// The products of attention's tiles. Every element of c is one chain of fused
// multiply-adds over the summed index n in order:
//
//   c[i][j] = (0 or c[i][j]) + sum over n in [begin, end) of a(i, n) b[n][j]
//
// a is either rows (a(i, n) = a[i * kRowStride + n]: q.k over the head dim) or
// steps (a(i, n) = a[n * kTile + i]) or scores (a(i, n) = a[i * kTile + n]),
// both for sums over queries or keys.
#if defined(COLOSSUS_KERNELS_CPU_ATTENTION_PRODUCT_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_ATTENTION_PRODUCT_INL_H_
#undef COLOSSUS_KERNELS_CPU_ATTENTION_PRODUCT_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_ATTENTION_PRODUCT_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

#include "kernels/cpu/attention_plan.h"
#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

// Register tiles: 8 x 32 with 32 registers of 16 lanes, 6 x 16 with 16 of 8;
// four rows where fewer are left, so that 64 = 10 * 6 + 4 wastes nothing.
#if HWY_TARGET == HWY_SCALAR
inline constexpr int kProductRows = 4, kProductVecs = 1;
#elif HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
inline constexpr int kProductRows = 8, kProductVecs = 2;
#else
inline constexpr int kProductRows = 6, kProductVecs = 1;
#endif
inline constexpr int kFewRows = 4;
static_assert(kProductRows <= kTileSlack);

template <int64_t kRow_, int64_t kStep_>
struct Strides {
  static constexpr int64_t kRow = kRow_, kStep = kStep_;
};
using RowsOperand = Strides<kRowStride, 1>;
using StepsOperand = Strides<1, kTile>;
using ScoresOperand = Strides<kTile, 1>;

#define COLOSSUS_UNROLL_TO(i, count) \
  HWY_UNROLL(16)                     \
  for (int i = 0; i < (count); ++i)

template <typename A, int64_t kBStep, int kRows, int kVecs>
HWY_INLINE void product_step(const float* HWY_RESTRICT a,
                             const float* HWY_RESTRICT b,
                             V16 (&sum)[kRows][kVecs]) {
  V16 b16[kVecs];
  COLOSSUS_UNROLL_TO(j, kVecs) { b16[j] = load16(b + j * kVec); }
  COLOSSUS_UNROLL_TO(i, kRows) {
    const V16 a16 = set1(a[i * A::kRow]);
    COLOSSUS_UNROLL_TO(j, kVecs) { sum[i][j] = fma16(a16, b16[j], sum[i][j]); }
  }
}

template <typename A, int64_t kBStep, int64_t kCRow, bool kResume, int kRows,
          int kVecs>
HWY_NOINLINE void product_tile(const float* HWY_RESTRICT a,
                               const float* HWY_RESTRICT b, int64_t length,
                               float* HWY_RESTRICT c) {
  V16 sum[kRows][kVecs];
  COLOSSUS_UNROLL_TO(i, kRows) {
    COLOSSUS_UNROLL_TO(j, kVecs) {
      sum[i][j] = kResume ? load16(c + i * kCRow + j * kVec) : zero16();
    }
  }
  int64_t n = 0;
  for (; n + 2 <= length; n += 2) {
    product_step<A, kBStep>(a, b, sum);
    product_step<A, kBStep>(a + A::kStep, b + kBStep, sum);
    a += 2 * A::kStep;
    b += 2 * kBStep;
  }
  if (n < length) product_step<A, kBStep>(a, b, sum);
  COLOSSUS_UNROLL_TO(i, kRows) {
    COLOSSUS_UNROLL_TO(j, kVecs) {
      store16(sum[i][j], c + i * kCRow + j * kVec);
    }
  }
}

struct ChainRange {
  int64_t begin, end;
};

// One band of kVecs * 16 columns of c, rows [first_row, last_row). `range` says
// over which n the rows [r, r + count) sum; rows past the last are scratch.
template <typename A, int64_t kBStep, int64_t kCRow, bool kResume, int kVecs,
          typename Range>
HWY_INLINE void product_band(const float* a, const float* b, int64_t first_row,
                             int64_t last_row, Range range, float* c) {
  int64_t r = first_row;
  for (; last_row - r > kFewRows; r += kProductRows) {
    const ChainRange n = range(r, r + kProductRows);
    product_tile<A, kBStep, kCRow, kResume, kProductRows, kVecs>(
        a + r * A::kRow + n.begin * A::kStep, b + n.begin * kBStep,
        n.end - n.begin, c + r * kCRow);
  }
  if (r < last_row) {
    const ChainRange n = range(r, r + kFewRows);
    product_tile<A, kBStep, kCRow, kResume, kFewRows, kVecs>(
        a + r * A::kRow + n.begin * A::kStep, b + n.begin * kBStep,
        n.end - n.begin, c + r * kCRow);
  }
}

// All columns: num_vecs times 16.
template <typename A, int64_t kBStep, int64_t kCRow, bool kResume,
          typename Range>
HWY_INLINE void product(const float* a, const float* b, int64_t num_rows,
                        int64_t num_vecs, Range range, float* c) {
  int64_t v = 0;
  for (; v + kProductVecs <= num_vecs; v += kProductVecs) {
    product_band<A, kBStep, kCRow, kResume, kProductVecs>(
        a, b + v * kVec, 0, num_rows, range, c + v * kVec);
  }
  if constexpr (kProductVecs > 1) {
    for (; v < num_vecs; ++v) {
      product_band<A, kBStep, kCRow, kResume, 1>(a, b + v * kVec, 0, num_rows,
                                                 range, c + v * kVec);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
