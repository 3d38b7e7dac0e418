// Flat vectors, each element read once and written once: all of it runs at the
// speed of memory.
#include "kernels/cpu/update.h"

#include <algorithm>

#include "kernels/cpu/pieces.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/update.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

void add_into_range(const AddInto& a, int64_t begin, int64_t end) {
  each_vec(begin, end, [&](int64_t i, auto io) HWY_ATTR {
    io.store(add(io.load(a.left + i), io.load(a.right + i)), a.left + i);
  });
}

float sum_of_squares_block(const float* x, int64_t count) {
  V16 sum = zero16();
  each_vec(0, count, [&](int64_t i, auto io) HWY_ATTR {
    const V16 v = io.load(x + i);
    sum = fma16(v, v, sum);
  });
  return sum_lanes(sum);
}

void adamw_update_range(const AdamWUpdate& a, int64_t begin, int64_t end) {
  const V16 grad_scale = set1(a.grad_scale);
  const V16 take1 = set1(1.0f - a.beta1), take2 = set1(1.0f - a.beta2);
  const V16 bias1 = set1(a.bias1), bias2 = set1(a.bias2), eps = set1(a.eps);
  const V16 rate = set1(a.learning_rate);
  const V16 shrink = set1(a.learning_rate * a.weight_decay);
  each_vec(begin, end, [&](int64_t i, auto io) HWY_ATTR {
    const V16 g = mul(io.load(a.g + i), grad_scale);
    const V16 m0 = io.load(a.m + i), v0 = io.load(a.v + i);
    const V16 w = io.load(a.w + i);
    const V16 m = fma16(take1, sub(g, m0), m0);
    const V16 v = fma16(take2, sub(mul(g, g), v0), v0);
    const V16 step = div(mul(m, bias1), add(sqrt16(mul(v, bias2)), eps));
    io.store(m, a.m_out + i);
    io.store(v, a.v_out + i);
    io.store(fnma16(rate, step, fnma16(shrink, w, w)), a.w_out + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(add_into_range);
HWY_EXPORT(sum_of_squares_block);
HWY_EXPORT(adamw_update_range);

void add_into(const Context& context, const AddInto& args) {
  for_each_range(context, args.count, 1, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(add_into_range)(args, begin, end);
  });
}

double sum_of_squares(const Context& context, const SumOfSquares& args) {
  // The blocks' sums wait in scratch memory, so many at a time as it holds.
  constexpr int64_t kRound = kScratchBytes / sizeof(float);
  const int64_t num_blocks = (args.count + kNormBlock - 1) / kNormBlock;
  float* block_sum = context.scratch[0];
  double sum = 0;
  for (int64_t first = 0; first < num_blocks; first += kRound) {
    const int64_t blocks = std::min(kRound, num_blocks - first);
    for_each_range(context, blocks, kNormBlock, [&](int64_t from, int64_t to) {
      for (int64_t b = from; b < to; ++b) {
        const int64_t begin = (first + b) * kNormBlock;
        block_sum[b] = HWY_DYNAMIC_DISPATCH(sum_of_squares_block)(
            args.x + begin, std::min(kNormBlock, args.count - begin));
      }
    });
    for (int64_t b = 0; b < blocks; ++b) sum += block_sum[b];
  }
  return sum;
}

void adamw_update(const Context& context, const AdamWUpdate& args) {
  for_each_range(context, args.count, 4, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(adamw_update_range)(args, begin, end);
  });
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
