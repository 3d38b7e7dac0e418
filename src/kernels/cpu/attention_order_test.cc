// The order of attention's sums, as kernels/attention.h states it, bit for bit:
// emulated here one number at a time with std::fma.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/rows_testing.h"

namespace colossus::kernels::cpu {
namespace {

// The polynomials of math-inl.h.
float exp2_of(float y) {
  if (y < -126.0f) return 0.0f;
  const float shifted = y + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = y - n;
  float g = 1.535342938e-4f;
  for (const float c : {1.33988872474e-3f, 9.61843720599e-3f, 5.55033244099e-2f,
                        2.4022647914e-1f, 6.93147202868e-1f, 1.0f}) {
    g = std::fma(g, r, c);
  }
  return std::ldexp(g, static_cast<int>(n));
}

float tanh_of(float x) {
  const float c = std::fmax(-9.0f, std::fmin(9.0f, x));
  const float z = c * c;
  float p = 1.330531186e-8f, q = 7.756393908e-7f;
  for (const float a :
       {2.057356922e-5f, 3.493432594e-3f, 1.337921113e-1f, 1.0f}) {
    p = std::fma(p, z, a);
  }
  for (const float a :
       {3.282108193e-4f, 2.586878324e-2f, 4.671252623e-1f, 1.0f}) {
    q = std::fma(q, z, a);
  }
  return std::fmax(-1.0f, std::fmin(1.0f, c * p / q));
}

constexpr int64_t kT = 70, kK = 6, kHeads = 2;  // two key tiles; one key head
constexpr float kMultiplier = 0.4f;
constexpr float kLog2E = 1.44269504088896f, kLn2 = 0.693147180559945f;

struct Emulation {
  explicit Emulation(float softcap)
      : cap(softcap),
        qkv(random_floats(kT * (kHeads + 2) * kK, 3)),
        d_out(random_floats(kT * kHeads * kK, 4)),
        cos(random_floats(kT * kK / 2, 5)),
        sin(random_floats(kT * kK / 2, 6)) {
    for (float& v : qkv) v *= 3;
  }

  AttentionShape shape() const {
    return {1, kT, kHeads, 1, kK, kMultiplier, cap, {cos.data(), sin.data()}};
  }
  float in(int64_t t, int64_t column) const {
    return qkv[static_cast<size_t>(t * (kHeads + 2) * kK + column)];
  }
  float score_scale() const { return cap > 0 ? cap * kLog2E : 1.0f; }

  // RoPE of the column block, times scale.
  Floats rotated(int64_t t, int64_t column, float scale) const {
    Floats x(kK);
    for (size_t j = 0; j < kK / 2; ++j) {
      const float a = in(t, column + static_cast<int64_t>(j));
      const float b = in(t, column + static_cast<int64_t>(j) + kK / 2);
      const size_t at = static_cast<size_t>(t) * kK / 2 + j;
      x[j] = std::fma(-b, sin[at], a * cos[at]) * scale;
      x[j + kK / 2] = std::fma(a, sin[at], b * cos[at]) * scale;
    }
    return x;
  }
  Floats query(int64_t t, int64_t h) const {
    return rotated(t, h * kK,
                   cap > 0 ? kMultiplier / cap : kMultiplier * kLog2E);
  }
  Floats key(int64_t t) const { return rotated(t, kHeads * kK, 1.0f); }
  float value(int64_t t, int64_t j) const {
    return in(t, (kHeads + 1) * kK + j);
  }
  // tanh(q'.k), or q'.k without a cap
  float raw_score(const Floats& q, int64_t n) const {
    const Floats k = key(n);
    float s = 0;
    for (size_t j = 0; j < kK; ++j) s = std::fma(q[j], k[j], s);
    return cap > 0 ? tanh_of(s) : s;
  }

  void forward(int64_t h, int64_t t, float* o_K) const {
    const Floats q = query(t, h);
    const bool running = cap == 0;
    float max = running ? -INFINITY : 0.0f, sum = 0;
    Floats o(kK, 0.0f);
    for (int64_t first = 0; first <= t; first += kKeyTile) {
      const int64_t last = std::min(first + kKeyTile, t + 1);
      Floats y;
      float new_max = max;
      for (int64_t n = first; n < last; ++n) {
        y.push_back(score_scale() * raw_score(q, n));
        if (running) new_max = std::fmax(new_max, y.back());
      }
      if (running) {
        const float rescale = exp2_of(max - new_max);
        sum *= rescale;
        for (float& v : o) v *= rescale;
        max = new_max;
      }
      for (int64_t n = first; n < last; ++n) {
        const float p = exp2_of(y[static_cast<size_t>(n - first)] - max);
        sum += p;
        for (size_t j = 0; j < kK; ++j) {
          o[j] = std::fma(p, value(n, static_cast<int64_t>(j)), o[j]);
        }
      }
    }
    const float inverse = 1.0f / sum;
    for (size_t j = 0; j < kK; ++j) o_K[j] = o[j] * inverse;
  }

