// The three forms of the product against the definition itself: one chain of
// std::fma an element, to the last bit, at odd sizes, with strides, gathered
// rows, groups, shards.
#include "kernels/cpu/linear.h"

#include <bit>
#include <cmath>
#include <tuple>

#include "kernels/cpu/linear_plan.h"
#include "kernels/cpu/rows_testing.h"

namespace colossus::kernels::cpu {
namespace {

// One product of any form. Groups cut the rows unevenly, some to nothing.
struct Product {
  int64_t rows, in_dim, out_dim;
  int64_t num_groups = 1, num_shards = 1;
  int64_t pad = 0;  // floats between rows
  bool gather = false;

  std::vector<int32_t> segment_begin, x_row;
  Floats x, w, dy, dw_before;

  void fill() {
    const int64_t x_rows = gather ? rows / 2 + 1 : rows;
    for (int64_t i = 0; gather && i < rows; ++i) {
      x_row.push_back(static_cast<int32_t>((i * 7 + 3) % x_rows));
    }
    x = random_floats(x_rows * x_stride(), 1);
    w = random_floats(num_groups * weight_stride(), 2);
    dy = random_floats(rows * y_stride(), 3);
    dw_before = random_floats(num_groups * weight_stride(), 4);
    const int64_t num_segments = num_groups * num_shards;
    for (int64_t s = 0; s < num_segments; ++s) {
      // Every third is as long as the one before it is short: empty, double.
      const int64_t place = s % 3 == 1 ? s - 1 : s;
      segment_begin.push_back(
          static_cast<int32_t>(rows * place / num_segments));
    }
    segment_begin.push_back(static_cast<int32_t>(rows));
  }
  int64_t x_stride() const { return in_dim + pad; }
  int64_t y_stride() const { return out_dim + pad; }
  int64_t weight_stride() const { return in_dim * out_dim + pad; }

