// Rows in and out of the attention's tiles: copied, rotated, transposed.
//
// Packed rows are kRowStride apart and padded with zeros to a multiple of 16.
#if defined(COLOSSUS_KERNELS_CPU_ATTENTION_ROWS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_ATTENTION_ROWS_INL_H_
#undef COLOSSUS_KERNELS_CPU_ATTENTION_ROWS_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_ATTENTION_ROWS_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"

#include "kernels/cpu/attention_plan.h"
#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

HWY_INLINE int64_t vecs_of(int64_t dim) { return (dim + kVec - 1) / kVec; }

HWY_INLINE V16 load_some(const float* x, int64_t n) {
  return n >= kVec ? load16(x) : load_n(x, n);
}
HWY_INLINE void store_some(const V16& v, float* x, int64_t n) {
  n >= kVec ? store16(v, x) : store_n(v, x, n);
}

// to = RoPE(from) * scale, or with sign = -1 its inverse (then scaled): pairs
// (a, b) at distance K/2 become (a cos - b sin, b cos + a sin).
HWY_INLINE void rotate_row(const float* from_K, const float* cos_J,
                           const float* sin_J, int64_t head_dim, float sign,
                           float scale, float* to_K) {
  const int64_t half = head_dim / 2;
  const V16 scale16 = set1(scale), sign16 = set1(sign);
  for (int64_t j = 0; j < half; j += kVec) {
    const int64_t n = half - j;
    const V16 cos = load_some(cos_J + j, n);
    const V16 sin = mul(load_some(sin_J + j, n), sign16);
    const V16 a = load_some(from_K + j, n);
    const V16 b = load_some(from_K + half + j, n);
    const V16 to_a = fnma16(b, sin, mul(a, cos));
    const V16 to_b = fma16(a, sin, mul(b, cos));
    store_some(mul(to_a, scale16), to_K + j, n);
    store_some(mul(to_b, scale16), to_K + half + j, n);
  }
}

HWY_INLINE void zero_pad(float* row, int64_t head_dim) {
  for (int64_t j = head_dim; j % kVec != 0; ++j) row[j] = 0.0f;
}

// Positions of the first row, and where rows of q, k or v start.
struct RowSource {
  const float* first;
  int64_t stride;
  int64_t position;
};

HWY_INLINE void pack_rotated(const RowSource& from, int64_t num_rows,
                             const AttentionShape& shape, float scale,
                             float* to) {
  const int64_t half = shape.head_dim / 2;
  for (int64_t r = 0; r < num_rows; ++r) {
    const int64_t angle = (from.position + r) * half;
    float* row = to + r * kRowStride;
    rotate_row(from.first + r * from.stride, shape.rope.cos_TJ + angle,
               shape.rope.sin_TJ + angle, shape.head_dim, 1.0f, scale, row);
    zero_pad(row, shape.head_dim);
  }
}

HWY_INLINE void pack_rows(const float* first, int64_t stride, int64_t num_rows,
                          int64_t head_dim, float* to) {
  for (int64_t r = 0; r < num_rows; ++r) {
    float* row = to + r * kRowStride;
    for (int64_t j = 0; j < head_dim; j += kVec) {
      store16(load_some(first + r * stride + j, head_dim - j), row + j);
    }
  }
}

// to[j][r] = from[r][j]: rows kRowStride apart become columns of rows kTile
// apart. Writes whole groups of four rows, and every column of the padding.
HWY_INLINE void transpose_rows(const float* from, int64_t num_rows,
                               int64_t head_dim, float* to) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t r = 0; r < num_rows; ++r) {
    for (int64_t j = 0; j < head_dim; ++j) {
      to[j * kTile + r] = from[r * kRowStride + j];
    }
  }
#else
  const hn::FixedTag<float, 4> tag4;
  const hn::Repartition<double, decltype(tag4)> pairs;
  for (int64_t r = 0; r < num_rows; r += 4) {
    const float* row = from + r * kRowStride;
    for (int64_t j = 0; j < head_dim; j += 4) {
      const auto a = hn::LoadU(tag4, row + j);
      const auto b = hn::LoadU(tag4, row + kRowStride + j);
      const auto c = hn::LoadU(tag4, row + 2 * kRowStride + j);
      const auto d = hn::LoadU(tag4, row + 3 * kRowStride + j);
      const auto ab_low = hn::BitCast(pairs, hn::InterleaveLower(tag4, a, b));
      const auto cd_low = hn::BitCast(pairs, hn::InterleaveLower(tag4, c, d));
      const auto ab_high = hn::BitCast(pairs, hn::InterleaveUpper(tag4, a, b));
      const auto cd_high = hn::BitCast(pairs, hn::InterleaveUpper(tag4, c, d));
      float* column = to + j * kTile + r;
      hn::StoreU(hn::BitCast(tag4, hn::InterleaveLower(pairs, ab_low, cd_low)),
                 tag4, column);
      hn::StoreU(hn::BitCast(tag4, hn::InterleaveUpper(pairs, ab_low, cd_low)),
                 tag4, column + kTile);
      hn::StoreU(
          hn::BitCast(tag4, hn::InterleaveLower(pairs, ab_high, cd_high)), tag4,
          column + 2 * kTile);
      hn::StoreU(
          hn::BitCast(tag4, hn::InterleaveUpper(pairs, ab_high, cd_high)), tag4,
          column + 3 * kTile);
    }
  }
#endif
}

// Lanes first, first + 1, ...
HWY_INLINE V16 counting16(float first) {
  V16 r;
  COLOSSUS_EACH_PART(p) {
    r.part[p] = hn::Iota(Tag(), first + static_cast<float>(p * kRegLanes));
  }
  return r;
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
