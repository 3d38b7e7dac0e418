// Routing: which experts a token goes to, with what weight, and the gradient of
// that. One row of at most kMaxExperts numbers at a time, in registers and
// small arrays. Shapes: R rows, E experts, S selected, P shards.
#include "kernels/cpu/router.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/pieces.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/router.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/math-inl.h"
#include "kernels/cpu/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

// A tile of logits: this many rows, sixteen experts.
inline constexpr int64_t kTileRows = 6;

// Columns [begin, end) of a tile's chains; w_16 holds them for sixteen experts,
// side by side, from `begin` on.
template <int64_t num_rows>
HWY_INLINE void logits_tile(const float* m_RD, int64_t dim, const float* w_16,
                            int64_t begin, int64_t end, float* logits_RE,
                            int64_t num_experts, int64_t experts_left) {
  V16 sum[num_rows];
  const PartVec io{experts_left < kVec ? experts_left : kVec};
  for (int64_t r = 0; r < num_rows; ++r) {
    sum[r] = begin == 0 ? zero16() : io.load(logits_RE + r * num_experts);
  }
  for (int64_t d = begin; d < end; ++d) {
    const V16 w = load16(w_16 + (d - begin) * kVec);
    for (int64_t r = 0; r < num_rows; ++r) {
      sum[r] = fma16(set1(m_RD[r * dim + d]), w, sum[r]);
    }
  }
  for (int64_t r = 0; r < num_rows; ++r) {
    io.store(sum[r], logits_RE + r * num_experts);
  }
}

// Continues the chains of rows [first, last) over columns [begin, end), from
// packed weights [E / 16, columns, 16].
void router_logits_rows(const RouterForward& a, const float* packed_w,
                        int64_t begin, int64_t end, int64_t first,
                        int64_t last) {
  for (int64_t e = 0; e < a.num_experts; e += kVec) {
    const float* w_16 = packed_w + e * (end - begin);
    const int64_t left = a.num_experts - e;
    int64_t row = first;
    for (; row + kTileRows <= last; row += kTileRows) {
      logits_tile<kTileRows>(a.m_RD + row * a.dim, a.dim, w_16, begin, end,
                             a.logits_RE + row * a.num_experts + e,
                             a.num_experts, left);
    }
    for (; row < last; ++row) {
      logits_tile<1>(a.m_RD + row * a.dim, a.dim, w_16, begin, end,
                     a.logits_RE + row * a.num_experts + e, a.num_experts,
                     left);
    }
  }
}

// Of a row: exp(x - max) is written, their sum and the maximum returned.
struct Softmax {
  float max, sum;
};
HWY_INLINE Softmax exponentials(const float* x_E, int64_t num_experts,
                                float* exp_E) {
  constexpr float kLowest = -3.0e38f;
  V16 max = set1(kLowest);
  each_vec(0, num_experts, [&](int64_t e, auto io) HWY_ATTR {
    max = max16(max, io.load(x_E + e, kLowest));
  });
  const float top = max_lanes(max);
  V16 sum = zero16();
  each_vec(0, num_experts, [&](int64_t e, auto io) HWY_ATTR {
    const V16 exponential =
        exp_bounded16(sub(io.load(x_E + e, kLowest), set1(top)));
    io.store(exponential, exp_E + e);
    sum = add(sum, io.only(exponential));
  });
  return {top, sum_lanes(sum)};
}

// log(sum(exp(z))); not finite where a logit is not.
HWY_INLINE float log_sum_exp(const Softmax& softmax) {
  HWY_ALIGN float log[kVec];
  store16(log16(set1(softmax.sum)), log);
  return softmax.max + log[0];
}

// The selected experts, largest probability first, of equal ones the lower
// expert first. Whatever the numbers, NaN too, they are different experts.
HWY_INLINE void select_experts(const float* probs_E, int64_t num_experts,
                               int64_t num_selected, int32_t* expert_S) {
  int64_t chosen = 0;
  for (int64_t e = 0; e < num_experts; ++e) {
    int64_t place = chosen;
    while (place > 0 && probs_E[e] > probs_E[expert_S[place - 1]]) --place;
    if (place == num_selected) continue;
    if (chosen < num_selected) ++chosen;
    for (int64_t s = chosen - 1; s > place; --s) expert_S[s] = expert_S[s - 1];
    expert_S[place] = static_cast<int32_t>(e);
  }
}

