// The forward product of a few rows (decoding, small experts): the weights are
// read once, straight from memory at its pace, and turned in registers, so that
// an element is the same one chain as everywhere.
#if defined(COLOSSUS_KERNELS_CPU_LINEAR_FEW_ROWS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_LINEAR_FEW_ROWS_INL_H_
#undef COLOSSUS_KERNELS_CPU_LINEAR_FEW_ROWS_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_LINEAR_FEW_ROWS_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "hwy/cache_control.h"
#include "hwy/highway.h"

#include "kernels/cpu/linear_block-inl.h"
#include "kernels/cpu/linear_pack-inl.h"
#include "kernels/cpu/linear_transpose-inl.h"
#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

inline constexpr int64_t kFewRows = 4;

// Sixteen columns of the output, `count` of which exist, for kRows rows of x.
template <int kRows>
HWY_INLINE void multiply_few_block(const float* const* x, const float* const* w,
                                   int64_t w_stride, int64_t depth,
                                   int64_t count, float* c, int64_t c_stride) {
  V16 sum[kRows];
  COLOSSUS_UNROLLED(r, kRows) { sum[r] = zero16(); }
  int64_t k = 0;
  for (; k + 4 <= depth; k += 4) {
    if (k % 16 == 0) {
      // The next sixteen rows, in memory's order, into L2.
      const float* next = w[0] + 16 * w_stride + 16 * k;
      for (int64_t i = 0; i < 16 * kLine; i += kLine) {
        __builtin_prefetch(next + i, 0, 2);
      }
    }
    V16 step[4];
    transpose_16x4(w, k, step);
    COLOSSUS_UNROLLED(u, 4) {
      COLOSSUS_UNROLLED(r, kRows) {
        sum[r] = fma16(step[u], set1(x[r][k + u]), sum[r]);
      }
    }
  }
  for (; k < depth; ++k) {
    float lane[kVec];
    for (int64_t i = 0; i < kVec; ++i) lane[i] = w[i][k];
    const V16 step = load16(lane);
    COLOSSUS_UNROLLED(r, kRows) { sum[r] = fma16(step, set1(x[r][k]), sum[r]); }
  }
  COLOSSUS_UNROLLED(r, kRows) { store_n(sum[r], c + r * c_stride, count); }
}

// c(r, j) = x row (row + r) times w row (col + j), r < kRows, j < count.
template <int kRows>
HWY_NOINLINE void multiply_few(const Matrix& x, int64_t row, const Matrix& w,
                               int64_t col, int64_t count, int64_t depth,
                               float* c, int64_t c_stride) {
  const float* x_row[kRows];
  for (int64_t r = 0; r < kRows; ++r) x_row[r] = x.at(row + r);
  for (int64_t j = 0; j < count; j += kVec) {
    const float* w_row[kVec];  // past the end: the last one, again
    for (int64_t i = 0; i < kVec; ++i) {
      w_row[i] = w.at(col + std::min(j + i, count - 1));
    }
    multiply_few_block<kRows>(x_row, w_row, w.stride, depth,
                              std::min(kVec, count - j), c + j, c_stride);
  }
}

// A piece of a forward product that starts its chains, by the way that suits
// its number of rows.
HWY_INLINE void forward_piece(const PieceProduct& p, const Scratch& scratch,
                              PackedB* packed) {
  const int64_t rows = p.row_end - p.row_begin;
  if (rows > kFewRows) {
    return multiply_piece<Form::kForward>(p, scratch, packed);
  }
  using Few = void (*)(const Matrix&, int64_t, const Matrix&, int64_t, int64_t,
                       int64_t, float*, int64_t);
  constexpr Few kFew[] = {&multiply_few<1>, &multiply_few<2>, &multiply_few<3>,
                          &multiply_few<4>};
  static_assert(std::size(kFew) == kFewRows);
  for (int s = 0; s < p.num_spans; ++s) {
    const Span& span = p.span[s];
    kFew[rows - 1](p.a, p.row_begin, p.b, span.col, span.count, p.depth_end,
                   span.c, p.c_stride);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
