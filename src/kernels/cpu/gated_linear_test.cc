// GeGLU's two halves against plain loops in double and finite differences.
#include <cmath>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/rows_testing.h"

namespace colossus::kernels::cpu {
namespace {

constexpr int64_t kIn = 37, kFfn = 53, kOut = 29;
constexpr int64_t kGroups = 3, kShards = 2;

double gelu(double x) {
  const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1 + std::tanh(u));
}

struct Gated {
  explicit Gated(int64_t num_rows)
      : rows(num_rows),
        x(random_floats(rows * kIn, 1)),
        w(random_floats(kGroups * 2 * kFfn * kIn, 2)),
        w_down(random_floats(kGroups * kOut * kFfn, 3)),
        dy(random_floats(rows * kOut, 4)),
        gate_up(floats(rows * 2 * kFfn)),
        h(floats(rows * kFfn)) {
    const auto end = static_cast<int32_t>(rows);
    segment_begin = {0, end / 2, end / 2, end / 2, end - 1, end - 1, end};
    for (float& value : w) value *= 0.3f;
    for (int64_t i = 0; i < rows; ++i) {
      x_row.push_back(static_cast<int32_t>((i * 5 + 2) % rows));
    }
  }

  void forward(const Context& context, bool keep = true) {
    gated_linear_forward(
        context, {.rows = rows,
                  .in_dim = kIn,
                  .ffn_dim = kFfn,
                  .x_RI = x.data(),
                  .x_row = x_row.data(),
                  .w_2FI = w.data(),
                  .gate_up_R2F = keep ? gate_up.data() : nullptr,
                  .h_RF = h.data(),
                  .groups = {kGroups, segment_begin.data(), 2 * kFfn * kIn},
                  .num_shards = kShards});
  }
  void backward(const Context& context, Floats* d_gate_up, Floats* h_again) {
    gated_linear_backward_input(
        context, {.rows = rows,
                  .ffn_dim = kFfn,
                  .out_dim = kOut,
                  .dy_RO = dy.data(),
                  .w_OF = w_down.data(),
                  .gate_up_R2F = gate_up.data(),
                  .d_gate_up_R2F = d_gate_up->data(),
                  .h_RF = h_again->data(),
                  .groups = {kGroups, segment_begin.data(), kOut * kFfn},
                  .num_shards = kShards});
  }
  int64_t group_of(int64_t row) const {
    int64_t g = 0;
    while (row >= segment_begin[static_cast<size_t>((g + 1) * kShards)]) ++g;
    return g;
  }
  // <dy, h w_down^T> with h from gate_up.
  double objective() const {
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const float* w_group = at(w_down, group_of(r) * kOut * kFfn);
      for (int64_t f = 0; f < kFfn; ++f) {
        const double value = gelu(*at(gate_up, r * 2 * kFfn + f)) *
                             *at(gate_up, r * 2 * kFfn + kFfn + f);
        for (int64_t o = 0; o < kOut; ++o) {
          sum += *at(dy, r * kOut + o) * value *
                 static_cast<double>(w_group[o * kFfn + f]);
        }
      }
    }
    return sum;
  }

  int64_t rows;
  std::vector<int32_t> segment_begin, x_row;
  Floats x, w, w_down, dy, gate_up, h;
};

TEST(GatedLinearForward, IsBothProductsAndTheGate) {
  for (const int64_t rows : {2, 7, 20, 260}) {
    Gated g(rows);
    TestContext context;
    g.forward(context);
    Floats product = floats(rows * 2 * kFfn);
    linear_forward(context,
                   {.rows = rows,
                    .in_dim = kIn,
                    .out_dim = 2 * kFfn,
                    .x_RI = g.x.data(),
                    .x_row = g.x_row.data(),
                    .w_OI = g.w.data(),
                    .y_RO = product.data(),
                    .groups = {kGroups, g.segment_begin.data(), 2 * kFfn * kIn},
                    .num_shards = kShards});
    EXPECT_TRUE(same_bits(g.gate_up, product));
    std::vector<double> h;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t f = 0; f < kFfn; ++f) {
        h.push_back(gelu(*at(product, r * 2 * kFfn + f)) *
                    *at(product, r * 2 * kFfn + kFfn + f));
      }
    }
    expect_near(g.h, h, 1e-6);
  }
}

TEST(GatedLinearForward, NeedsNoPlaceForTheProducts) {
  for (const int64_t rows : {2, 7, 20, 260}) {
    Gated g(rows);
    TestContext context;
    g.forward(context);
    const Floats h = g.h;
    std::fill(g.h.begin(), g.h.end(), 0.0f);
    g.forward(context, false);
    EXPECT_TRUE(same_bits(g.h, h)) << rows << " rows";
  }
}

TEST(GatedLinearBackwardInput, AgreesWithFiniteDifferences) {
  Gated g(7);
  TestContext context;
  g.forward(context);
  Floats d_gate_up = floats(7 * 2 * kFfn), h = floats(7 * kFfn);
  g.backward(context, &d_gate_up, &h);
  for (size_t i = 0; i < g.gate_up.size(); i += 11) {
    const double want =
        slope([&] { return g.objective(); }, g.gate_up, i, 1.0f / 256);
    EXPECT_NEAR(d_gate_up[i], want, 1e-3) << "at " << i;
  }
}

TEST(GatedLinearBackwardInput, ComputesTheSameBitsOfHAgain) {
  Gated g(20);
  TestContext context;
  g.forward(context);
  Floats d_gate_up = floats(20 * 2 * kFfn), h = floats(20 * kFfn);
  g.backward(context, &d_gate_up, &h);
  EXPECT_TRUE(same_bits(h, g.h));
}

TEST(GatedLinearBackwardInput, MayWriteOverItsInput) {
  Gated g(20);
  TestContext context;
  g.forward(context);
  Floats d_gate_up = floats(20 * 2 * kFfn), h = floats(20 * kFfn);
  g.backward(context, &d_gate_up, &h);
  g.backward(context, &g.gate_up, &h);
  EXPECT_TRUE(same_bits(g.gate_up, d_gate_up));
}

TEST(GatedLinear, HasTheSameBitsForEveryTargetAndNumberOfThreads) {
  expect_one_answer([](const Context& context) {
    Gated g(300);
    g.forward(context);
    return g.h;
  });
  expect_one_answer([](const Context& context) {
    Gated g(300);
    g.forward(context);
    Floats d_gate_up = floats(300 * 2 * kFfn), h = floats(300 * kFfn);
    g.backward(context, &d_gate_up, &h);
    return d_gate_up;
  });
}

}  // namespace
}  // namespace colossus::kernels::cpu