HWY_INLINE float selected_sum(const float* probs_E, const int32_t* expert_S,
                              int64_t num_selected) {
  float sum = 0;
  for (int64_t s = 0; s < num_selected; ++s) sum += probs_E[expert_S[s]];
  return sum;
}

// Everything of a row but its logits, which are there; also the square of
// logsumexp(z) for the z-loss.
void router_forward_rows(const RouterForward& a, int64_t begin, int64_t end,
                         double* squared_lse_R) {
  const int64_t num_experts = a.num_experts;
  for (int64_t row = begin; row < end; ++row) {
    const float* z_E = a.logits_RE + row * num_experts;
    float* probs_E = a.probs_RE + row * num_experts;
    Softmax softmax = exponentials(z_E, num_experts, probs_E);
    const double lse = log_sum_exp(softmax);
    squared_lse_R[row] = lse * lse;
    if (a.softcap > 0) {
      const V16 cap = set1(a.softcap);
      each_vec(0, num_experts, [&](int64_t e, auto io) HWY_ATTR {
        io.store(mul(cap, tanh16(div(io.load(z_E + e), cap))), probs_E + e);
      });
      softmax = exponentials(probs_E, num_experts, probs_E);
    }
    each_vec(0, num_experts, [&](int64_t e, auto io) HWY_ATTR {
      io.store(div(io.load(probs_E + e), set1(softmax.sum)), probs_E + e);
    });
    int32_t* expert_S = a.expert_RS + row * a.num_selected;
    float* weight_S = a.weight_RS + row * a.num_selected;
    select_experts(probs_E, num_experts, a.num_selected, expert_S);
    const float divisor =
        a.renormalize ? selected_sum(probs_E, expert_S, a.num_selected) : 1.0f;
    for (int64_t s = 0; s < a.num_selected; ++s) {
      weight_S[s] = probs_E[expert_S[s]] / divisor;
    }
  }
}

// A row of dprobs_E, from the weights of the selected experts and from the
// balance loss (balance_E is its gradient, the same for all rows of a shard).
HWY_INLINE void probs_gradient(const RouterBackward& a, int64_t row,
                               const float* balance_E, float* dprobs_E) {
  const float* probs_E = a.probs_RE + row * a.num_experts;
  const int32_t* expert_S = a.expert_RS + row * a.num_selected;
  const float* weight_S = a.weight_RS + row * a.num_selected;
  const float* dweight_S = a.dweight_RS + row * a.num_selected;
  for (int64_t e = 0; e < a.num_experts; ++e) dprobs_E[e] = balance_E[e];
  float divisor = 1, mean = 0;
  if (a.renormalize) {
    divisor = selected_sum(probs_E, expert_S, a.num_selected);
    for (int64_t s = 0; s < a.num_selected; ++s) {
      mean += dweight_S[s] * weight_S[s];
    }
  }
  for (int64_t s = 0; s < a.num_selected; ++s) {
    dprobs_E[expert_S[s]] += (dweight_S[s] - mean) / divisor;
  }
}

// dz = dl * (1 - tanh^2(z / cap)) where dl = probs * (dprobs - <probs, dprobs>)
HWY_INLINE void softmax_gradient(const RouterBackward& a, int64_t row,
                                 const float* dprobs_E) {
  const int64_t num_experts = a.num_experts;
  const float* z_E = a.logits_RE + row * num_experts;
  const float* probs_E = a.probs_RE + row * num_experts;
  float* dz_E = a.dlogits_RE + row * num_experts;
  V16 dot = zero16();
  each_vec(0, num_experts, [&](int64_t e, auto io) HWY_ATTR {
    dot = fma16(io.load(probs_E + e), io.load(dprobs_E + e), dot);
  });
  const V16 mean = set1(sum_lanes(dot)), one = set1(1.0f);
  each_vec(0, num_experts, [&](int64_t e, auto io) HWY_ATTR {
    V16 dz = mul(io.load(probs_E + e), sub(io.load(dprobs_E + e), mean));
    if (a.softcap > 0) {
      const V16 t = tanh16(div(io.load(z_E + e), set1(a.softcap)));
      dz = mul(dz, fnma16(t, t, one));
    }
    io.store(dz, dz_E + e);
  });
}

