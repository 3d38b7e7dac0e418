// Sums, the norm and AdamW against plain loops in double.
#include "kernels/cpu/update.h"

#include <cmath>

#include "base/state_hash.h"
#include "kernels/cpu/rows_testing.h"

namespace colossus::kernels::cpu {
namespace {

// AdamW over `count` elements; v starts positive, as squares are.
struct Adam {
  explicit Adam(int64_t size)
      : count(size),
        w(random_floats(count, 1)),
        g(random_floats(count, 2)),
        m(random_floats(count, 3)),
        v(random_floats(count, 4)) {
    for (float& value : v) value *= value;
  }
  AdamWUpdate args() {
    return {count,    g.data(), w.data(), m.data(), v.data(), w.data(),
            m.data(), v.data(), 0.5f,     1e-2f,    0.9f,     0.95f,
            1e-8f,    0.1f,     1.7f,     2.3f};
  }

  int64_t count;
  Floats w, g, m, v;
};

TEST(AddInto, AddsElementByElement) {
  TestContext context;
  Floats left = random_floats(40001, 1);
  const Floats right = random_floats(40001, 2), before = left;
  add_into(context, {40001, left.data(), right.data()});
  for (size_t i = 0; i < left.size(); ++i) {
    ASSERT_EQ(left[i], before[i] + right[i]) << "at " << i;
  }
}

TEST(SumOfSquares, AgreesWithALoopInDouble) {
  TestContext context;
  for (const int64_t count : {0, 1, 17, 4096, 4097, 100003}) {
    const Floats x = random_floats(count, 1);
    double want = 0;
    for (const float value : x) want += 1.0 * value * value;
    EXPECT_NEAR(sum_of_squares(context, {count, x.data()}), want, 1e-6 * want);
  }
}

TEST(SumOfSquares, IsTheSumOfItsBlocks) {
  TestContext context;
  const Floats x = random_floats(3 * kNormBlock + 5, 1);
  double want = 0;
  for (const int64_t block : {0, 1, 2, 3}) {
    const int64_t count = block < 3 ? kNormBlock : 5;
    want += sum_of_squares(context, {count, at(x, block * kNormBlock)});
  }
  EXPECT_EQ(sum_of_squares(context, {3 * kNormBlock + 5, x.data()}), want);
}

TEST(SumOfSquares, HasOneAnswerForAllThreadsAndTargets) {
  const Floats x = random_floats(100003, 1);
  expect_one_answer(
      "7855e9d968b950f8f56161322b4a3894", [&](const Context& context) {
        return Floats{
            static_cast<float>(sum_of_squares(context, {100003, x.data()}))};
      });
}

TEST(AdamW, FollowsItsFormula) {
  TestContext context;
  Adam adam(1003);
  const Adam before = adam;
  const AdamWUpdate a = adam.args();
  adamw_update(context, a);
  for (size_t i = 0; i < adam.w.size(); ++i) {
    const double g = 1.0 * before.g[i] * a.grad_scale;
    const double m = before.m[i] + (1 - 1.0 * a.beta1) * (g - before.m[i]);
    const double v = before.v[i] + (1 - 1.0 * a.beta2) * (g * g - before.v[i]);
    const double w =
        before.w[i] * (1 - 1.0 * a.learning_rate * a.weight_decay) -
        a.learning_rate * (m * a.bias1) / (std::sqrt(v * a.bias2) + a.eps);
    ASSERT_NEAR(adam.m[i], m, 1e-6);
    ASSERT_NEAR(adam.v[i], v, 1e-6);
    ASSERT_NEAR(adam.w[i], w, 1e-6 * std::fmax(1, std::fabs(w)));
  }
}

TEST(AdamW, LeavesAZeroAtRest) {
  TestContext context;
  Adam adam(19);
  adam.w = adam.g = adam.m = adam.v = floats(19);
  adamw_update(context, adam.args());
  EXPECT_TRUE(same_bits(adam.w, floats(19)));
}

TEST(AdamW, HasOneAnswerForAllThreadsAndTargets) {
  expect_one_answer("32258e6313ba810ba24a107d8531eb57",
                    [](const Context& context) {
                      Adam adam(100003);
                      adamw_update(context, adam.args());
                      Floats all = adam.w;
                      all.insert(all.end(), adam.m.begin(), adam.m.end());
                      all.insert(all.end(), adam.v.begin(), adam.v.end());
                      return all;
                    });
}

TEST(AdamW, WritesTheSameBesideWhatItReads) {
  TestContext context;
  Adam in_place(1003), beside(1003), out(1003);
  adamw_update(context, in_place.args());
  AdamWUpdate args = beside.args();
  args.w_out = out.w.data();
  args.m_out = out.m.data();
  args.v_out = out.v.data();
  adamw_update(context, args);
  EXPECT_TRUE(same_bits(out.w, in_place.w));
  EXPECT_TRUE(same_bits(out.m, in_place.m));
  EXPECT_TRUE(same_bits(out.v, in_place.v));
  EXPECT_TRUE(same_bits(beside.w, Adam(1003).w));
}

// Of what lies there afterwards, with all that a hash of memory would say.
TEST(AdamW, HashesWhatItWrites) {
  expect_one_answer([](const Context& context) {
    constexpr int64_t kFirst = 4096 + 48;
    Adam adam(100000);
    StateHash made, lies_there;
    AdamWUpdate args = adam.args();
    args.first = kFirst;
    args.hash = &made;
    adamw_update(context, args);
    lies_there.add(kFirst, adam.count, adam.w.data(), adam.m.data(),
                   adam.v.data());
    EXPECT_EQ(made.digest(), lies_there.digest());
    Floats bits(2 * StateHash::kLanes);
    std::memcpy(bits.data(), made.sum.data(), sizeof made.sum);
    return bits;
  });
}

TEST(AdamW, WritesTheSameWithAHash) {
  TestContext context;
  Adam plain(1024), hashed(1024);
  StateHash hash;
  adamw_update(context, plain.args());
  AdamWUpdate args = hashed.args();
  args.hash = &hash;
  adamw_update(context, args);
  EXPECT_TRUE(same_bits(plain.w, hashed.w));
  EXPECT_TRUE(same_bits(plain.m, hashed.m));
  EXPECT_TRUE(same_bits(plain.v, hashed.v));
}

TEST(AdamW, DoesNotCareWhereAVectorIsCut) {
  TestContext context;
  Adam whole(1000), cut(1000);
  adamw_update(context, whole.args());
  for (const int64_t begin : {0, 333}) {
    AdamWUpdate args = cut.args();
    args.count = begin == 0 ? 333 : 667;
    args.g += begin;
    for (const float** in : {&args.w, &args.m, &args.v}) *in += begin;
    for (float** out : {&args.w_out, &args.m_out, &args.v_out}) *out += begin;
    adamw_update(context, args);
  }
  EXPECT_TRUE(same_bits(whole.w, cut.w));
}

}  // namespace
}  // namespace colossus::kernels::cpu
