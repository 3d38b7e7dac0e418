// exp, log, tanh and GELU over V16, from + - * / fma, min, max and bit
// operations alone: the same bits from every instruction set that has FMA. Not
// libm, whose bits differ between versions; no reciprocal estimates.
//
// The polynomials are our own fits (relative error, before rounding):
//   exp   e^r = 1 + r + r^2 g(r), |r| <= ln(2)/2, g of degree 4; 3e-9
//   exp2  2^r = 1 + r g(r), |r| <= 1/2, g of degree 5; 2e-9
//   log   log(1+f) = f - f^2/2 + f^3 g(f), 1+f in [sqrt(1/2), sqrt(2)]; 6e-9
//         (all three: Remez exchange in 60 digits, weights 1/f(x))
//   tanh  x P(x^2) / Q(x^2), degree 4 over 4, |x| <= 9; 2e-8 (linearised least
//         squares with Lawson's reweighting, until the errors are level)
// Denormals are flushed, results and inputs alike, as in all kernel threads.
#if defined(COLOSSUS_KERNELS_CPU_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_MATH_INL_H_
#undef COLOSSUS_KERNELS_CPU_MATH_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_MATH_INL_H_
#endif

#include <limits>

#include "hwy/highway.h"
#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

// a * b + c with constants b, c: a step of Horner's rule.
HWY_INLINE V16 horner(const V16& sum, const V16& x, float coefficient) {
  return fma16(sum, x, set1(coefficient));
}

// Where a < b: 0, else x. A NaN in a or b keeps x.
HWY_INLINE V16 zero_if_less(const V16& a, const V16& b, const V16& x) {
  V16 r;
  COLOSSUS_EACH_PART(p) {
    r.part[p] = hn::IfThenZeroElse(hn::Lt(a.part[p], b.part[p]), x.part[p]);
  }
  return r;
}

// Added to |y| < 2^22, it leaves y rounded to an integer in the low bits.
inline constexpr float kRoundToInt = 12582912.0f;  // 1.5 * 2^23

// x * 2^n for the n in the low bits of `shifted`, an integer + kRoundToInt, by
// adding n to the exponent: x and the result must be normal.
HWY_INLINE V16 scale_by_power_of_2(const V16& x, const V16& shifted) {
  V16 r;
  COLOSSUS_EACH_PART(p) {
    const auto n = hn::ShiftLeft<23>(hn::BitCast(IntTag(), shifted.part[p]));
    r.part[p] =
        hn::BitCast(Tag(), hn::Add(hn::BitCast(IntTag(), x.part[p]), n));
  }
  return r;
}

// 2^y for y < 127.5; 0 below the least normal number. NaN stays NaN.
HWY_INLINE V16 exp2_bounded16(const V16& y) {
  const V16 shifted = add(y, set1(kRoundToInt));
  const V16 r = sub(y, sub(shifted, set1(kRoundToInt)));
  V16 g = set1(1.535342938e-4f);
  g = horner(g, r, 1.33988872474e-3f);
  g = horner(g, r, 9.61843720599e-3f);
  g = horner(g, r, 5.55033244099e-2f);
  g = horner(g, r, 2.4022647914e-1f);
  g = horner(g, r, 6.93147202868e-1f);
  g = horner(g, r, 1.0f);
  return zero_if_less(y, set1(-126.0f), scale_by_power_of_2(g, shifted));
}

// e^x for x <= 88; 0 below the least normal number. NaN stays NaN.
HWY_INLINE V16 exp_bounded16(const V16& x) {
  const V16 shifted = fma16(x, set1(1.44269504089f), set1(kRoundToInt));
  const V16 n = sub(shifted, set1(kRoundToInt));
  V16 r = fnma16(n, set1(0.693359375f), x);  // ln(2): 10 bits, and the rest
  r = fnma16(n, set1(-2.12194440055e-4f), r);
  V16 g = set1(1.381462766e-3f);
  g = horner(g, r, 8.368716739e-3f);
  g = horner(g, r, 4.166838762e-2f);
  g = horner(g, r, 1.666652063e-1f);
  g = horner(g, r, 4.999999345e-1f);
  const V16 e = add(set1(1.0f), fma16(mul(r, r), g, r));
  const V16 least = set1(-87.33654475f);  // log of the least normal number
  return zero_if_less(x, least, scale_by_power_of_2(e, shifted));
}

// e^x everywhere: infinity past the largest float, 0 below the least normal.
HWY_INLINE V16 exp16(const V16& x) {
  const V16 past_all = set1(std::numeric_limits<float>::infinity());
  // x + infinity: infinity, and NaN for NaN.
  return if_less(x, set1(88.7228394f), exp_bounded16(x), add(x, past_all));
}