// dz += z_weight * 2 lse / rows * softmax(z)
HWY_INLINE void add_z_loss_gradient(const RouterBackward& a, int64_t row,
                                    float rate) {
  const int64_t num_experts = a.num_experts;
  const float* z_E = a.logits_RE + row * num_experts;
  float* dz_E = a.dlogits_RE + row * num_experts;
  HWY_ALIGN float exp_E[kMaxExperts];
  const Softmax softmax = exponentials(z_E, num_experts, exp_E);
  const V16 factor = set1(rate * log_sum_exp(softmax) / softmax.sum);
  each_vec(0, num_experts, [&](int64_t e, auto io) HWY_ATTR {
    io.store(fma16(io.load(exp_E + e), factor, io.load(dz_E + e)), dz_E + e);
  });
}

void router_backward_rows(const RouterBackward& a, int64_t begin, int64_t end) {
  const int64_t rows_per_shard = a.rows / a.num_shards;
  const float rows = static_cast<float>(rows_per_shard);
  const float balance =
      a.balance_weight * static_cast<float>(a.num_experts) / rows;
  HWY_ALIGN float balance_E[kMaxExperts];
  HWY_ALIGN float dprobs_E[kMaxExperts];
  int64_t shard = -1;
  for (int64_t row = begin; row < end; ++row) {
    if (row / rows_per_shard != shard) {
      shard = row / rows_per_shard;
      const float* share_E = a.share_PE + shard * a.num_experts;
      for (int64_t e = 0; e < a.num_experts; ++e) {
        balance_E[e] = balance * share_E[e];
      }
    }
    probs_gradient(a, row, balance_E, dprobs_E);
    softmax_gradient(a, row, dprobs_E);
    if (a.z_weight != 0) add_z_loss_gradient(a, row, 2 * a.z_weight / rows);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(router_logits_rows);
HWY_EXPORT(router_forward_rows);
HWY_EXPORT(router_backward_rows);

namespace {

// The router's weights for columns [begin, end) as router_logits_rows reads
// them; experts that there are not weigh zero.
void pack_router(const RouterForward& a, int64_t begin, int64_t end,
                 float* packed_w) {
  constexpr int64_t kGroup = 16;
  for (int64_t first = 0; first < a.num_experts; first += kGroup) {
    for (int64_t d = begin; d < end; ++d) {
      for (int64_t e = first; e < first + kGroup; ++e) {
        *packed_w++ = e < a.num_experts ? a.w_ED[e * a.dim + d] : 0.0f;
      }
    }
  }
}

// So many columns at a time as fit the first thread's scratch memory.
void router_logits(const Context& context, const RouterForward& a) {
  constexpr int64_t kScratchFloats = kScratchBytes / sizeof(float);
  const int64_t columns = kScratchFloats / ((a.num_experts + 15) / 16 * 16);
  float* packed_w = context.scratch[0];
  for (int64_t begin = 0; begin < a.dim; begin += columns) {
    const int64_t end = std::min(a.dim, begin + columns);
    pack_router(a, begin, end, packed_w);
    for_each_range(context, a.rows, end - begin,
                   [&](int64_t first, int64_t last) {
                     HWY_DYNAMIC_DISPATCH(router_logits_rows)
                     (a, packed_w, begin, end, first, last);
                   });
  }
}

// The statistics of one shard, summed in double in the order of its rows.
void router_statistics(const RouterForward& a, int64_t shard,
                       const double* squared_lse_R) {
  const int64_t rows = a.rows / a.num_shards, first = shard * rows;
  double prob_E[kMaxExperts] = {}, squared_lse = 0;
  int64_t count_E[kMaxExperts] = {};
  for (int64_t row = first; row < first + rows; ++row) {
    const float* probs_E = a.probs_RE + row * a.num_experts;
    for (int64_t e = 0; e < a.num_experts; ++e) {
      prob_E[e] += static_cast<double>(probs_E[e]);
    }
    for (int64_t s = 0; s < a.num_selected; ++s) {
      ++count_E[a.expert_RS[row * a.num_selected + s]];
    }
    squared_lse += squared_lse_R[row];
  }
  double balance = 0;
  for (int64_t e = 0; e < a.num_experts; ++e) {
    const double share = static_cast<double>(count_E[e]) /
                         static_cast<double>(rows * a.num_selected);
    a.share_PE[shard * a.num_experts + e] = static_cast<float>(share);
    balance += share * (prob_E[e] / static_cast<double>(rows));
  }
  a.balance_loss_P[shard] =
      static_cast<float>(static_cast<double>(a.num_experts) * balance);
  a.z_loss_P[shard] =
      static_cast<float>(squared_lse / static_cast<double>(rows));
}

void check_experts(int64_t num_experts, int64_t num_selected) {
  COLOSSUS_CHECK(1 <= num_selected && num_selected <= num_experts &&
                     num_experts <= kMaxExperts,
                 "{} of {} experts selected, at most {} are possible",
                 num_selected, num_experts, kMaxExperts);
}

// Exponentials, tanh and the selection: some tens of floats' work a logit.
constexpr int64_t kWorkPerLogit = 16;

}  // namespace

void router_forward(const Context& context, const RouterForward& args) {
  check_experts(args.num_experts, args.num_selected);
  check_num_shards(args.rows, args.num_shards);
  router_logits(context, args);
  std::vector<double> squared_lse_R(static_cast<size_t>(args.rows));
  for_each_range(context, args.rows, args.num_experts * kWorkPerLogit,
                 [&](int64_t begin, int64_t end) {
                   HWY_DYNAMIC_DISPATCH(router_forward_rows)
                   (args, begin, end, squared_lse_R.data());
                 });
  context.pool.run(args.num_shards, [&](int64_t shard, int) {
    router_statistics(args, shard, squared_lse_R.data());
  });
}

void router_backward(const Context& context, const RouterBackward& args) {
  check_experts(args.num_experts, args.num_selected);
  check_num_shards(args.rows, args.num_shards);
  for_each_range(context, args.rows, args.num_experts * kWorkPerLogit,
                 [&](int64_t begin, int64_t end) {
                   HWY_DYNAMIC_DISPATCH(router_backward_rows)(args, begin, end);
                 });
}

// A stable counting sort. Some thousands of integers: one thread suffices.
void router_dispatch(const Context&, const RouterDispatch& args) {
  check_num_shards(args.rows, args.num_shards);
  const int64_t assignments = args.rows * args.num_selected;
  const int64_t per_shard = assignments / args.num_shards;
  const int64_t num_segments = args.num_experts * args.num_shards;
  const auto segment_of = [&](int64_t assignment) {
    const int64_t expert = args.expert_RS[assignment];
    return static_cast<size_t>(expert * args.num_shards +
                               assignment / per_shard);
  };
  std::vector<int32_t> next(static_cast<size_t>(num_segments), 0);
  for (int64_t i = 0; i < assignments; ++i) ++next[segment_of(i)];
  int32_t begin = 0;
  for (int64_t segment = 0; segment < num_segments; ++segment) {
    const int32_t count = next[static_cast<size_t>(segment)];
    args.segment_begin[segment] = next[static_cast<size_t>(segment)] = begin;
    begin += count;
  }
  args.segment_begin[num_segments] = begin;
  for (int64_t i = 0; i < assignments; ++i) {
    const int32_t slot = next[segment_of(i)]++;
    args.slot_RS[i] = slot;
    args.row_of_slot[slot] = static_cast<int32_t>(i / args.num_selected);
  }
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
