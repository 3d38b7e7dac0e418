// RMSNorm by rows: memory is read and written once; the second and third walk
// over a row find it in the first cache. Shapes: R rows, D dim.
#include "kernels/cpu/norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/pieces.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/norm.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

HWY_INLINE float inverse_rms(const V16& squares, int64_t dim, float eps) {
  const float mean = sum_lanes(squares) / static_cast<float>(dim);
  return 1.0f / std::sqrt(mean + eps);
}

// sum over d of x^2
HWY_INLINE V16 sum_of_squares(const float* x_D, int64_t dim) {
  V16 sum = zero16();
  each_vec(0, dim, [&](int64_t d, auto io) HWY_ATTR {
    const V16 x = io.load(x_D + d);
    sum = fma16(x, x, sum);
  });
  return sum;
}

// sum over d of dy * scale * x
HWY_INLINE V16 sum_of_products(const float* dy_D, const float* scale_D,
                               const float* x_D, int64_t dim) {
  V16 sum = zero16();
  each_vec(0, dim, [&](int64_t d, auto io) HWY_ATTR {
    const V16 g = mul(io.load(dy_D + d), io.load(scale_D + d));
    sum = fma16(g, io.load(x_D + d), sum);
  });
  return sum;
}

// y = (x * inv_rms) * scale
HWY_INLINE void scale_row(const float* x_D, float inv_rms, const float* scale_D,
                          int64_t dim, float* y_D) {
  const V16 r = set1(inv_rms);
  each_vec(0, dim, [&](int64_t d, auto io) HWY_ATTR {
    const V16 normed = mul(io.load(x_D + d), r);
    io.store(mul(normed, io.load(scale_D + d)), y_D + d);
  });
}

void rms_norm_forward_rows(const RmsNormForward& a, int64_t begin,
                           int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x_D = a.x_RD + row * a.dim;
    const float r = inverse_rms(sum_of_squares(x_D, a.dim), a.dim, a.eps);
    a.inv_rms_R[row] = r;
    scale_row(x_D, r, a.scale_D, a.dim, a.y_RD + row * a.dim);
  }
}

// What multiplies x in the gradient: with g = dy * scale,
//   dx = g / rms - x * (sum(g * x) / (D rms^3))
HWY_INLINE V16 pull_along_x(const V16& products, int64_t dim, float inv_rms) {
  const float mean = sum_lanes(products) / static_cast<float>(dim);
  return set1(mean * inv_rms * inv_rms * inv_rms);
}

// The rows of one block; block_D becomes their part of the scale's gradient.
void rms_norm_backward_rows(const RmsNormBackward& a, int64_t begin,
                            int64_t end, float* block_D) {
  const int64_t dim = a.dim;
  for (int64_t row = begin; row < end; ++row) {
    const float* x_D = a.x_RD + row * dim;
    const float* dy_D = a.dy_RD + row * dim;
    float* dx_D = a.dx_RD + row * dim;
    const V16 r = set1(a.inv_rms_R[row]);
    const V16 pull = pull_along_x(sum_of_products(dy_D, a.scale_D, x_D, dim),
                                  dim, a.inv_rms_R[row]);
    const bool first = row == begin;
    each_vec(0, dim, [&](int64_t d, auto io) HWY_ATTR {
      const V16 x = io.load(x_D + d), dy = io.load(dy_D + d);
      const V16 sum = first ? zero16() : io.load(block_D + d);
      const V16 g = mul(dy, io.load(a.scale_D + d));
      io.store(fma16(dy, mul(x, r), sum), block_D + d);
      io.store(fnma16(x, pull, mul(g, r)), dx_D + d);
    });
  }
}

void residual_norm_forward_rows(const ResidualNormForward& a, int64_t begin,
                                int64_t end) {
  const int64_t dim = a.dim;
  for (int64_t row = begin; row < end; ++row) {
    const float* x_D = a.x_RD + row * dim;
    const float* branch_D = a.branch_RD + row * dim;
    float* x_out_D = a.x_out_RD + row * dim;
    const float post = inverse_rms(sum_of_squares(branch_D, dim), dim, a.eps);
    const V16 r = set1(post);
    V16 squares = zero16();
    each_vec(0, dim, [&](int64_t d, auto io) HWY_ATTR {
      const V16 normed = mul(io.load(branch_D + d), r);
      const V16 x_out =
          fma16(normed, io.load(a.post_scale_D + d), io.load(x_D + d));
      squares = fma16(x_out, x_out, squares);
      io.store(x_out, x_out_D + d);
    });
    const float next = inverse_rms(squares, dim, a.eps);
    scale_row(x_out_D, next, a.next_scale_D, dim, a.y_RD + row * dim);
    a.post_inv_rms_R[row] = post;
    a.next_inv_rms_R[row] = next;
  }
}

// The residual stream's gradient dx of one row, and the sum over d of
// dx * post_scale * branch.
HWY_INLINE V16 residual_row_backward(const ResidualNormBackward& a, int64_t row,
                                     bool first, float* next_block_D) {
  const int64_t dim = a.dim, offset = row * dim;
  const float* dy_D = a.dy_RD + offset;
  const float* x_out_D = a.x_out_RD + offset;
  const float* branch_D = a.branch_RD + offset;
  const float* dx_out_D = a.dx_out_RD ? a.dx_out_RD + offset : nullptr;
  float* dx_D = a.dx_RD + offset;
  const V16 r = set1(a.next_inv_rms_R[row]);
  const V16 pull =
      pull_along_x(sum_of_products(dy_D, a.next_scale_D, x_out_D, dim), dim,
                   a.next_inv_rms_R[row]);
  V16 products = zero16();
  each_vec(0, dim, [&](int64_t d, auto io) HWY_ATTR {
    const V16 x = io.load(x_out_D + d), dy = io.load(dy_D + d);
    const V16 sum = first ? zero16() : io.load(next_block_D + d);
    const V16 through = dx_out_D ? io.load(dx_out_D + d) : zero16();
    const V16 g = mul(dy, io.load(a.next_scale_D + d));
    const V16 dx = add(through, fnma16(x, pull, mul(g, r)));
    io.store(fma16(dy, mul(x, r), sum), next_block_D + d);
    io.store(dx, dx_D + d);
    products = fma16(mul(dx, io.load(a.post_scale_D + d)),
                     io.load(branch_D + d), products);
  });
  return products;
}

