#include "optimizer/sharded_adamw.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/exact_math.h"
#include "base/state_hash.h"
#include "kernels/backend.h"

namespace colossus::optimizer {

ShardedAdamW::ShardedAdamW(const config::OptimizerConfig& config,
                           const tensor::TensorLayout& layout,
                           int64_t padded_count, int64_t num_shards,
                           kernels::Backend& backend)
    : config_(config),
      num_shards_(num_shards),
      slice_count_(padded_count / num_shards),
      backend_(backend) {
  COLOSSUS_CHECK(padded_count % (16 * num_shards) == 0,
                 "{} floats in {} slices", padded_count, num_shards);
  for (const tensor::TensorEntry& t : layout) {
    const bool matrix = t.shape.size() > 1;
    const double decay = matrix ? config_.weight_decay : 0.0;
    const int64_t end = t.offset + t.num_elements();
    if (!runs_.empty() && runs_.back().weight_decay == decay) {
      runs_.back().end = end;
    } else {
      runs_.push_back({t.offset, end, decay});
    }
  }
}

double ShardedAdamW::sum_of_squares(const float* slice_gradient) const {
  return backend_.sum_of_squares({.count = slice_count_, .x = slice_gradient});
}

double ShardedAdamW::grad_norm(std::vector<double> sums) const {
  COLOSSUS_CHECK(static_cast<int64_t>(sums.size()) == num_shards_,
                 "{} sums of {} slices", sums.size(), num_shards_);
  for (size_t distance = 1; distance < sums.size(); distance *= 2) {
    for (size_t i = 0; i + distance < sums.size(); i += 2 * distance) {
      sums[i] += sums[i + distance];
    }
  }
  return std::sqrt(sums[0]);
}

double ShardedAdamW::clip_scale(double grad_norm) const {
  return std::min(1.0, config_.max_grad_norm / (grad_norm + 1e-6));
}

kernels::AdamWUpdate ShardedAdamW::kernel_arguments(
    int64_t step, double learning_rate, double grad_scale,
    const float* slice_gradient, const SliceIn& in, const SliceOut& out) const {
  const double bias1 = 1 / (1 - exact_power_int(config_.beta1, step));
  const double bias2 = 1 / (1 - exact_power_int(config_.beta2, step));
  return {.count = slice_count_,
          .g = slice_gradient,
          .w = in.w,
          .m = in.m,
          .v = in.v,
          .w_out = out.w,
          .m_out = out.m,
          .v_out = out.v,
          .grad_scale = static_cast<float>(grad_scale),
          .learning_rate = static_cast<float>(learning_rate),
          .beta1 = static_cast<float>(config_.beta1),
          .beta2 = static_cast<float>(config_.beta2),
          .eps = static_cast<float>(config_.eps),
          .weight_decay = 0,
          .bias1 = static_cast<float>(bias1),
          .bias2 = static_cast<float>(bias2)};
}

namespace {

int64_t group_above(int64_t at) {
  return (at + StateHash::kGroup - 1) / StateHash::kGroup * StateHash::kGroup;
}

int64_t group_below(int64_t at) {
  return at / StateHash::kGroup * StateHash::kGroup;
}

// Elements [from, to) of what `whole` updates.
void update_part(kernels::Backend& backend, kernels::AdamWUpdate whole,
                 int64_t from, int64_t to, StateHash* hash) {
  if (from >= to) return;
  whole.count = to - from;
  for (const float** in : {&whole.g, &whole.w, &whole.m, &whole.v}) *in += from;
  for (float** out : {&whole.w_out, &whole.m_out, &whole.v_out}) *out += from;
  whole.first = from;
  whole.hash = hash;
  backend.adamw_update(whole);
}

}  // namespace

// The kernel hashes whole groups of elements. What is left, groups in which
// the decay changes and padding, is hashed as it lies there afterwards.
Hash128 ShardedAdamW::update_slice(int64_t slice, int64_t step,
                                   double learning_rate, double grad_scale,
                                   const float* slice_gradient,
                                   const SliceIn& in,
                                   const SliceOut& out) const {
  const int64_t begin = slice * slice_count_, end = begin + slice_count_;
  kernels::AdamWUpdate whole = kernel_arguments(step, learning_rate, grad_scale,
                                                slice_gradient, in, out);
  StateHash hash;
  std::vector<std::pair<int64_t, int64_t>> left;
  int64_t hashed = 0;
  for (const Run& run : runs_) {
    const int64_t from = std::max(begin, run.begin) - begin;
    const int64_t to = std::min(end, run.end) - begin;
    if (from >= to) continue;
    whole.weight_decay = static_cast<float>(run.weight_decay);
    const int64_t first = std::min(to, group_above(from));
    const int64_t last = std::max(first, group_below(to));
    update_part(backend_, whole, from, first, nullptr);
    update_part(backend_, whole, first, last, &hash);
    update_part(backend_, whole, last, to, nullptr);
    if (first == last) continue;
    left.emplace_back(hashed, first);
    hashed = last;
  }
  left.emplace_back(hashed, slice_count_);
  for (const auto& [from, to] : left) {
    hash.add(from, to - from, out.w + from, out.m + from, out.v + from);
  }
  return hash.digest();
}

}  // namespace colossus::optimizer
