// RMSNorm against plain loops in double, finite differences, and itself.
#include "kernels/cpu/norm.h"

#include <cmath>

#include "kernels/cpu/rows_testing.h"

namespace colossus::kernels::cpu {
namespace {

constexpr float kEps = 1e-5f;
using Doubles = std::vector<double>;

// y = x * scale / rms(x), by rows.
template <typename Values>
Doubles norm(const Values& x, const Floats& scale, int64_t rows) {
  const size_t dim = scale.size();
  Doubles y(x.size());
  for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
    double squares = 0;
    for (size_t d = 0; d < dim; ++d)
      squares += 1.0 * x[r * dim + d] * x[r * dim + d];
    const double rms = std::sqrt(squares / static_cast<double>(dim) + kEps);
    for (size_t d = 0; d < dim; ++d) {
      y[r * dim + d] = x[r * dim + d] / rms * scale[d];
    }
  }
  return y;
}

Doubles sum(const Floats& a, const Doubles& b) {
  Doubles result(b);
  for (size_t i = 0; i < b.size(); ++i) result[i] += a[i];
  return result;
}

double dot(const Floats& a, const Doubles& b) {
  double result = 0;
  for (size_t i = 0; i < b.size(); ++i) result += a[i] * b[i];
  return result;
}

// One sandwich norm's data: everything that either pass takes or makes.
struct Residual {
  Residual(int64_t num_rows, int64_t row_dim)
      : rows(num_rows),
        dim(row_dim),
        x(random_floats(rows * dim, 1)),
        branch(random_floats(rows * dim, 2)),
        post(random_floats(dim, 3)),
        next(random_floats(dim, 4)),
        dx_out(random_floats(rows * dim, 5)),
        dy(random_floats(rows * dim, 6)),
        x_out(floats(rows * dim)),
        y(floats(rows * dim)),
        post_inv(floats(rows)),
        next_inv(floats(rows)),
        dx(floats(rows * dim)),
        dbranch(floats(rows * dim)),
        dpost(floats(dim)),
        dnext(floats(dim)) {}

