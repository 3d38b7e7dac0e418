// What the row kernels share, over V16: walking the columns of a row, and the
// tree over shards. Included once per target, as vec16-inl.h is.
#if defined(COLOSSUS_KERNELS_CPU_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_ROWS_INL_H_
#undef COLOSSUS_KERNELS_CPU_ROWS_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_ROWS_INL_H_
#endif

#include <cstdint>

#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

// How the body of each_vec reads and writes: sixteen columns, or the n < 16
// that are left at the end of a row (the other lanes read as `fill`).
struct WholeVec {
  static HWY_INLINE V16 load(const float* x, float = 0.0f) { return load16(x); }
  static HWY_INLINE void store(const V16& v, float* x) { store16(v, x); }
  static HWY_INLINE const V16& only(const V16& v) { return v; }
};
struct PartVec {
  int64_t n;
  HWY_INLINE V16 load(const float* x, float fill = 0.0f) const {
    return load_n(x, n, fill);
  }
  HWY_INLINE void store(const V16& v, float* x) const { store_n(v, x, n); }
  // The lanes past the end made zero.
  HWY_INLINE V16 only(const V16& v) const {
    float buffer[kVec];
    store16(v, buffer);
    return load_n(buffer, n);
  }
};

// body(d, io) for d = begin, begin + 16, ... < end, in order.
template <typename Body>
HWY_INLINE void each_vec(int64_t begin, int64_t end, const Body& body) {
  int64_t d = begin;
  for (; d + kVec <= end; d += kVec) body(d, WholeVec());
  if (d < end) body(d, PartVec{end - d});
}

// The binary tree over shards [first, first + count), distance 1 first, left +
// right; value(shard) is a V16. `count` is a power of two.
template <typename Value>
V16 shard_tree(int64_t first, int64_t count, const Value& value) {
  if (count == 1) return value(first);
  const V16 left = shard_tree(first, count / 2, value);
  return add(left, shard_tree(first + count / 2, count / 2, value));
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
