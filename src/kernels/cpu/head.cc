// The loss over the vocabulary, by chunks of tokens: a product makes a chunk's
// logits, one visit to each row turns them into its loss and their gradients in
// place, two products take those to the activations and to the table.
// Shapes: N tokens, V vocabulary, D dim, U touched rows, P shards.
#include "kernels/cpu/head.h"

#include <algorithm>

#include "kernels/cpu/head_plan.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/log_sum_exp.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/update.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/head.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/cpu/math-inl.h"
#include "kernels/cpu/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

// A row of logits is kept as t with l = scale * t: the product itself, scaled
// by the multiplier, or with a softcap t = tanh(z / cap), scaled by the cap.
struct Capping {
  Capping(float multiplier, float softcap)
      : capped(softcap > 0),
        into(capped ? multiplier / softcap : 1.0f),
        scale(capped ? softcap : multiplier) {}
  HWY_INLINE V16 cap(const V16& product) const {
    return capped ? tanh16(mul(product, set1(into))) : product;
  }

  bool capped;
  float into, scale;
};

// t_V replaces the products; returns the largest l.
HWY_INLINE float cap_and_max(const Capping& capping, int64_t vocab_size,
                             float* t_V) {
  constexpr float kLowest = -3.0e38f;
  const V16 scale = set1(capping.scale);
  V16 max = set1(kLowest);
  each_vec(0, vocab_size, [&](int64_t v, auto io) HWY_ATTR {
    // Past the end: an element of the row again.
    const V16 t = capping.cap(io.load(t_V + v, t_V[v]));
    if (capping.capped) io.store(t, t_V + v);
    max = max16(max, mul(t, scale));
  });
  return max_lanes(max);
}

// The sum of e = exp(l - max). With `keep`, t_V becomes e * dt/dz * (1/into):
// what is left of the gradient but for a factor that all of the row share.
template <bool keep>
HWY_INLINE float sum_exponentials(const Capping& capping, float max,
                                  int64_t vocab_size, float* t_V) {
  const V16 scale = set1(capping.scale), top = set1(max), one = set1(1.0f);
  V16 sum = zero16();
  each_vec(0, vocab_size, [&](int64_t v, auto io) HWY_ATTR {
    const V16 t = io.load(t_V + v);
    const V16 e = exp_bounded16(sub(mul(t, scale), top));
    sum = add(sum, io.only(e));
    if (keep) {
      io.store(capping.capped ? mul(e, fnma16(t, t, one)) : e, t_V + v);
    }
  });
  return sum_lanes(sum);
}

// The losses of rows [begin, end) of a chunk that starts at token `first`. In
// the backward pass the logits become their products' gradients, the
// multiplier's factor among them.
void loss_rows(const HeadLoss& a, int64_t first, int64_t begin, int64_t end,
               float* logits_NV) {
  const Capping capping(a.multiplier, a.softcap);
  const bool backward = a.dh_ND != nullptr;
  for (int64_t row = begin; row < end; ++row) {
    float* t_V = logits_NV + row * a.vocab_size;
    const int64_t target = a.targets_N[first + row];
    COLOSSUS_CHECK(0 <= target && target < a.vocab_size,
                   "token {} of {}, at {}", target, a.vocab_size, first + row);
    const float max = cap_and_max(capping, a.vocab_size, t_V);
    const float t = t_V[target];
    const float sum =
        backward ? sum_exponentials<true>(capping, max, a.vocab_size, t_V)
                 : sum_exponentials<false>(capping, max, a.vocab_size, t_V);
    a.losses_N[first + row] = static_cast<float>(
        log_sum_exp(max, sum) - static_cast<double>(capping.scale * t));
    if (!backward) continue;
    const float rate = a.grad_scale * a.multiplier;
    const V16 factor = set1(rate / sum);
    each_vec(0, a.vocab_size, [&](int64_t v, auto io) HWY_ATTR {
      io.store(mul(io.load(t_V + v), factor), t_V + v);
    });
    t_V[target] -= capping.capped ? rate * (1.0f - t * t) : rate;
  }
}

