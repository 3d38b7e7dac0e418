// Sixteen floats at a time, on every instruction set: one AVX-512 register, two
// of AVX2, four of NEON. All kernels are written in V16, so that a result never
// depends on the width of a register: what lane i computes is the same
// everywhere, and a reduction ends in the same tree of 16.
//
// Included once per target between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE
// (Highway's foreach_target), hence the guard's form.
#if defined(COLOSSUS_KERNELS_CPU_VEC16_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_VEC16_INL_H_
#undef COLOSSUS_KERNELS_CPU_VEC16_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_VEC16_INL_H_
#endif

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;
using Reg = hn::Vec<Tag>;
using IntTag = hn::RebindToSigned<Tag>;

inline constexpr int64_t kVec = 16;  // lanes of a V16
inline constexpr int64_t kRegLanes = hn::MaxLanes(Tag());
inline constexpr int kParts = static_cast<int>(kVec / kRegLanes);

// `for (int p = 0; ...)` over the registers of a V16, always unrolled.
#define COLOSSUS_EACH_PART(p) \
  HWY_UNROLL(16)              \
  for (int p = 0; p < kParts; ++p)

struct V16 {
  Reg part[kParts];
};

HWY_INLINE V16 set1(float x) {
  V16 r;
  COLOSSUS_EACH_PART(p) r.part[p] = hn::Set(Tag(), x);
  return r;
}
HWY_INLINE V16 zero16() { return set1(0.0f); }

HWY_INLINE V16 load16(const float* x) {
  V16 r;
  COLOSSUS_EACH_PART(p) r.part[p] = hn::LoadU(Tag(), x + p * kRegLanes);
  return r;
}
HWY_INLINE void store16(const V16& v, float* x) {
  COLOSSUS_EACH_PART(p) hn::StoreU(v.part[p], Tag(), x + p * kRegLanes);
}

// The first n <= 16 lanes; the others are `fill`. Touches no other memory.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
// Where a masked access stays away from what is masked out.
HWY_INLINE hn::Mask<Tag> first_lanes(int64_t n, int part) {
  const int64_t left = n - part * kRegLanes;
  return hn::FirstN(Tag(), static_cast<size_t>(left < 0 ? 0 : left));
}
HWY_INLINE V16 load_n(const float* x, int64_t n, float fill = 0.0f) {
  V16 r;
  COLOSSUS_EACH_PART(p) {
    const auto mask = first_lanes(n, p);
    const Reg lanes = hn::MaskedLoad(mask, Tag(), x + p * kRegLanes);
    r.part[p] = hn::IfThenElse(mask, lanes, hn::Set(Tag(), fill));
  }
  return r;
}
HWY_INLINE void store_n(const V16& v, float* x, int64_t n) {
  COLOSSUS_EACH_PART(p) {
    hn::BlendedStore(v.part[p], first_lanes(n, p), Tag(), x + p * kRegLanes);
  }
}
#else
HWY_INLINE V16 load_n(const float* x, int64_t n, float fill = 0.0f) {
  float buffer[kVec];
  for (int64_t i = 0; i < kVec; ++i) buffer[i] = fill;
  std::memcpy(buffer, x, static_cast<size_t>(n) * sizeof(float));
  return load16(buffer);
}
HWY_INLINE void store_n(const V16& v, float* x, int64_t n) {
  float buffer[kVec];
  store16(v, buffer);
  std::memcpy(x, buffer, static_cast<size_t>(n) * sizeof(float));
}
#endif

#define COLOSSUS_BINARY(name, op)                                       \
  HWY_INLINE V16 name(const V16& a, const V16& b) {                     \
    V16 r;                                                              \
    COLOSSUS_EACH_PART(p) { r.part[p] = hn::op(a.part[p], b.part[p]); } \
    return r;                                                           \
  }
COLOSSUS_BINARY(add, Add)
COLOSSUS_BINARY(sub, Sub)
COLOSSUS_BINARY(mul, Mul)
COLOSSUS_BINARY(div, Div)  // exact division, never a reciprocal estimate
COLOSSUS_BINARY(max16, Max)
COLOSSUS_BINARY(min16, Min)
#undef COLOSSUS_BINARY

// a * b + c, rounded once (twice where there is no FMA: another numerics
// version).
HWY_INLINE V16 fma16(const V16& a, const V16& b, const V16& c) {
  V16 r;
  COLOSSUS_EACH_PART(p) {
    r.part[p] = hn::MulAdd(a.part[p], b.part[p], c.part[p]);
  }
  return r;
}
// c - a * b
HWY_INLINE V16 fnma16(const V16& a, const V16& b, const V16& c) {
  V16 r;
  COLOSSUS_EACH_PART(p) {
    r.part[p] = hn::NegMulAdd(a.part[p], b.part[p], c.part[p]);
  }
  return r;
}
HWY_INLINE V16 sqrt16(const V16& a) {
  V16 r;
  COLOSSUS_EACH_PART(p) r.part[p] = hn::Sqrt(a.part[p]);
  return r;
}
HWY_INLINE V16 abs16(const V16& a) {
  V16 r;
  COLOSSUS_EACH_PART(p) r.part[p] = hn::Abs(a.part[p]);
  return r;
}
// Where a < b: yes, else no.
HWY_INLINE V16 if_less(const V16& a, const V16& b, const V16& yes,
                       const V16& no) {
  V16 r;
  COLOSSUS_EACH_PART(p) {
    r.part[p] =
        hn::IfThenElse(hn::Lt(a.part[p], b.part[p]), yes.part[p], no.part[p]);
  }
  return r;
}

// The fixed tree: lane i + lane i+8, then i+4, i+2, i+1.
template <typename Combine>
HWY_INLINE float reduce16(const V16& v, Combine combine) {
  HWY_ALIGN float lane[kVec];
  store16(v, lane);
  for (int width = 8; width >= 1; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] = combine(lane[i], lane[i + width]);
  }
  return lane[0];
}
HWY_INLINE float sum_lanes(const V16& v) {
  return reduce16(v, [](float a, float b) { return a + b; });
}
HWY_INLINE float max_lanes(const V16& v) {
  return reduce16(v, [](float a, float b) { return a < b ? b : a; });
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