  // dq, dk, dv as rotated back and scaled, into dqkv.
  Floats backward(const Floats& o, const Floats& lse) const {
    Floats d(qkv.size());
    std::vector<Floats> dk(kT, Floats(kK, 0.0f)), dv(kT, Floats(kK, 0.0f));
    for (int64_t h = 0; h < kHeads; ++h) {
      for (int64_t t = 0; t < kT; ++t) {
        const Floats q = query(t, h);
        Floats dq(kK, 0.0f);
        const float* go = at(d_out, (t * kHeads + h) * kK);
        const float dot = lane_dot(go, at(o, (t * kHeads + h) * kK));
        for (int64_t n = 0; n <= t; ++n) {
          const float s = raw_score(q, n);
          const float p =
              exp2_of(score_scale() * s -
                      lse[static_cast<size_t>(h * kT + t)] * kLog2E);
          float dp = 0;
          for (int64_t j = 0; j < kK; ++j) {
            dp = std::fma(go[j], value(n, j), dp);
          }
          float ds = p * (dp - dot);
          if (cap > 0) ds *= std::fma(-s, s, 1.0f);
          const Floats k = key(n);
          for (size_t j = 0; j < kK; ++j) {
            dq[j] = std::fma(ds, k[j], dq[j]);
            dk[static_cast<size_t>(n)][j] =
                std::fma(ds, q[j], dk[static_cast<size_t>(n)][j]);
            dv[static_cast<size_t>(n)][j] =
                std::fma(p, go[j], dv[static_cast<size_t>(n)][j]);
          }
        }
        rotate_back(t, dq, kMultiplier, row(d, t) + h * kK);
      }
    }
    for (int64_t t = 0; t < kT; ++t) {
      rotate_back(t, dk[static_cast<size_t>(t)], cap > 0 ? cap : kLn2,
                  row(d, t) + kHeads * kK);
      std::copy_n(dv[static_cast<size_t>(t)].begin(), kK,
                  row(d, t) + (kHeads + 1) * kK);
    }
    return d;
  }

  static float* row(Floats& d, int64_t t) {
    return at(d, t * (kHeads + 2) * kK);
  }
  void rotate_back(int64_t t, const Floats& g, float scale, float* to) const {
    for (size_t j = 0; j < kK / 2; ++j) {
      const size_t at = static_cast<size_t>(t) * kK / 2 + j;
      const float a = g[j], b = g[j + kK / 2];
      to[j] = std::fma(b, sin[at], a * cos[at]) * scale;
      to[j + kK / 2] = std::fma(-a, sin[at], b * cos[at]) * scale;
    }
  }
  // Lanes, then the tree of 16: i with i + 8, i + 4, i + 2, i + 1.
  static float lane_dot(const float* a, const float* b) {
    float lane[16] = {};
    for (int j = 0; j < kK; ++j) lane[j] = std::fma(a[j], b[j], 0.0f);
    for (int width = 8; width >= 1; width /= 2) {
      for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
    }
    return lane[0];
  }

  float cap;
  Floats qkv, d_out, cos, sin;
};

class AttentionOrder : public testing::TestWithParam<float> {
 protected:
  // What is emulated is the numerics of processors with fused multiply-add.
  void SetUp() override {
#if HWY_ARCH_X86
    if ((hwy::SupportedTargets() & (HWY_AVX2 | HWY_AVX3)) == 0) GTEST_SKIP();
#endif
  }
};

TEST_P(AttentionOrder, IsTheStatedOne) {
  const Emulation e(GetParam());
  TestContext context(1);
  Floats o = floats(kT * kHeads * kK), lse = floats(kT * kHeads);
  Floats dqkv = floats(static_cast<int64_t>(e.qkv.size()));
  attention_forward(context, {e.shape(), e.qkv.data(), o.data(), lse.data()});
  attention_backward(context, {e.shape(), e.qkv.data(), o.data(),
                               e.d_out.data(), lse.data(), dqkv.data()});
  Floats want = floats(kT * kHeads * kK);
  for (int64_t t = 0; t < kT; ++t) {
    for (int64_t h = 0; h < kHeads; ++h) {
      e.forward(h, t, at(want, (t * kHeads + h) * kK));
    }
  }
  EXPECT_TRUE(same_bits(o, want));
  EXPECT_TRUE(same_bits(dqkv, e.backward(o, lse)));
}

INSTANTIATE_TEST_SUITE_P(Caps, AttentionOrder, testing::Values(0.0f, 30.0f));

}  // namespace
}  // namespace colossus::kernels::cpu
