// Mixing what the experts made, and the gradients of that: rows gathered from
// their sorted places and scattered back, each read and written once.
// Shapes: R rows, D dim, E experts, S selected.
#include "hwy/cache_control.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/router.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/expert_rows.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

void combine_forward_rows(const ExpertCombineForward& a, int64_t begin,
                          int64_t end) {
  const V16 scale = set1(a.scale);
  for (int64_t row = begin; row < end; ++row) {
    const int32_t* slot_S = a.slot_RS + row * a.num_selected;
    const float* weight_S = a.weight_RS + row * a.num_selected;
    const float* dense_D = a.dense_RD ? a.dense_RD + row * a.dim : nullptr;
    float* y_D = a.y_RD + row * a.dim;
    each_vec(0, a.dim, [&](int64_t d, auto io) HWY_ATTR {
      V16 sum = dense_D ? io.load(dense_D + d) : zero16();
      for (int64_t s = 0; s < a.num_selected; ++s) {
        const V16 y = io.load(a.y_slots + slot_S[s] * a.dim + d);
        sum = fma16(set1(weight_S[s]), y, sum);
      }
      io.store(mul(sum, scale), y_D + d);
    });
  }
}

// One choice of one row; returns <dy, y_slot>. dy_slot_D may be y_slot_D.
HWY_INLINE float combine_backward_slot(const float* dy_D, const float* y_slot_D,
                                       float scale, float weight, int64_t dim,
                                       float* dy_slot_D) {
  V16 dot = zero16();
  each_vec(0, dim, [&](int64_t d, auto io) HWY_ATTR {
    const V16 dy = io.load(dy_D + d);
    dot = fma16(dy, io.load(y_slot_D + d), dot);
    io.store(mul(mul(dy, set1(scale)), set1(weight)), dy_slot_D + d);
  });
  return sum_lanes(dot);
}

void combine_backward_rows(const ExpertCombineBackward& a, int64_t begin,
                           int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* dy_D = a.dy_RD + row * a.dim;
    for (int64_t s = 0; s < a.num_selected; ++s) {
      const int64_t choice = row * a.num_selected + s;
      const int64_t slot = a.slot_RS[choice];
      a.dweight_RS[choice] =
          a.scale * combine_backward_slot(dy_D, a.y_slots + slot * a.dim,
                                          a.scale, a.weight_RS[choice], a.dim,
                                          a.dy_slots + slot * a.dim);
    }
    if (a.ddense_RD == nullptr) continue;
    float* ddense_D = a.ddense_RD + row * a.dim;
    each_vec(0, a.dim, [&](int64_t d, auto io) HWY_ATTR {
      io.store(mul(io.load(dy_D + d), set1(a.scale)), ddense_D + d);
    });
  }
}

// While a row is summed, the next one's slots are fetched: they lie anywhere,
// which the processor cannot guess, and the sums leave it little room to look
// ahead.
HWY_INLINE void fetch_slots(const ExpertInputBackward& a, const int32_t* slot_S,
                            int64_t d) {
  for (int64_t s = 0; s < a.num_selected; ++s) {
    hwy::Prefetch(a.dm_slots + slot_S[s] * a.dim + d);
  }
}

void input_backward_rows(const ExpertInputBackward& a, int64_t begin,
                         int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int32_t* slot_S = a.slot_RS + row * a.num_selected;
    const int32_t* next_S = row + 1 < end ? slot_S + a.num_selected : slot_S;
    const float* dlogits_E = a.dlogits_RE + row * a.num_experts;
    const float* ddense_D =
        a.ddense_m_RD ? a.ddense_m_RD + row * a.dim : nullptr;
    float* dm_D = a.dm_RD + row * a.dim;
    each_vec(0, a.dim, [&](int64_t d, auto io) HWY_ATTR {
      fetch_slots(a, next_S, d);
      V16 sum = ddense_D ? io.load(ddense_D + d) : zero16();
      for (int64_t e = 0; e < a.num_experts; ++e) {
        sum = fma16(set1(dlogits_E[e]), io.load(a.w_ED + e * a.dim + d), sum);
      }
      for (int64_t s = 0; s < a.num_selected; ++s) {
        sum = add(sum, io.load(a.dm_slots + slot_S[s] * a.dim + d));
      }
      io.store(sum, dm_D + d);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(combine_forward_rows);
HWY_EXPORT(combine_backward_rows);
HWY_EXPORT(input_backward_rows);

void expert_combine_forward(const Context& context,
                            const ExpertCombineForward& args) {
  for_each_range(context, args.rows, args.dim, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(combine_forward_rows)(args, begin, end);
  });
}

void expert_combine_backward(const Context& context,
                             const ExpertCombineBackward& args) {
  for_each_range(context, args.rows, args.dim * args.num_selected,
                 [&](int64_t begin, int64_t end) {
                   HWY_DYNAMIC_DISPATCH(combine_backward_rows)
                   (args, begin, end);
                 });
}

void expert_input_backward(const Context& context,
                           const ExpertInputBackward& args) {
  for_each_range(context, args.rows, args.dim * args.num_selected,
                 [&](int64_t begin, int64_t end) {
                   HWY_DYNAMIC_DISPATCH(input_backward_rows)(args, begin, end);
                 });
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
