// Routing, sorting and mixing against plain loops, and finite differences.
#include "kernels/cpu/router.h"

#include <cmath>
#include <limits>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/router_logits.h"
#include "kernels/cpu/rows_testing.h"

namespace colossus::kernels::cpu {
namespace {

using Doubles = std::vector<double>;

// A router's shape, input, and what both passes make.
struct Router {
  Router(int64_t num_rows, int64_t experts, int64_t selected, float cap,
         bool divide_by_sum, int64_t shards)
      : rows(num_rows),
        num_experts(experts),
        num_selected(selected),
        num_shards(shards),
        softcap(cap),
        renormalize(divide_by_sum),
        m(random_floats(rows * dim, 1)),
        w(random_floats(experts * dim, 2)),
        dweight(random_floats(rows * selected, 3)),
        logits(floats(rows * experts)),
        probs(logits),
        dlogits(logits),
        weight(floats(rows * selected)),
        share(floats(shards * experts)),
        balance(floats(shards)),
        z_loss(floats(shards)),
        expert(weight.size()) {}

  void forward(const Context& context) {
    router_forward(
        context,
        {rows, dim, num_experts, num_selected, softcap, renormalize, num_shards,
         m.data(), w.data(), logits.data(), probs.data(), expert.data(),
         weight.data(), share.data(), balance.data(), z_loss.data()});
  }
  void backward(const Context& context) {
    router_backward(
        context,
        {rows, num_experts, num_selected, softcap, renormalize, num_shards,
         kBalance, kZ, logits.data(), probs.data(), expert.data(),
         weight.data(), dweight.data(), share.data(), dlogits.data()});
  }
  Floats results() const {
    Floats all = logits;
    for (const Floats* part :
         {&probs, &dlogits, &weight, &share, &balance, &z_loss}) {
      all.insert(all.end(), part->begin(), part->end());
    }
    for (const int32_t e : expert) all.push_back(static_cast<float>(e));
    return all;
  }

