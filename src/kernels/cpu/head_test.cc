// The loss and its gradients against plain loops, finite differences, and the
// sums over shards and chunks against those made by hand.
#include "kernels/cpu/head.h"

#include <cmath>
#include <limits>

#include "kernels/cpu/embedding.h"
#include "kernels/cpu/head_plan.h"
#include "kernels/cpu/rows_testing.h"

namespace colossus::kernels::cpu {
namespace {

constexpr float kMultiplier = 0.6f, kGradScale = 0.25f;
constexpr int64_t kDim = 22, kVocab = 61;

struct Head {
  explicit Head(int64_t num_tokens, float cap = 0, int64_t vocab_size = kVocab)
      : tokens(num_tokens),
        vocab(vocab_size),
        softcap(cap),
        h(random_floats(tokens * kDim, 1)),
        w(random_floats(vocab * kDim, 2)),
        losses(floats(tokens)),
        dh(floats(tokens * kDim)),
        dw(floats(vocab * kDim)) {
    for (int64_t n = 0; n < tokens; ++n) {
      targets.push_back(static_cast<int32_t>(n * n % vocab));
    }
  }

  // Of shards [first, first + count) of `num_shards`; gradients if `backward`.
  HeadLoss args(bool backward, int64_t num_shards = 1, int64_t first = 0,
                int64_t count = 1) {
    const int64_t each = tokens / num_shards, begin = first * each;
    HeadLoss a = {};
    a.num_tokens = count * each;
    a.dim = kDim;
    a.vocab_size = vocab;
    a.multiplier = kMultiplier;
    a.softcap = softcap;
    a.h_ND = at(h, begin * kDim);
    a.w_VD = w.data();
    a.targets_N = targets.data() + begin;
    a.losses_N = at(losses, begin);
    a.shards.num_shards = count;
    if (backward) {
      a.grad_scale = kGradScale;
      a.dh_ND = at(dh, begin * kDim);
      a.dw_VD = dw.data();
    }
    return a;
  }
  void run(const Context& context, HeadLoss a,
           int64_t max_chunk_floats = kMaxChunkFloats) {
    const HeadPlan plan =
        plan_head(a.num_tokens, kDim, vocab, a.shards.num_shards,
                  a.dh_ND != nullptr, max_chunk_floats);
    Floats workspace = floats(plan.workspace_floats(kDim, vocab), 1e30f);
    a.workspace = workspace.data();
    head_loss_planned(context, a, plan);
  }
  double loss_of(size_t n) const {
    double sum = 0, at_target = 0;
    for (size_t v = 0; v < static_cast<size_t>(vocab); ++v) {
      double l = 0;
      for (size_t d = 0; d < kDim; ++d)
        l += 1.0 * h[n * kDim + d] * w[v * kDim + d];
      l *= kMultiplier;
      if (softcap > 0) l = softcap * std::tanh(l / softcap);
      sum += std::exp(l);
      if (static_cast<int32_t>(v) == targets[n]) at_target = l;
    }
    return std::log(sum) - at_target;
  }
  double total_loss() const {
    double sum = 0;
    for (size_t n = 0; n < targets.size(); ++n) sum += loss_of(n);
    return sum * kGradScale;
  }

