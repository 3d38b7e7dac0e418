// AdamW over the slices of the flat parameter vector: slice i of S belongs to
// shard i. Norm and update of a slice need that slice alone.
#pragma once

#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "config/config.h"
#include "tensor/tensor_entry.h"

namespace colossus::kernels {
class Backend;
struct AdamWUpdate;
}  // namespace colossus::kernels

namespace colossus::optimizer {

// Weights and moments of one slice, slice_count() floats each.
struct SliceIn {
  const float *w, *m, *v;
};
struct SliceOut {
  float *w, *m, *v;
};

class ShardedAdamW {
 public:
  // `padded_count` is a multiple of 16 * num_shards. `backend` must outlive it.
  ShardedAdamW(const config::OptimizerConfig& config,
               const tensor::TensorLayout& layout, int64_t padded_count,
               int64_t num_shards, kernels::Backend& backend);

  int64_t slice_count() const { return slice_count_; }

  // Sum of the squares of one slice of a gradient.
  double sum_of_squares(const float* slice_gradient) const;

  // sqrt of the tree over the slices' sums, all of them in order.
  double grad_norm(std::vector<double> sums_S) const;

  // min(1, max_grad_norm / (norm + 1e-6))
  double clip_scale(double grad_norm) const;

  // Update number `step` (from 1) of a slice, from its gradient. `out` may be
  // the memory of `in`; padding is left alone. Returns the hash of what was
  // written (base/state_hash.h), taken while it was in cache.
  Hash128 update_slice(int64_t slice, int64_t step, double learning_rate,
                       double grad_scale, const float* slice_gradient,
                       const SliceIn& in, const SliceOut& out) const;

 private:
  // Neighbouring parameters that share a decay.
  struct Run {
    int64_t begin, end;
    double weight_decay;
  };

  // Of a whole slice, but for the decay.
  kernels::AdamWUpdate kernel_arguments(int64_t step, double learning_rate,
                                        double grad_scale,
                                        const float* slice_gradient,
                                        const SliceIn& in,
                                        const SliceOut& out) const;

  const config::OptimizerConfig config_;
  const int64_t num_shards_;
  const int64_t slice_count_;
  kernels::Backend& backend_;
  std::vector<Run> runs_;
};

}  // namespace colossus::optimizer