void residual_norm_backward_rows(const ResidualNormBackward& a, int64_t begin,
                                 int64_t end, float* next_block_D,
                                 float* post_block_D) {
  const int64_t dim = a.dim;
  for (int64_t row = begin; row < end; ++row) {
    const bool first = row == begin;
    const V16 products = residual_row_backward(a, row, first, next_block_D);
    const float* dx_D = a.dx_RD + row * dim;
    const float* branch_D = a.branch_RD + row * dim;
    float* dbranch_D = a.dbranch_RD + row * dim;
    const V16 r = set1(a.post_inv_rms_R[row]);
    const V16 pull = pull_along_x(products, dim, a.post_inv_rms_R[row]);
    each_vec(0, dim, [&](int64_t d, auto io) HWY_ATTR {
      const V16 branch = io.load(branch_D + d), dx = io.load(dx_D + d);
      const V16 sum = first ? zero16() : io.load(post_block_D + d);
      const V16 g = mul(dx, io.load(a.post_scale_D + d));
      io.store(fma16(dx, mul(branch, r), sum), post_block_D + d);
      io.store(fnma16(branch, pull, mul(g, r)), dbranch_D + d);
    });
  }
}

// dscale's columns [begin, end) from the blocks of all shards,
// block_PBD [num_shards, blocks, D].
void add_blocks(const float* block_PBD, int64_t num_blocks, int64_t dim,
                const Shards& shards, int64_t begin, int64_t end,
                float* dscale_D) {
  each_vec(begin, end, [&](int64_t d, auto io) HWY_ATTR {
    const auto shard_sum = [&](int64_t shard) HWY_ATTR {
      const float* block_BD = block_PBD + shard * num_blocks * dim;
      V16 sum = shards.accumulate ? io.load(dscale_D + d) : zero16();
      for (int64_t b = 0; b < num_blocks; ++b) {
        sum = add(sum, io.load(block_BD + b * dim + d));
      }
      return sum;
    };
    io.store(shard_tree(0, shards.num_shards, shard_sum), dscale_D + d);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(rms_norm_forward_rows);
HWY_EXPORT(rms_norm_backward_rows);
HWY_EXPORT(residual_norm_forward_rows);
HWY_EXPORT(residual_norm_backward_rows);
HWY_EXPORT(add_blocks);

namespace {

// A shard's rows in blocks of kNormRowBlock.
struct Blocks {
  Blocks(int64_t rows, int64_t num_shards)
      : rows_per_shard(rows / num_shards),
        per_shard((rows_per_shard + kNormRowBlock - 1) / kNormRowBlock),
        total(per_shard * num_shards) {}
  int64_t first_row(int64_t block) const {
    return block / per_shard * rows_per_shard +
           block % per_shard * kNormRowBlock;
  }
  int64_t end_row(int64_t block) const {
    const int64_t shard_end = (block / per_shard + 1) * rows_per_shard;
    return std::min(first_row(block) + kNormRowBlock, shard_end);
  }

  const int64_t rows_per_shard, per_shard, total;
};

void sum_scale_gradient(const Context& context, const float* block_PBD,
                        const Blocks& blocks, int64_t dim, const Shards& shards,
                        float* dscale_D) {
  for_each_column_range(context, dim, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(add_blocks)
    (block_PBD, blocks.per_shard, dim, shards, begin, end, dscale_D);
  });
}

}  // namespace

void rms_norm_forward(const Context& context, const RmsNormForward& args) {
  for_each_range(context, args.rows, args.dim, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(rms_norm_forward_rows)(args, begin, end);
  });
}

void rms_norm_backward(const Context& context, const RmsNormBackward& args) {
  check_shards(args.rows, args.shards);
  const Blocks blocks(args.rows, args.shards.num_shards);
  context.pool.run(blocks.total, [&](int64_t block, int) {
    HWY_DYNAMIC_DISPATCH(rms_norm_backward_rows)
    (args, blocks.first_row(block), blocks.end_row(block),
     args.workspace + block * args.dim);
  });
  sum_scale_gradient(context, args.workspace, blocks, args.dim, args.shards,
                     args.dscale_D);
}

void residual_norm_forward(const Context& context,
                           const ResidualNormForward& args) {
  for_each_range(context, args.rows, args.dim, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(residual_norm_forward_rows)(args, begin, end);
  });
}

void residual_norm_backward(const Context& context,
                            const ResidualNormBackward& args) {
  check_shards(args.rows, args.shards);
  const Blocks blocks(args.rows, args.shards.num_shards);
  float* next_blocks = args.workspace;
  float* post_blocks = args.workspace + blocks.total * args.dim;
  context.pool.run(blocks.total, [&](int64_t block, int) {
    HWY_DYNAMIC_DISPATCH(residual_norm_backward_rows)
    (args, blocks.first_row(block), blocks.end_row(block),
     next_blocks + block * args.dim, post_blocks + block * args.dim);
  });
  sum_scale_gradient(context, next_blocks, blocks, args.dim, args.shards,
                     args.dnext_scale_D);
  sum_scale_gradient(context, post_blocks, blocks, args.dim, args.shards,
                     args.dpost_scale_D);
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
