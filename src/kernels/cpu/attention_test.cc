// Attention against a plain one in double, its bits over threads and targets,
// and the order of its sums against a scalar emulation.
#include "kernels/cpu/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/cpu/attention_testing.h"
#include "kernels/cpu/rows_testing.h"

namespace colossus::kernels::cpu {
namespace {

using Problem = AttentionProblem;
using Reference = AttentionReference;

struct Outputs {
  Floats o, lse, dqkv;
};

Outputs run(const Context& context, const Problem& p) {
  Outputs out;
  out.o = floats(p.num_tokens() * p.shape.q_dim(), NAN);
  out.lse = floats(p.num_tokens() * p.shape.num_q_heads, NAN);
  out.dqkv = floats(p.num_tokens() * p.shape.qkv_dim(), NAN);
  const AttentionShape s = p.with_pointers();
  attention_forward(context, {s, p.qkv.data(), out.o.data(), out.lse.data()});
  attention_backward(context, {s, p.qkv.data(), out.o.data(), p.d_out.data(),
                               out.lse.data(), out.dqkv.data()});
  return out;
}

Doubles doubles_of(const Floats& x) { return Doubles(x.begin(), x.end()); }

void expect_matches_reference(const Problem& p) {
  const Doubles qkv = doubles_of(p.qkv);
  const Reference reference(p, qkv);
  TestContext context(2);
  const Outputs got = run(context, p);
  const auto [o, lse] = reference.forward();
  expect_near(got.o, o, 4e-6);
  expect_near(got.lse, lse, 4e-6);
  expect_near(got.dqkv, reference.backward(), 1e-5);
}

struct Size {
  int64_t b, t, h, g, k;
};
const Size kSizes[] = {{1, 1, 1, 1, 2},    {2, 13, 2, 1, 4},
                       {1, 16, 4, 2, 6},   {2, 65, 3, 3, 32},
                       {1, 128, 2, 1, 64}, {1, 63, 1, 1, 48},
                       {1, 200, 6, 2, 20}, {1, 70, 1, 1, 256},
                       {2, 97, 2, 2, 18},  {1, 129, 2, 1, 128}};

TEST(Attention, WithACapMatchesTheReference) {
  for (const Size& s : kSizes) {
    SCOPED_TRACE("T " + std::to_string(s.t) + " K " + std::to_string(s.k));
    expect_matches_reference(make_problem(s.b, s.t, s.h, s.g, s.k, 3.0f));
  }
}

TEST(Attention, WithoutACapMatchesTheReference) {
  for (const Size& s : kSizes) {
    SCOPED_TRACE("T " + std::to_string(s.t) + " K " + std::to_string(s.k));
    expect_matches_reference(make_problem(s.b, s.t, s.h, s.g, s.k, 0.0f));
  }
}

TEST(Attention, WithACapTooLargeForAFixedMaximumMatchesTheReference) {
  expect_matches_reference(make_problem(1, 150, 2, 1, 16, 60.0f));
}

TEST(Attention, WithAPositionScaleMatchesTheReference) {
  expect_matches_reference(make_problem(1, 150, 4, 2, 16, 2.0f, true));
  expect_matches_reference(make_problem(1, 150, 4, 2, 16, 0.0f, true));
}

TEST(Attention, StaysFiniteWithScoresFarApart) {
  for (const float softcap : {0.0f, 50.0f, 200.0f}) {
    Problem p = make_problem(1, 130, 2, 1, 8, softcap);
    for (float& v : p.qkv) v *= 40;
    TestContext context(2);
    const Outputs got = run(context, p);
    for (const Floats* x : {&got.o, &got.lse, &got.dqkv}) {
      for (const float v : *x) ASSERT_TRUE(std::isfinite(v)) << softcap;
    }
  }
}

TEST(Attention, HandsOnANanInsteadOfHidingIt) {
  for (const float softcap : {0.0f, 30.0f}) {
    Problem p = make_problem(1, 70, 1, 1, 8, softcap);
    p.qkv[3] = NAN;  // in query 0
    TestContext context(1);
    const Outputs got = run(context, p);
    EXPECT_TRUE(std::isnan(got.o[0]));
    EXPECT_TRUE(std::isnan(got.dqkv[0]));
    EXPECT_FALSE(std::isnan(got.o.back()));
  }
}

TEST(Attention, TheReferencesGradientIsItsSlope) {
  for (const bool scaled : {false, true}) {
    const Problem p = make_problem(1, 9, 4, 2, 6, scaled ? 0.0f : 1.5f, scaled);
    Doubles qkv = doubles_of(p.qkv);
    const Doubles d = Reference(p, qkv).backward();
    const auto loss = [&] {
      const Doubles o = Reference(p, qkv).forward().first;
      double sum = 0;
      for (size_t i = 0; i < o.size(); ++i) sum += o[i] * p.d_out[i];
      return sum;
    };
    for (size_t i = 0; i < qkv.size(); i += 7) {
      const double middle = qkv[i];
      qkv[i] = middle + 1e-5;
      const double above = loss();
      qkv[i] = middle - 1e-5;
      const double below = loss();
      qkv[i] = middle;
      ASSERT_NEAR(d[i], (above - below) / 2e-5, 1e-7) << i;
    }
  }
}

TEST(Attention, HasTheSameBitsForAnyThreadsAndTarget) {
  for (const float softcap : {0.0f, 30.0f}) {
    for (const Size& s : kSizes) {
      const Problem p = make_problem(s.b, s.t, s.h, s.g, s.k, softcap);
      expect_one_answer([&](const Context& context) {
        const Outputs got = run(context, p);
        Floats all = got.o;
        all.insert(all.end(), got.lse.begin(), got.lse.end());
        all.insert(all.end(), got.dqkv.begin(), got.dqkv.end());
        return all;
      });
    }
  }
}

TEST(Attention, IsRightWithoutFusedMultiplyAdd) {
  with_baseline([] {
    expect_matches_reference(make_problem(1, 70, 4, 2, 10, 3.0f));
    expect_matches_reference(make_problem(1, 70, 2, 1, 10, 0.0f));
  });
}

// The row of the last token, from a cache filled token by token.
Floats decode_last(const Context& context, const Problem& p) {
  const AttentionShape s = p.with_pointers();
  Floats k_cache = floats(s.seq_len * s.kv_dim(), NAN);
  Floats v_cache = floats(s.seq_len * s.kv_dim(), NAN);
  Floats o = floats(s.q_dim(), NAN);
  for (int64_t t = 0; t < s.seq_len; ++t) {
    attention_decode(context, {s, t, p.qkv.data() + t * s.qkv_dim(),
                               k_cache.data(), v_cache.data(), o.data()});
  }
  return o;
}

TEST(Attention, DecodeHasTheBitsOfTheForwardsLastRow) {
  for (const float softcap : {0.0f, 30.0f}) {
    for (const bool scaled : {false, true}) {
      for (const Size& s : kSizes) {
        const Problem p = make_problem(1, s.t, s.h, s.g, s.k, softcap, scaled);
        TestContext context(2);
        const Outputs whole = run(context, p);
        const Floats last(whole.o.end() - p.shape.q_dim(), whole.o.end());
        EXPECT_TRUE(same_bits(decode_last(context, p), last))
            << s.t << " " << s.k;
      }
    }
  }
}

}  // namespace
}  // namespace colossus::kernels::cpu
