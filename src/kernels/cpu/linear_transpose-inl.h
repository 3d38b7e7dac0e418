// Sixteen rows, four columns at a time, turned in registers: blocks of four
// floats are put in their places as they are loaded, then 4 x 4 transposes run
// within the blocks.
#if defined(COLOSSUS_KERNELS_CPU_LINEAR_TRANSPOSE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_LINEAR_TRANSPOSE_INL_H_
#undef COLOSSUS_KERNELS_CPU_LINEAR_TRANSPOSE_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_LINEAR_TRANSPOSE_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
HWY_INLINE void transpose_16x4(const float* const* row, int64_t k, V16* step) {
  for (int u = 0; u < 4; ++u) {
    float lane[kVec];
    for (int64_t i = 0; i < kVec; ++i) lane[i] = row[i][k + u];
    step[u] = load16(lane);
  }
}
#else

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

// Lane i of step[u] is row[i][k + u], u < 4.
HWY_INLINE void transpose_16x4(const float* const* row, int64_t k, V16* step) {
  const hn::RepartitionToWide<Tag> wide;
  const Tag d;
  COLOSSUS_EACH_PART(p) {
    const float* const* r = row + p * kRegLanes;
    const Reg r0 = load_blocks(r, k), r1 = load_blocks(r + 1, k);
    const Reg r2 = load_blocks(r + 2, k), r3 = load_blocks(r + 3, k);
    const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, r0, r1));
    const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, r2, r3));
    const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, r0, r1));
    const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, r2, r3));
    step[0].part[p] = hn::BitCast(d, hn::InterleaveLower(wide, low01, low23));
    step[1].part[p] = hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23));
    step[2].part[p] = hn::BitCast(d, hn::InterleaveLower(wide, high01, high23));
    step[3].part[p] = hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23));
  }
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
