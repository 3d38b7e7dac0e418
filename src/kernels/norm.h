// RMSNorm, and the residual step of a sandwich norm fused with the norm after
// it. R rows, D dim.
//
//   inv_rms = 1 / sqrt(mean(x^2) + eps)
//   y       = x * inv_rms * scale
//
// The scale's gradient (shards: shards.h) is, within a shard, summed in blocks
// of kNormRowBlock rows: a chain over a block's rows, then the blocks in order.
// With `accumulate` the blocks are added to what dscale holds. A sum over D
// runs over 16 lanes (column mod 16), each in order, and their fixed tree.
#pragma once

#include <cstdint>

#include "kernels/shards.h"

namespace colossus::kernels {

inline constexpr int64_t kNormRowBlock = 32;

struct RmsNormForward {
  int64_t rows, dim;
  float eps;
  const float* x_RD;
  const float* scale_D;
  float* y_RD;
  float* inv_rms_R;
};

struct RmsNormBackward {
  int64_t rows, dim;
  const float* dy_RD;
  const float* x_RD;
  const float* scale_D;
  const float* inv_rms_R;
  float* dx_RD;  // written
  float* dscale_D;
  Shards shards = {};
  float* workspace;  // norm_backward_workspace_floats(rows, dim, num_shards)
};

//   x_out = x + RMSNorm(branch; post_scale)
//   y     = RMSNorm(x_out; next_scale)        the input of the next sub-layer
struct ResidualNormForward {
  int64_t rows, dim;
  float eps;
  const float* x_RD;
  const float* branch_RD;
  const float* post_scale_D;
  const float* next_scale_D;
  float* x_out_RD;  // not x_RD
  float* y_RD;
  float* post_inv_rms_R;
  float* next_inv_rms_R;
};

//   dx      = dx_out + (gradient of RMSNorm(x_out; next_scale) at dy)
//   dbranch = gradient of RMSNorm(branch; post_scale) at dx
struct ResidualNormBackward {
  int64_t rows, dim;
  const float* dx_out_RD;  // through the residual stream; null = zero
  const float* dy_RD;      // through the next sub-layer
  const float* x_out_RD;
  const float* branch_RD;
  const float* post_scale_D;
  const float* next_scale_D;
  const float* post_inv_rms_R;
  const float* next_inv_rms_R;
  float* dx_RD;  // may be dx_out_RD
  float* dbranch_RD;
  float* dpost_scale_D;
  float* dnext_scale_D;
  Shards shards = {};
  float* workspace;
};

// Enough for either backward pass.
constexpr int64_t norm_backward_workspace_floats(int64_t rows, int64_t dim,
                                                 int64_t num_shards) {
  const int64_t rows_per_shard = rows / num_shards;
  const int64_t blocks = (rows_per_shard + kNormRowBlock - 1) / kNormRowBlock;
  return 2 * num_shards * blocks * dim;
}

}  // namespace colossus::kernels