// The natural logarithm; log(0) = -infinity, NaN below 0.
HWY_INLINE V16 log16(const V16& x) {
  V16 exponent, f;
  COLOSSUS_EACH_PART(p) {
    // Integers less the bits of sqrt(1/2): the exponent above, m - sqrt(1/2)
    // below, m in [sqrt(1/2), sqrt(2)).
    const auto bits = hn::BitCast(IntTag(), x.part[p]);
    const auto root = hn::Set(IntTag(), 0x3f3504f3);
    const auto above = hn::Sub(bits, root);
    const auto low = hn::And(above, hn::Set(IntTag(), 0x007fffff));
    exponent.part[p] = hn::ConvertTo(Tag(), hn::ShiftRight<23>(above));
    const Reg m = hn::BitCast(Tag(), hn::Add(low, root));
    f.part[p] = hn::Sub(m, hn::Set(Tag(), 1.0f));
  }
  V16 g = set1(-0.0763433825291f);
  g = horner(g, f, 0.127614303341f);
  g = horner(g, f, -0.131601735267f);
  g = horner(g, f, 0.142017792981f);
  g = horner(g, f, -0.166233606731f);
  g = horner(g, f, 0.200012260655f);
  g = horner(g, f, -0.250008209252f);
  g = horner(g, f, 0.333333317147f);
  const V16 f2 = mul(f, f);
  V16 r = fma16(mul(f2, f), g, mul(exponent, set1(-2.12194440055e-4f)));
  r = fnma16(set1(0.5f), f2, r);
  r = add(r, f);
  r = fma16(exponent, set1(0.693359375f), r);
  const V16 infinity = set1(std::numeric_limits<float>::infinity());
  r = if_less(x, infinity, r, x);  // infinity and NaN: themselves
  r = if_less(x, set1(std::numeric_limits<float>::min()),
              sub(zero16(), infinity), r);
  return if_less(x, zero16(), set1(std::numeric_limits<float>::quiet_NaN()), r);
}

// tanh; exactly +-1 from |x| = kTanhOne on.
inline constexpr float kTanhOne = 9.0f;
HWY_INLINE V16 tanh16(const V16& x) {
  // The limit first: min and max hand on a NaN in their second place.
  const V16 c = max16(set1(-kTanhOne), min16(set1(kTanhOne), x));
  const V16 z = mul(c, c);
  V16 p = set1(1.330531186e-8f);
  p = horner(p, z, 2.057356922e-5f);
  p = horner(p, z, 3.493432594e-3f);
  p = horner(p, z, 1.337921113e-1f);
  p = horner(p, z, 1.0f);
  V16 q = set1(7.756393908e-7f);
  q = horner(q, z, 3.282108193e-4f);
  q = horner(q, z, 2.586878324e-2f);
  q = horner(q, z, 4.671252623e-1f);
  q = horner(q, z, 1.0f);
  // Rounding may end one step past 1.
  const V16 t = div(mul(c, p), q);
  return max16(set1(-1.0f), min16(set1(1.0f), t));
}

// GELU's tanh form, 0.5 x (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3), as
// x s with s = 1 / (1 + e^-2u): no cancellation where x < 0. Its derivative:
//   s + x s (1 - s) 2u',  1 - s = e^-2u s.
struct GeluParts {
  V16 s, one_minus_s, twice_du;
};

HWY_INLINE GeluParts gelu_parts(const V16& x) {
  // Past x^2 = 1e4 all is decided, and products of large numbers stay finite.
  const V16 x2 = min16(set1(1e4f), mul(x, x));
  const V16 c = set1(-1.59576912161f);  // -2 sqrt(2/pi)
  const V16 minus_2u = mul(x, fma16(x2, set1(-0.0713548162726f), c));
  const V16 e = exp_bounded16(min16(set1(80.0f), minus_2u));
  GeluParts r;
  r.s = div(set1(1.0f), add(e, set1(1.0f)));
  r.one_minus_s = mul(e, r.s);
  r.twice_du = fma16(x2, set1(3 * 0.0713548162726f), set1(1.59576912161f));
  return r;
}

HWY_INLINE V16 gelu_derivative(const V16& x, const GeluParts& g) {
  const V16 slope = mul(mul(x, g.twice_du), mul(g.s, g.one_minus_s));
  return add(g.s, slope);
}

HWY_INLINE V16 gelu16(const V16& x) { return mul(x, gelu_parts(x).s); }
HWY_INLINE V16 gelu_grad16(const V16& x) {
  return gelu_derivative(x, gelu_parts(x));
}
// Both; the same bits as one by one.
HWY_INLINE V16 gelu_and_grad16(const V16& x, V16* grad) {
  const GeluParts g = gelu_parts(x);
  *grad = gelu_derivative(x, g);
  return mul(x, g.s);
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