  void forward(const Context& context) {
    residual_norm_forward(
        context,
        {rows, dim, kEps, x.data(), branch.data(), post.data(), next.data(),
         x_out.data(), y.data(), post_inv.data(), next_inv.data()});
  }
  void backward(const Context& context, int64_t first, int64_t count,
                const Shards& shards) {
    Floats workspace =
        floats(norm_backward_workspace_floats(count, dim, shards.num_shards));
    const int64_t begin = first * dim;
    residual_norm_backward(
        context,
        {count, dim, at(dx_out, begin), at(dy, begin), at(x_out, begin),
         at(branch, begin), post.data(), next.data(), at(post_inv, first),
         at(next_inv, first), at(dx, begin), at(dbranch, begin), dpost.data(),
         dnext.data(), shards, workspace.data()});
  }
  Floats gradients() const {
    Floats all = dx;
    for (const Floats* part : {&dbranch, &dpost, &dnext}) {
      all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  }
  // <dy, y> + <dx_out, x_out>: the loss whose gradient the backward pass is.
  double loss() const {
    const Doubles out = sum(x, norm(branch, post, rows));
    return dot(dx_out, out) + dot(dy, norm(out, next, rows));
  }

  int64_t rows, dim;
  Floats x, branch, post, next, dx_out, dy;
  Floats x_out, y, post_inv, next_inv, dx, dbranch, dpost, dnext;
};

TEST(RmsNorm, ForwardIsXOverItsRootMeanSquareTimesScale) {
  TestContext context;
  for (const int64_t dim : {1, 15, 16, 17, 22, 384, 771}) {
    const int64_t rows = 7;
    const Floats x = random_floats(rows * dim, 1);
    const Floats scale = random_floats(dim, 2);
    Floats y = floats(rows * dim), inv_rms = floats(rows);
    const RmsNormForward args{rows,         dim,      kEps,          x.data(),
                              scale.data(), y.data(), inv_rms.data()};
    rms_norm_forward(context, args);
    expect_near(y, norm(x, scale, rows), 1e-6);
    with_baseline([&] { rms_norm_forward(context, args); });
    expect_near(y, norm(x, scale, rows), 1e-6);
  }
}

TEST(RmsNorm, BackwardAgreesWithFiniteDifferences) {
  TestContext context;
  const int64_t rows = 3, dim = 22;
  Floats x = random_floats(rows * dim, 1), scale = random_floats(dim, 2);
  const Floats dy = random_floats(rows * dim, 3);
  Floats y = floats(rows * dim), inv_rms = floats(rows), dx = y;
  Floats dscale = floats(dim);
  Floats workspace = floats(norm_backward_workspace_floats(rows, dim, 1));
  rms_norm_forward(context, {rows, dim, kEps, x.data(), scale.data(), y.data(),
                             inv_rms.data()});
  rms_norm_backward(context, {rows,
                              dim,
                              dy.data(),
                              x.data(),
                              scale.data(),
                              inv_rms.data(),
                              dx.data(),
                              dscale.data(),
                              {},
                              workspace.data()});
  const auto loss = [&] { return dot(dy, norm(x, scale, rows)); };
  for (size_t i = 0; i < dx.size(); ++i) {
    EXPECT_NEAR(dx[i], slope(loss, x, i), 2e-3);
  }
  for (size_t i = 0; i < dscale.size(); ++i) {
    EXPECT_NEAR(dscale[i], slope(loss, scale, i), 1e-5);
  }
}

TEST(RmsNorm, ResidualForwardIsTheSumAndItsNorm) {
  TestContext context;
  for (const int64_t dim : {1, 17, 22, 384}) {
    Residual r(5, dim);
    const Doubles x_out = sum(r.x, norm(r.branch, r.post, r.rows));
    r.forward(context);
    expect_near(r.x_out, x_out, 1e-6);
    expect_near(r.y, norm(x_out, r.next, r.rows), 1e-5);
  }
}

TEST(RmsNorm, ResidualBackwardAgreesWithFiniteDifferences) {
  TestContext context;
  Residual r(3, 22);
  r.forward(context);
  r.backward(context, 0, r.rows, {});
  const auto loss = [&] { return r.loss(); };
  for (size_t i = 0; i < r.dx.size(); ++i) {
    EXPECT_NEAR(r.dx[i], slope(loss, r.x, i), 1e-2);
    EXPECT_NEAR(r.dbranch[i], slope(loss, r.branch, i), 1e-2);
  }
  for (size_t i = 0; i < r.dpost.size(); ++i) {
    EXPECT_NEAR(r.dpost[i], slope(loss, r.post, i), 1e-2);
    EXPECT_NEAR(r.dnext[i], slope(loss, r.next, i), 1e-2);
  }
}

TEST(RmsNorm, WithoutAGradientThroughTheStreamEqualsOneOfZeros) {
  TestContext context;
  Residual zeros(9, 17), none(9, 17);
  zeros.forward(context);
  none.forward(context);
  zeros.dx_out = floats(9 * 17);
  zeros.backward(context, 0, 9, {});
  Floats workspace = floats(norm_backward_workspace_floats(9, 17, 1));
  residual_norm_backward(context, {9,
                                   17,
                                   nullptr,
                                   none.dy.data(),
                                   none.x_out.data(),
                                   none.branch.data(),
                                   none.post.data(),
                                   none.next.data(),
                                   none.post_inv.data(),
                                   none.next_inv.data(),
                                   none.dx.data(),
                                   none.dbranch.data(),
                                   none.dpost.data(),
                                   none.dnext.data(),
                                   {},
                                   workspace.data()});
  EXPECT_TRUE(same_bits(zeros.gradients(), none.gradients()));
}

TEST(RmsNorm, HasOneAnswerForAllThreadsAndTargets) {
  expect_one_answer("abae53027f7acfb5fbcd7156b76025bb",
                    [](const Context& context) {
                      Residual r(4 * 70, 61);
                      r.forward(context);
                      r.backward(context, 0, r.rows, {4});
                      Floats all = r.gradients();
                      all.insert(all.end(), r.y.begin(), r.y.end());
                      return all;
                    });
}

TEST(RmsNorm, ShardsTogetherEqualShardsOneByOneAndTheirTree) {
  TestContext context;
  const int64_t rows = 70, dim = 22;
  Residual together(4 * rows, dim), alone(4 * rows, dim);
  together.forward(context);
  alone.forward(context);
  together.backward(context, 0, 4 * rows, {4});
  std::vector<Floats> dpost, dnext;
  for (int64_t shard = 0; shard < 4; ++shard) {
    alone.backward(context, shard * rows, rows, {});
    dpost.push_back(alone.dpost);
    dnext.push_back(alone.dnext);
  }
  for (size_t d = 0; d < static_cast<size_t>(dim); ++d) {
    alone.dpost[d] = (dpost[0][d] + dpost[1][d]) + (dpost[2][d] + dpost[3][d]);
    alone.dnext[d] = (dnext[0][d] + dnext[1][d]) + (dnext[2][d] + dnext[3][d]);
  }
  EXPECT_TRUE(same_bits(together.gradients(), alone.gradients()));
}

TEST(RmsNorm, AccumulateAddsTheBlocksToWhatIsThere) {
  TestContext context;
  const int64_t dim = 22;
  Residual whole(2 * kNormRowBlock, dim), halves(2 * kNormRowBlock, dim);
  whole.forward(context);
  halves.forward(context);
  whole.backward(context, 0, 2 * kNormRowBlock, {});
  halves.backward(context, 0, kNormRowBlock, {1, false});
  halves.backward(context, kNormRowBlock, kNormRowBlock, {1, true});
  EXPECT_TRUE(same_bits(whole.gradients(), halves.gradients()));
}

}  // namespace
}  // namespace colossus::kernels::cpu