  RowGroups groups() const {
    return {num_groups, num_groups > 1 ? segment_begin.data() : nullptr,
            weight_stride()};
  }
  const float* x_of(int64_t row) const {
    return at(x, (gather ? x_row[static_cast<size_t>(row)] : row) * x_stride());
  }
  // Rows of shard s of group g; s = num_shards: the group's end.
  int64_t begin(int64_t g, int64_t s) const {
    if (num_groups == 1) return rows / num_shards * s;
    return segment_begin[static_cast<size_t>(g * num_shards + s)];
  }
  int64_t group_of(int64_t row) const {
    int64_t g = 0;
    while (row >= begin(g, num_shards)) ++g;
    return g;
  }
};

Product make(int64_t rows, int64_t in_dim, int64_t out_dim) {
  Product p = {};
  p.rows = rows;
  p.in_dim = in_dim;
  p.out_dim = out_dim;
  p.num_groups = p.num_shards = 1;
  return p;
}

Floats forward(const Context& context, const Product& p) {
  Floats y = floats(p.rows * p.y_stride(), 7.0f);
  linear_forward(context, {.rows = p.rows,
                           .in_dim = p.in_dim,
                           .out_dim = p.out_dim,
                           .x_RI = p.x.data(),
                           .x_stride = p.x_stride(),
                           .x_row = p.gather ? p.x_row.data() : nullptr,
                           .w_OI = p.w.data(),
                           .y_RO = y.data(),
                           .y_stride = p.y_stride(),
                           .groups = p.groups(),
                           .num_shards = p.num_shards});
  return y;
}

Floats backward_input(const Context& context, const Product& p) {
  Floats dx = floats(p.rows * p.x_stride(), 7.0f);
  linear_backward_input(context, {.rows = p.rows,
                                  .in_dim = p.in_dim,
                                  .out_dim = p.out_dim,
                                  .dy_RO = p.dy.data(),
                                  .dy_stride = p.y_stride(),
                                  .w_OI = p.w.data(),
                                  .dx_RI = dx.data(),
                                  .dx_stride = p.x_stride(),
                                  .groups = p.groups(),
                                  .num_shards = p.num_shards});
  return dx;
}

LinearBackwardWeight weight_args(const Product& p, Floats& dw) {
  return {.rows = p.rows,
          .in_dim = p.in_dim,
          .out_dim = p.out_dim,
          .dy_RO = p.dy.data(),
          .dy_stride = p.y_stride(),
          .x_RI = p.x.data(),
          .x_stride = p.x_stride(),
          .x_row = p.gather ? p.x_row.data() : nullptr,
          .dw_OI = dw.data(),
          .groups = p.groups(),
          .shards = {p.num_shards, false}};
}

Floats backward_weight(const Context& context, const Product& p,
                       bool accumulate = false) {
  Floats dw = p.dw_before;
  LinearBackwardWeight args = weight_args(p, dw);
  args.shards.accumulate = accumulate;
  linear_backward_weight(context, args);
  return dw;
}

// The definitions. What lies between rows stays as it was.
Floats expected_forward(const Product& p) {
  Floats y = floats(p.rows * p.y_stride(), 7.0f);
  for (int64_t r = 0; r < p.rows; ++r) {
    for (int64_t o = 0; o < p.out_dim; ++o) {
      const float* w =
          at(p.w, p.group_of(r) * p.weight_stride() + o * p.in_dim);
      float sum = 0;
      for (int64_t k = 0; k < p.in_dim; ++k) {
        sum = std::fma(p.x_of(r)[k], w[k], sum);
      }
      *at(y, r * p.y_stride() + o) = sum;
    }
  }
  return y;
}

Floats expected_backward_input(const Product& p) {
  Floats dx = floats(p.rows * p.x_stride(), 7.0f);
  for (int64_t r = 0; r < p.rows; ++r) {
    for (int64_t i = 0; i < p.in_dim; ++i) {
      const float* w = at(p.w, p.group_of(r) * p.weight_stride() + i);
      float sum = 0;
      for (int64_t k = 0; k < p.out_dim; ++k) {
        sum = std::fma(*at(p.dy, r * p.y_stride() + k), w[k * p.in_dim], sum);
      }
      *at(dx, r * p.x_stride() + i) = sum;
    }
  }
  return dx;
}

// The chain of one shard, from what dw holds.
void add_shard(const Product& p, int64_t shard, Floats* dw) {
  for (int64_t g = 0; g < p.num_groups; ++g) {
    for (int64_t o = 0; o < p.out_dim; ++o) {
      for (int64_t i = 0; i < p.in_dim; ++i) {
        float* sum = at(*dw, g * p.weight_stride() + o * p.in_dim + i);
        for (int64_t r = p.begin(g, shard); r < p.begin(g, shard + 1); ++r) {
          *sum = std::fma(*at(p.dy, r * p.y_stride() + o), p.x_of(r)[i], *sum);
        }
      }
    }
  }
}

Floats zeros_in_place(const Product& p) {
  Floats dw = p.dw_before;
  for (int64_t g = 0; g < p.num_groups; ++g) {
    std::fill_n(at(dw, g * p.weight_stride()), p.in_dim * p.out_dim, 0.0f);
  }
  return dw;
}

Floats expected_backward_weight(const Product& p) {
  std::vector<Floats> shards;
  for (int64_t s = 0; s < p.num_shards; ++s) {
    shards.push_back(zeros_in_place(p));
    add_shard(p, s, &shards.back());
  }
  Floats dw = tree(shards);
  // The tree knows nothing of the gaps between groups.
  for (size_t i = 0; i < dw.size(); ++i) {
    const int64_t place = static_cast<int64_t>(i) % p.weight_stride();
    if (place >= p.in_dim * p.out_dim) dw[i] = p.dw_before[i];
  }
  return dw;
}

bool has_fma() {
  return hwy::SupportedTargets() != HWY_STATIC_TARGET || !HWY_ARCH_X86;
}

void expect_the_chains(const Context& context, const Product& p) {
  EXPECT_TRUE(same_bits(forward(context, p), expected_forward(p)));
  EXPECT_TRUE(
      same_bits(backward_input(context, p), expected_backward_input(p)));
  EXPECT_TRUE(
      same_bits(backward_weight(context, p), expected_backward_weight(p)));
}

class OddSizes
    : public testing::TestWithParam<std::tuple<int64_t, int64_t, int64_t>> {};

TEST_P(OddSizes, AreOneChainAnElement) {
  if (!has_fma()) GTEST_SKIP() << "another numerics version";
  const auto [rows, in_dim, out_dim] = GetParam();
  Product p = make(rows, in_dim, out_dim);
  p.fill();
  TestContext context;
  expect_the_chains(context, p);
}

INSTANTIATE_TEST_SUITE_P(
    Linear, OddSizes,
    testing::Values(std::tuple(1, 1, 1), std::tuple(1, 17, 33),
                    std::tuple(2, 64, 100), std::tuple(3, 259, 15),
                    std::tuple(4, 5, 257), std::tuple(5, 16, 16),
                    std::tuple(13, 300, 31), std::tuple(14, 33, 32),
                    std::tuple(15, 47, 65), std::tuple(29, 513, 3),
                    std::tuple(85, 40, 290), std::tuple(127, 7, 97),
                    std::tuple(300, 96, 129), std::tuple(513, 20, 40),
                    std::tuple(1030, 6, 9)));

TEST(Linear, EveryTileHeightIsOneChainAnElement) {
  if (!has_fma()) GTEST_SKIP() << "another numerics version";
  TestContext context;
  for (int64_t size = 1; size <= 43; ++size) {
    Product p = make(size, 43 - size + 1, size);
    p.fill();
    expect_the_chains(context, p);
  }
}

TEST(Linear, ObeysStridesAndLeavesTheGapsAlone) {
  if (!has_fma()) GTEST_SKIP() << "another numerics version";
  Product p = make(37, 50, 70);
  p.pad = 5;
  p.fill();
  TestContext context;
  expect_the_chains(context, p);
}

TEST(Linear, ReadsGatheredRowsInPlace) {
  if (!has_fma()) GTEST_SKIP() << "another numerics version";
  Product p = make(75, 37, 41);
  p.gather = true;
  p.fill();
  TestContext context;
  expect_the_chains(context, p);
}

TEST(Linear, GroupsAndShardsMayBeEmpty) {
  if (!has_fma()) GTEST_SKIP() << "another numerics version";
  for (const int64_t rows : {0, 1, 9, 40, 333}) {
    Product p = make(rows, 21, 50);
    p.num_groups = 5;
    p.num_shards = 4;
    p.gather = rows > 0;
    p.pad = 3;
    p.fill();
    TestContext context;
    expect_the_chains(context, p);
  }
}

TEST(LinearBackwardWeight, SumsShardsAsTheTreeDoes) {
  if (!has_fma()) GTEST_SKIP() << "another numerics version";
  TestContext context;
  for (const int64_t num_shards : {1, 2, 4, 8, 16, 64, 1024}) {
    Product p = make(std::max<int64_t>(128, num_shards), 45, 300);
    p.num_shards = num_shards;
    p.fill();
    EXPECT_TRUE(
        same_bits(backward_weight(context, p), expected_backward_weight(p)))
        << num_shards << " shards";
  }
}

TEST(LinearBackwardWeight, SumsShardsThatAreLongerThanABlock) {
  if (!has_fma()) GTEST_SKIP() << "another numerics version";
  TestContext context;
  Product p = make(4 * (2 * kBlockK + 5), 37, 50);
  p.num_shards = 4;
  p.fill();
  EXPECT_TRUE(
      same_bits(backward_weight(context, p), expected_backward_weight(p)));
}

TEST(LinearBackwardWeight, IsTheTreeOfShardsComputedOneByOne) {
  Product p = make(96, 45, 60);
  p.num_shards = 4;
  p.fill();
  TestContext context;
  std::vector<Floats> shards;
  for (int64_t s = 0; s < 4; ++s) {
    Floats dw = p.dw_before;
    LinearBackwardWeight args = weight_args(p, dw);
    args.rows = p.rows / 4;
    args.dy_RO = at(p.dy, s * args.rows * p.y_stride());
    args.x_RI = at(p.x, s * args.rows * p.x_stride());
    args.shards.num_shards = 1;
    linear_backward_weight(context, args);
    shards.push_back(dw);
  }
  EXPECT_TRUE(same_bits(backward_weight(context, p), tree(shards)));
}

TEST(LinearBackwardWeight, GoesOnFromWhatItHolds) {
  if (!has_fma()) GTEST_SKIP() << "another numerics version";
  for (const int64_t rows : {0, 5, 300}) {
    Product p = make(rows, 45, 60);
    p.fill();
    TestContext context;
    Floats expected = p.dw_before;
    add_shard(p, 0, &expected);
    EXPECT_TRUE(same_bits(backward_weight(context, p, true), expected));
  }
}

TEST(LinearBackwardWeight, HandsOutEachShardsOwnRows) {
  Product p = make(64, 45, 400);
  p.num_shards = 4;
  p.fill();
  TestContext context;
  const std::vector<int32_t> captured_row = {0, 3, 199, 200, 399};
  Floats dw = p.dw_before, captured = floats(4 * 5 * 45);
  LinearBackwardWeight args = weight_args(p, dw);
  args.num_captured = 5;
  args.captured_row = captured_row.data();
  args.captured = captured.data();
  linear_backward_weight(context, args);
  std::vector<Floats> shards;
  for (int64_t s = 0; s < 4; ++s) {
    shards.emplace_back(captured.begin() + s * 5 * 45,
                        captured.begin() + (s + 1) * 5 * 45);
  }
  const Floats sums = tree(shards);
  for (int64_t c = 0; c < 5; ++c) {
    const int64_t row = captured_row[static_cast<size_t>(c)];
    EXPECT_EQ(0, std::memcmp(at(sums, c * 45), at(dw, row * 45), 45 * 4));
  }
  EXPECT_FALSE(same_bits(shards[0], shards[1]));
}

TEST(LinearBackwardWeight, HandsOutTheRowsOfASingleShard) {
  Product p = make(64, 45, 40);
  p.fill();
  TestContext context;
  const std::vector<int32_t> captured_row = {7, 39};
  Floats dw = p.dw_before, captured = floats(2 * 45);
  LinearBackwardWeight args = weight_args(p, dw);
  args.num_captured = 2;
  args.captured_row = captured_row.data();
  args.captured = captured.data();
  linear_backward_weight(context, args);
  EXPECT_EQ(0, std::memcmp(at(captured, 0), at(dw, 7 * 45), 45 * 4));
  EXPECT_EQ(0, std::memcmp(at(captured, 45), at(dw, 39 * 45), 45 * 4));
}

TEST(Linear, HasTheSameBitsForEveryTargetAndNumberOfThreads) {
  Product p = make(331, 290, 210);
  p.num_groups = 4;
  p.num_shards = 4;
  p.gather = true;
  p.fill();
  expect_one_answer([&](const Context& c) { return forward(c, p); });
  expect_one_answer([&](const Context& c) { return backward_input(c, p); });
  expect_one_answer([&](const Context& c) { return backward_weight(c, p); });
}

TEST(Linear, AFewRowsHaveTheBitsThatTheyHaveAmongMany) {
  Product many = make(60, 290, 210);
  many.fill();
  TestContext context;
  const Floats y = forward(context, many);
  for (int64_t rows = 1; rows <= 6; ++rows) {
    Product few = many;
    few.rows = rows;
    const Floats expected(y.begin(), y.begin() + rows * 210);
    EXPECT_TRUE(same_bits(forward(context, few), expected)) << rows << " rows";
  }
}

TEST(Linear, IsRightWithoutFusedMultiplyAdd) {
  Product p = make(50, 100, 70);
  p.num_groups = 3;
  p.num_shards = 2;
  p.gather = true;
  p.fill();
  const auto as_doubles = [](const Floats& f) {
    return std::vector<double>(f.begin(), f.end());
  };
  with_baseline([&] {
    TestContext context;
    expect_near(forward(context, p), as_doubles(expected_forward(p)), 1e-6);
    expect_near(backward_input(context, p),
                as_doubles(expected_backward_input(p)), 1e-6);
    expect_near(backward_weight(context, p),
                as_doubles(expected_backward_weight(p)), 1e-6);
  });
}

TEST(LinearBackwardWeightDeathTest, RefusesToAddSeveralShardsToWhatIsThere) {
  Product p = make(8, 4, 4);
  p.num_shards = 2;
  p.fill();
  TestContext context(1);
  EXPECT_DEATH(backward_weight(context, p, true), "cannot accumulate");
}

}  // namespace
}  // namespace colossus::kernels::cpu
