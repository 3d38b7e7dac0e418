// The table's look-up and its gradient against plain loops.
#include "kernels/cpu/embedding.h"

#include "kernels/cpu/rows_testing.h"

namespace colossus::kernels::cpu {
namespace {

constexpr int64_t kVocab = 61, kDim = 22, kTokens = 24;
constexpr float kMultiplier = 3.3f;

// Some tokens come often, some never.
std::vector<int32_t> some_tokens() {
  std::vector<int32_t> tokens;
  for (int32_t n = 0; n < kTokens; ++n) tokens.push_back(n * n % 17 * 3 % 61);
  return tokens;
}

// The gradient of shards [first, first + count), the table's own `dw` before.
void backward(const Context& context, const Touched& touched, const Floats& dx,
              int64_t first, int64_t count, Floats& dw, Floats& shard_rows) {
  const int64_t begin = first * kTokens / 4;
  embedding_backward(context,
                     {count * kTokens / 4,
                      kDim,
                      kMultiplier,
                      touched.tokens.data() + begin,
                      at(dx, begin * kDim),
                      dw.data(),
                      count,
                      {touched.num_rows(), touched.rows.data(),
                       touched.index.data() + begin, shard_rows.data()}});
}

TEST(Embedding, ForwardIsTheScaledRow) {
  TestContext context;
  const Floats w = random_floats(kVocab * kDim, 1);
  const std::vector<int32_t> tokens = some_tokens();
  Floats x = floats(kTokens * kDim);
  embedding_forward(
      context, {kTokens, kDim, kMultiplier, tokens.data(), w.data(), x.data()});
  for (int64_t n = 0; n < kTokens; ++n) {
    const int64_t token = tokens[static_cast<size_t>(n)];
    for (int64_t d = 0; d < kDim; ++d) {
      EXPECT_EQ(*at(x, n * kDim + d), *at(w, token * kDim + d) * kMultiplier);
    }
  }
}

TEST(Embedding, BackwardAddsEachTokensGradientToItsRow) {
  TestContext context;
  const Touched touched(some_tokens());
  const Floats dx = random_floats(kTokens * kDim, 2);
  Floats dw = random_floats(kVocab * kDim, 3), no_rows;
  std::vector<double> want(dw.begin(), dw.end());
  for (size_t n = 0; n < kTokens; ++n) {
    for (size_t d = 0; d < kDim; ++d) {
      want[static_cast<size_t>(touched.tokens[n]) * kDim + d] +=
          1.0 * kMultiplier * dx[n * kDim + d];
    }
  }
  embedding_backward(context, {kTokens,
                               kDim,
                               kMultiplier,
                               touched.tokens.data(),
                               dx.data(),
                               dw.data(),
                               1,
                               {}});
  expect_near(dw, want, 1e-6);
}

TEST(Embedding, ShardsTogetherEqualShardsOneByOneAndTheirTree) {
  TestContext context;
  const Touched touched(some_tokens());
  const Floats dx = random_floats(kTokens * kDim, 2);
  Floats together = floats(kVocab * kDim), no_rows;
  Floats rows = floats(4 * touched.num_rows() * kDim);
  backward(context, touched, dx, 0, 4, together, rows);
  std::vector<Floats> own(4, floats(kVocab * kDim));
  for (int64_t shard = 0; shard < 4; ++shard) {
    backward(context, touched, dx, shard, 1, own[static_cast<size_t>(shard)],
             no_rows);
  }
  EXPECT_TRUE(same_bits(together, tree(own)));
}

TEST(Embedding, LeavesRowsThatNoTokenTouchesAlone) {
  TestContext context;
  const Touched touched(some_tokens());
  const Floats dx = random_floats(kTokens * kDim, 2);
  Floats dw = floats(kVocab * kDim, 7.0f);
  Floats rows = floats(4 * touched.num_rows() * kDim);
  backward(context, touched, dx, 0, 4, dw, rows);
  for (int64_t token = 0; token < kVocab; ++token) {
    const bool is_touched =
        std::count(touched.tokens.begin(), touched.tokens.end(), token) > 0;
    EXPECT_EQ(*at(dw, token * kDim) != 7.0f, is_touched) << "token " << token;
  }
}

TEST(Embedding, HasOneAnswerForAllThreadsAndTargets) {
  const Touched touched(some_tokens());
  const Floats dx = random_floats(kTokens * kDim, 2);
  expect_one_answer("9c162549319e74e4ba4ce84cfaace2b2",
                    [&](const Context& context) {
                      Floats dw = floats(kVocab * kDim);
                      Floats rows = floats(4 * touched.num_rows() * kDim);
                      backward(context, touched, dx, 0, 4, dw, rows);
                      return dw;
                    });
}

}  // namespace
}  // namespace colossus::kernels::cpu