void cap_rows(const HeadLogits& a, int64_t begin, int64_t end) {
  const Capping capping(a.multiplier, a.softcap);
  const V16 scale = set1(capping.scale);
  each_vec(begin, end, [&](int64_t i, auto io) HWY_ATTR {
    const V16 t = capping.cap(io.load(a.logits_NV + i));
    io.store(mul(t, scale), a.logits_NV + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(loss_rows);
HWY_EXPORT(cap_rows);

namespace {

// One call of head_loss: what its steps share.
class LossRun {
 public:
  LossRun(const Context& context, const HeadLoss& args, const HeadPlan& plan)
      : context_(context),
        args_(args),
        plan_(plan),
        backward_(args.dh_ND != nullptr),
        tokens_per_shard_(args.num_tokens / args.shards.num_shards) {}

  void run() {
    if (backward_) {
      gradient(0, args_.shards.num_shards, args_.dw_VD, 0, false);
    } else {
      each_chunk(0, args_.num_tokens, [&](int64_t begin, int64_t end) {
        forward_chunk(begin, end - begin);
      });
    }
  }

 private:
  // dw becomes the tree over shards [first, first + count), or it is added to
  // dw: `add`, the right half of a larger tree. Waiting gradients are taken
  // from `level` on.
  void gradient(int64_t first, int64_t count, float* dw_VD, int64_t level,
                bool add) {
    if (count == plan_.chunk_shards) {
      whole_shards(first, dw_VD, add);
      return;
    }
    if (add) {
      float* right_VD = waiting_gradient(level);
      gradient(first, count, right_VD, level + 1, false);
      add_into(context_, {args_.vocab_size * args_.dim, dw_VD, right_VD});
      return;
    }
    if (count == 1) {
      shard_by_chunks(first, dw_VD);
      return;
    }
    gradient(first, count / 2, dw_VD, level, false);
    gradient(first + count / 2, count / 2, dw_VD, level, true);
  }

  // One chunk, of one shard or more.
  void whole_shards(int64_t first, float* dw_VD, bool add) {
    const int64_t begin = first * tokens_per_shard_;
    LinearBackwardWeight weight = backward_chunk(begin, plan_.chunk_tokens);
    weight.dw_OI = dw_VD;
    weight.shards.num_shards = plan_.chunk_shards;
    weight.shards.add_to_left = add;
    if (hands_out_rows()) {
      weight.num_captured = args_.touched.num_rows;
      weight.captured_row = args_.touched.row_U;
      weight.captured = touched_rows_of(first);
    }
    linear_backward_weight(context_, weight);
  }

  // One shard in chunks; the next continues the chain of the one before.
  void shard_by_chunks(int64_t shard, float* dw_VD) {
    bool accumulate = args_.shards.accumulate;
    const int64_t begin = shard * tokens_per_shard_;
    each_chunk(begin, begin + tokens_per_shard_,
               [&](int64_t chunk_begin, int64_t chunk_end) {
                 LinearBackwardWeight weight =
                     backward_chunk(chunk_begin, chunk_end - chunk_begin);
                 weight.dw_OI = dw_VD;
                 weight.shards.accumulate = accumulate;
                 linear_backward_weight(context_, weight);
                 accumulate = true;
               });
    if (!hands_out_rows()) return;
    float* rows_UD = touched_rows_of(shard);
    for (int64_t u = 0; u < args_.touched.num_rows; ++u) {
      std::copy_n(dw_VD + args_.touched.row_U[u] * args_.dim, args_.dim,
                  rows_UD + u * args_.dim);
    }
  }

  template <typename Body>
  void each_chunk(int64_t begin, int64_t end, const Body& body) const {
    for (; begin < end; begin += plan_.chunk_tokens) {
      body(begin, std::min(end, begin + plan_.chunk_tokens));
    }
  }

  void forward_chunk(int64_t first, int64_t tokens) {
    LinearForward logits = {};
    logits.rows = tokens;
    logits.in_dim = args_.dim;
    logits.out_dim = args_.vocab_size;
    logits.x_RI = args_.h_ND + first * args_.dim;
    logits.w_OI = args_.w_VD;
    logits.y_RO = args_.workspace;
    linear_forward(context_, logits);
    for_each_range(context_, tokens, args_.vocab_size,
                   [&](int64_t begin, int64_t end) {
                     HWY_DYNAMIC_DISPATCH(loss_rows)
                     (args_, first, begin, end, args_.workspace);
                   });
  }

  // All but the table's gradient, whose product is returned to be completed.
  LinearBackwardWeight backward_chunk(int64_t first, int64_t tokens) {
    forward_chunk(first, tokens);
    LinearBackwardInput input = {};
    input.rows = tokens;
    input.in_dim = args_.dim;
    input.out_dim = args_.vocab_size;
    input.dy_RO = args_.workspace;
    input.w_OI = args_.w_VD;
    input.dx_RI = args_.dh_ND + first * args_.dim;
    linear_backward_input(context_, input);
    LinearBackwardWeight weight = {};
    weight.rows = tokens;
    weight.in_dim = args_.dim;
    weight.out_dim = args_.vocab_size;
    weight.dy_RO = args_.workspace;
    weight.x_RI = args_.h_ND + first * args_.dim;
    return weight;
  }

  bool hands_out_rows() const {
    return args_.shards.num_shards > 1 &&
           args_.touched.shard_rows_PUD != nullptr &&
           args_.touched.num_rows > 0;
  }
  float* touched_rows_of(int64_t shard) const {
    return args_.touched.shard_rows_PUD +
           shard * args_.touched.num_rows * args_.dim;
  }
  float* waiting_gradient(int64_t level) const {
    return args_.workspace +
           (plan_.chunk_tokens + level * args_.dim) * args_.vocab_size;
  }

  const Context& context_;
  const HeadLoss& args_;
  const HeadPlan& plan_;
  const bool backward_;
  const int64_t tokens_per_shard_;
};

}  // namespace

int64_t head_workspace_floats(int64_t num_tokens, int64_t dim,
                              int64_t vocab_size, int64_t num_shards,
                              bool backward) {
  return plan_head(num_tokens, dim, vocab_size, num_shards, backward)
      .workspace_floats(dim, vocab_size);
}

void head_loss_planned(const Context& context, const HeadLoss& args,
                       const HeadPlan& plan) {
  check_shards(args.num_tokens, args.shards);
  LossRun(context, args, plan).run();
}

void head_loss(const Context& context, const HeadLoss& args) {
  head_loss_planned(context, args,
                    plan_head(args.num_tokens, args.dim, args.vocab_size,
                              args.shards.num_shards, args.dh_ND != nullptr));
}

void head_logits(const Context& context, const HeadLogits& args) {
  LinearForward logits = {};
  logits.rows = args.num_tokens;
  logits.in_dim = args.dim;
  logits.out_dim = args.vocab_size;
  logits.x_RI = args.h_ND;
  logits.w_OI = args.w_VD;
  logits.y_RO = args.logits_NV;
  linear_forward(context, logits);
  for_each_range(context, args.num_tokens * args.vocab_size, 1,
                 [&](int64_t begin, int64_t end) {
                   HWY_DYNAMIC_DISPATCH(cap_rows)(args, begin, end);
                 });
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