  static constexpr int64_t dim = 22;
  static constexpr float kBalance = 0.3f, kZ = 0.2f;
  int64_t rows, num_experts, num_selected, num_shards;
  float softcap;
  bool renormalize;
  Floats m, w, dweight, logits, probs, dlogits, weight, share, balance, z_loss;
  std::vector<int32_t> expert;
};

struct RowMath {
  Doubles probs;
  double lse;
};

// Softmax of the capped logits, and logsumexp of the bare ones.
RowMath row_math(const Router& r, size_t row) {
  const size_t num_experts = static_cast<size_t>(r.num_experts);
  RowMath result{Doubles(num_experts), 0};
  double sum = 0, bare = 0;
  for (size_t e = 0; e < num_experts; ++e) {
    const double z = r.logits[row * num_experts + e];
    const double l = r.softcap > 0 ? r.softcap * std::tanh(z / r.softcap) : z;
    bare += std::exp(z);
    sum += result.probs[e] = std::exp(l);
  }
  for (double& p : result.probs) p /= sum;
  result.lse = std::log(bare);
  return result;
}

// <dweight, weight> + both losses, as a function of the logits, with the
// selection and the shares of the last forward pass.
double loss_of_logits(const Router& r) {
  const size_t num_experts = static_cast<size_t>(r.num_experts);
  const size_t num_selected = static_cast<size_t>(r.num_selected);
  const size_t per_shard = static_cast<size_t>(r.rows / r.num_shards);
  double loss = 0;
  for (size_t row = 0; row < static_cast<size_t>(r.rows); ++row) {
    const RowMath math = row_math(r, row);
    double selected = 0;
    for (size_t s = 0; s < num_selected; ++s) {
      selected +=
          math.probs[static_cast<size_t>(r.expert[row * num_selected + s])];
    }
    for (size_t s = 0; s < num_selected; ++s) {
      const size_t i = row * num_selected + s;
      loss += r.dweight[i] * math.probs[static_cast<size_t>(r.expert[i])] /
              (r.renormalize ? selected : 1);
    }
    const double each = 1.0 / static_cast<double>(per_shard);
    for (size_t e = 0; e < num_experts; ++e) {
      loss += Router::kBalance * each * static_cast<double>(num_experts) *
              r.share[row / per_shard * num_experts + e] * math.probs[e];
    }
    loss += Router::kZ * each * math.lse * math.lse;
  }
  return loss;
}

TEST(Router, ForwardSelectsTheLargestProbabilities) {
  TestContext context;
  for (const int64_t num_experts : {3, 8, 17, 256}) {
    Router r(12, num_experts, 2, 5.0f, false, 2);
    r.forward(context);
    for (size_t row = 0; row < 12; ++row) {
      const Doubles probs = row_math(r, row).probs;
      const double first = probs[static_cast<size_t>(r.expert[2 * row])];
      const double second = probs[static_cast<size_t>(r.expert[2 * row + 1])];
      EXPECT_NEAR(r.weight[2 * row], first, 1e-6);
      EXPECT_NEAR(r.weight[2 * row + 1], second, 1e-6);
      EXPECT_LE(second, first);
      const auto above = [&](double p) { return p > second; };
      EXPECT_LE(std::count_if(probs.begin(), probs.end(), above), 1);
    }
  }
}

TEST(Router, LogitsAreProducts) {
  TestContext context;
  Router r(5, 3, 1, 0, false, 1);
  r.forward(context);
  Doubles want(15, 0.0);
  for (size_t i = 0; i < want.size(); ++i) {
    for (size_t d = 0; d < Router::dim; ++d) {
      want[i] +=
          1.0 * r.m[i / 3 * Router::dim + d] * r.w[i % 3 * Router::dim + d];
    }
  }
  expect_near(r.logits, want, 1e-6);
}

TEST(Router, LogitsHaveTheBitsOfTheOtherProducts) {
  TestContext context;
  // So many columns that the packed weights take two rounds of scratch memory.
  const int64_t rows = 7, dim = 5000, num_experts = 250;
  const Floats m = random_floats(rows * dim, 1);
  const Floats w = random_floats(num_experts * dim, 2);
  Floats own = floats(rows * num_experts), other = own;
  RouterForward router = {};
  router.rows = rows;
  router.dim = dim;
  router.num_experts = num_experts;
  router.m_RD = m.data();
  router.w_ED = w.data();
  router.logits_RE = own.data();
  router_logits(context, router);
  LinearForward product = {};
  product.rows = rows;
  product.in_dim = dim;
  product.out_dim = num_experts;
  product.x_RI = m.data();
  product.w_OI = w.data();
  product.y_RO = other.data();
  linear_forward(context, product);
  EXPECT_TRUE(same_bits(own, other));
}

TEST(Router, OfEqualProbabilitiesTheLowerExpertComesFirst) {
  TestContext context;
  Router r(4, 5, 3, 0, false, 1);
  r.w = floats(5 * Router::dim);
  r.forward(context);
  for (size_t i = 0; i < r.expert.size(); ++i) {
    EXPECT_EQ(r.expert[i], static_cast<int32_t>(i % 3));
  }
}

TEST(Router, SelectsDifferentExpertsEvenWhereLogitsAreNotANumber) {
  TestContext context;
  Router r(4, 5, 3, 0, false, 1);
  r.m[0] = std::numeric_limits<float>::quiet_NaN();
  r.forward(context);
  EXPECT_NE(r.expert[0], r.expert[1]);
  EXPECT_NE(r.expert[1], r.expert[2]);
  EXPECT_TRUE(std::isnan(r.z_loss[0]));
}

TEST(Router, RenormalizedWeightsSumToOne) {
  TestContext context;
  Router r(9, 8, 3, 0, true, 1);
  r.forward(context);
  for (size_t row = 0; row < 9; ++row) {
    EXPECT_NEAR(
        r.weight[3 * row] + r.weight[3 * row + 1] + r.weight[3 * row + 2], 1.0,
        1e-6);
  }
}

TEST(Router, StatisticsAreThoseOfAShard) {
  TestContext context;
  Router r(12, 3, 2, 5.0f, false, 2);
  r.forward(context);
  for (size_t shard = 0; shard < 2; ++shard) {
    double mean[3] = {}, share[3] = {}, z_loss = 0;
    for (size_t row = 6 * shard; row < 6 * shard + 6; ++row) {
      const RowMath math = row_math(r, row);
      for (size_t e = 0; e < 3; ++e) mean[e] += math.probs[e] / 6;
      for (size_t s : {0, 1}) share[r.expert[2 * row + s]] += 1.0 / 12;
      z_loss += math.lse * math.lse / 6;
    }
    double balance = 0;
    for (size_t e = 0; e < 3; ++e) {
      balance += 3 * share[e] * mean[e];
      EXPECT_FLOAT_EQ(r.share[3 * shard + e], static_cast<float>(share[e]));
    }
    EXPECT_NEAR(r.balance[shard], balance, 1e-6);
    EXPECT_NEAR(r.z_loss[shard], z_loss, 1e-5);
  }
}

TEST(Router, BackwardAgreesWithFiniteDifferences) {
  TestContext context;
  for (const bool renormalize : {false, true}) {
    for (const float softcap : {0.0f, 2.0f}) {
      Router r(6, 5, 2, softcap, renormalize, 2);
      r.forward(context);
      r.backward(context);
      const auto loss = [&] { return loss_of_logits(r); };
      for (size_t i = 0; i < r.dlogits.size(); ++i) {
        EXPECT_NEAR(r.dlogits[i], slope(loss, r.logits, i), 2e-4);
      }
    }
  }
}

TEST(Router, HasOneAnswerForAllThreadsAndTargets) {
  expect_one_answer("01e19fcc91bd9a1ff0bbf3551577fdd0",
                    [](const Context& context) {
                      Router r(4 * 96, 17, 3, 4.0f, true, 4);
                      r.forward(context);
                      r.backward(context);
                      return r.results();
                    });
}

TEST(Router, DispatchSortsByExpertShardRowAndChoice) {
  TestContext context;
  const std::vector<int32_t> expert = {2, 0, 1, 2, 2, 1, 0, 1};  // 4 rows
  std::vector<int32_t> begin(3 * 2 + 1), row(8), slot(8);
  router_dispatch(context, {4, 3, 2, 2, expert.data(), begin.data(), row.data(),
                            slot.data()});
  EXPECT_EQ(begin, (std::vector<int32_t>{0, 1, 2, 3, 5, 7, 8}));
  EXPECT_EQ(row, (std::vector<int32_t>{0, 3, 1, 2, 3, 0, 1, 2}));
  EXPECT_EQ(slot, (std::vector<int32_t>{5, 0, 2, 6, 7, 3, 1, 4}));
}

}  // namespace
}  // namespace colossus::kernels::cpu