  int64_t tokens, vocab;
  float softcap;
  Floats h, w, losses, dh, dw;
  std::vector<int32_t> targets;
};

TEST(HeadLoss, IsLogSumExpLessTheTargetsLogit) {
  TestContext context;
  for (const float softcap : {0.0f, 2.0f}) {
    for (const int64_t vocab : {1, 16, 61, 400}) {
      Head head(5, softcap, vocab);
      std::vector<double> want;
      for (size_t n = 0; n < 5; ++n) want.push_back(head.loss_of(n));
      head.run(context, head.args(false));
      expect_near(head.losses, want, 2e-6);
      with_baseline([&] { head.run(context, head.args(true)); });
      expect_near(head.losses, want, 2e-6);
    }
  }
}

TEST(HeadLoss, BackwardAgreesWithFiniteDifferences) {
  TestContext context;
  for (const float softcap : {0.0f, 2.0f}) {
    Head head(5, softcap);
    head.run(context, head.args(true));
    const auto loss = [&] { return head.total_loss(); };
    for (size_t i = 0; i < head.dh.size(); i += 3) {
      EXPECT_NEAR(head.dh[i], slope(loss, head.h, i), 1e-4);
    }
    for (size_t i = 0; i < head.dw.size(); i += 7) {
      EXPECT_NEAR(head.dw[i], slope(loss, head.w, i), 1e-4);
    }
  }
}

TEST(HeadLoss, IsTheSameWithAndWithoutGradients) {
  TestContext context;
  Head alone(12, 5.0f), with_gradients(12, 5.0f);
  alone.run(context, alone.args(false));
  with_gradients.run(context, with_gradients.args(true));
  EXPECT_TRUE(same_bits(alone.losses, with_gradients.losses));
}

TEST(HeadLoss, ShowsThatALogitIsNotANumber) {
  TestContext context;
  for (const float softcap : {0.0f, 5.0f}) {
    Head head(4, softcap);
    head.w[7 * kDim] = std::numeric_limits<float>::quiet_NaN();
    head.run(context, head.args(false));
    EXPECT_FALSE(std::isfinite(head.losses[1]));
  }
}

TEST(HeadLoss, IsTheSameForEverySizeOfChunk) {
  TestContext context;
  Head whole(24);
  whole.run(context, whole.args(true));
  for (const int64_t tokens : {1, 2, 5, 7}) {
    Head chunked(24);
    chunked.run(context, chunked.args(true), tokens * kVocab);
    EXPECT_TRUE(same_bits(whole.losses, chunked.losses));
    EXPECT_TRUE(same_bits(whole.dh, chunked.dh));
    EXPECT_TRUE(same_bits(whole.dw, chunked.dw)) << tokens << " tokens";
  }
}

TEST(HeadLoss, AccumulateContinuesTheChain) {
  TestContext context;
  Head whole(24), halves(24);
  whole.run(context, whole.args(true));
  for (const int64_t half : {0, 1}) {
    HeadLoss a = halves.args(true, 2, half, 1);
    a.shards.accumulate = half == 1;
    halves.run(context, a);
  }
  EXPECT_TRUE(same_bits(whole.dw, halves.dw));
}

// The chunk sizes, in tokens, that lead to every kind of plan for 8 shards of 3
// tokens: 4, 2 and 1 shards a chunk, and 2 and 1 tokens of a shard.
const std::vector<int64_t> kChunks = {12, 6, 3, 2, 1};

TEST(HeadLoss, ShardsTogetherEqualShardsOneByOneAndTheirTree) {
  TestContext context;
  Head alone(24, 5.0f);
  std::vector<Floats> own;
  for (int64_t shard = 0; shard < 8; ++shard) {
    alone.run(context, alone.args(true, 8, shard, 1));
    own.push_back(alone.dw);
  }
  for (const int64_t chunk : kChunks) {
    Head together(24, 5.0f);
    together.run(context, together.args(true, 8, 0, 8), chunk * kVocab);
    EXPECT_TRUE(same_bits(alone.losses, together.losses));
    EXPECT_TRUE(same_bits(alone.dh, together.dh));
    EXPECT_TRUE(same_bits(tree(own), together.dw)) << chunk << " tokens";
  }
}

TEST(HeadLoss, TiedTablesAddUpShardByShard) {
  TestContext context;
  const Touched touched({5, 3, 5, 9, 0, 60, 3, 3, 3, 7,  8, 9,
                         2, 2, 1, 0, 5, 4,  5, 5, 5, 31, 3, 60});
  const Floats dx = random_floats(24 * kDim, 9);
  const auto look_up = [&](int64_t first, int64_t count, Floats& dw,
                           const TouchedRows& rows) {
    embedding_backward(
        context, {3 * count, kDim, 1.5f, touched.tokens.data() + 3 * first,
                  at(dx, 3 * first * kDim), dw.data(), count, rows});
  };
  Head alone(24);
  std::vector<Floats> own;
  for (int64_t shard = 0; shard < 8; ++shard) {
    alone.run(context, alone.args(true, 8, shard, 1));
    look_up(shard, 1, alone.dw, {});
    own.push_back(alone.dw);
  }
  for (const int64_t chunk : kChunks) {
    Head together(24);
    Floats shard_rows = floats(8 * touched.num_rows() * kDim, 1e30f);
    HeadLoss a = together.args(true, 8, 0, 8);
    a.touched = {touched.num_rows(), touched.rows.data(), touched.index.data(),
                 shard_rows.data()};
    together.run(context, a, chunk * kVocab);
    look_up(0, 8, together.dw, a.touched);
    EXPECT_TRUE(same_bits(tree(own), together.dw)) << chunk << " tokens";
  }
}

TEST(HeadLoss, HasOneAnswerForAllThreadsAndTargets) {
  expect_one_answer(
      "a5e17e232cd043454bfd61147dafe755", [](const Context& context) {
        Floats all;
        for (const float softcap : {0.0f, 5.0f}) {
          Head head(32, softcap, 401);
          head.run(context, head.args(true, 4, 0, 4));
          for (const Floats* part : {&head.losses, &head.dh, &head.dw}) {
            all.insert(all.end(), part->begin(), part->end());
          }
        }
        return all;
      });
}

TEST(HeadLogits, AreTheCappedProducts) {
  TestContext context;
  for (const float softcap : {0.0f, 2.0f}) {
    Head head(3);
    Floats logits = floats(3 * kVocab);
    head_logits(context, {3, kDim, kVocab, kMultiplier, softcap, head.h.data(),
                          head.w.data(), logits.data()});
    std::vector<double> want(logits.size(), 0.0);
    for (size_t i = 0; i < want.size(); ++i) {
      for (size_t d = 0; d < kDim; ++d) {
        want[i] += 1.0 * kMultiplier * head.h[i / kVocab * kDim + d] *
                   head.w[i % kVocab * kDim + d];
      }
      if (softcap > 0) want[i] = softcap * std::tanh(want[i] / softcap);
    }
    expect_near(logits, want, 1e-6);
  }
}

TEST(HeadPlan, NeverTakesMoreThanHalfOfTheTokens) {
  for (const int64_t shards : {1, 2, 4, 16}) {
    for (const int64_t each : {1, 2, 3, 100}) {
      for (const bool backward : {false, true}) {
        const int64_t tokens = shards * each;
        const HeadPlan plan = plan_head(tokens, 64, 4096, shards, backward);
        EXPECT_LE(plan.chunk_tokens, std::max<int64_t>(1, tokens / 2));
        EXPECT_EQ(plan.num_levels, 0);
      }
    }
  }
}

TEST(HeadPlan, CutsAHugeVocabularyToTheChunkLimit) {
  const HeadPlan plan = plan_head(4096, 256, 131072, 4, true);
  EXPECT_EQ(plan.chunk_tokens * 131072, kMaxChunkFloats);
  EXPECT_EQ(plan.num_levels, 2);
}

TEST(HeadPlan, WaitingGradientsStayWithinHalfOfTheLogitsToo) {
  for (const int64_t dim : {64, 256, 768, 6144}) {
    for (const int64_t shards : {2, 4, 32}) {
      const HeadPlan plan = plan_head(8192, dim, 131072, shards, true);
      EXPECT_LE(plan.workspace_floats(dim, 131072), 4096 * int64_t{131072});
    }
  }
}

TEST(HeadPlan, KeepsTwoChunksWhereWaitingGradientsWouldCostMore) {
  const HeadPlan plan = plan_head(4096, 6144, 131072, 4, true);
  EXPECT_EQ(plan.num_levels, 0);
  EXPECT_EQ(plan.chunk_shards, 2);
}

}  // namespace
}  // namespace colossus::kernels::cpu
