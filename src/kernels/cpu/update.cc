// Flat vectors, each element read once and written once: all of it runs at the
// speed of memory.
#include "kernels/cpu/update.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "base/state_hash.h"
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

// What AdamW needs beside the vectors, in registers.
struct AdamWConstants {
  explicit AdamWConstants(const AdamWUpdate& a)
      : grad_scale(set1(a.grad_scale)),
        take1(set1(1.0f - a.beta1)),
        take2(set1(1.0f - a.beta2)),
        bias1(set1(a.bias1)),
        bias2(set1(a.bias2)),
        eps(set1(a.eps)),
        rate(set1(a.learning_rate)),
        shrink(set1(a.learning_rate * a.weight_decay)) {}
  V16 grad_scale, take1, take2, bias1, bias2, eps, rate, shrink;
};

struct AdamWValues {
  V16 w, m, v;
};

// Sixteen elements or fewer, loaded and stored by `io`; returns them.
template <typename Io>
HWY_INLINE AdamWValues adamw_vec(const AdamWUpdate& a, const AdamWConstants& c,
                                 int64_t i, const Io& io) {
  const V16 g = mul(io.load(a.g + i), c.grad_scale);
  const V16 m0 = io.load(a.m + i), v0 = io.load(a.v + i);
  const V16 w0 = io.load(a.w + i);
  const V16 m = fma16(c.take1, sub(g, m0), m0);
  const V16 v = fma16(c.take2, sub(mul(g, g), v0), v0);
  const V16 step = div(mul(m, c.bias1), add(sqrt16(mul(v, c.bias2)), c.eps));
  const V16 w = fnma16(c.rate, step, fnma16(c.shrink, w0, w0));
  io.store(m, a.m_out + i);
  io.store(v, a.v_out + i);
  io.store(w, a.w_out + i);
  return {w, m, v};
}

void adamw_update_range(const AdamWUpdate& a, int64_t begin, int64_t end) {
  const AdamWConstants constants(a);
  each_vec(begin, end, [&](int64_t i, auto io) HWY_ATTR {
    adamw_vec(a, constants, i, io);
  });
}

#if HWY_TARGET == HWY_SCALAR
// Without lanes of 64 bits: what was just written is read again.
void adamw_update_hashed_range(const AdamWUpdate& a, int64_t begin, int64_t end,
                               uint64_t* sum) {
  adamw_update_range(a, begin, end);
  StateHash hash;
  hash.add(a.first + begin, end - begin, a.w_out + begin, a.m_out + begin,
           a.v_out + begin);
  std::copy(hash.sum.begin(), hash.sum.end(), sum);
}
#else
// The eight lanes of base/state_hash.h.
using HalfTag = hn::Repartition<uint32_t, Tag>;
using LaneTag = hn::Repartition<uint64_t, Tag>;
using LaneReg = hn::Vec<LaneTag>;
static_assert(kParts * hn::MaxLanes(LaneTag()) == StateHash::kLanes);

struct HashLanes {
  LaneReg key[kParts], sum[kParts];
};

HWY_INLINE HashLanes hash_lanes(int64_t group) {
  HashLanes h;
  const uint64_t weyl = static_cast<uint64_t>(group) * StateHash::kGroupKey;
  COLOSSUS_EACH_PART(p) {
    const uint64_t* lane_key =
        StateHash::kLaneKey.data() + p * hn::MaxLanes(LaneTag());
    h.key[p] =
        hn::Add(hn::LoadU(LaneTag(), lane_key), hn::Set(LaneTag(), weyl));
    h.sum[p] = hn::Zero(LaneTag());
  }
  return h;
}

HWY_INLINE void hash_vec(const V16& x, uint64_t vector_key, HashLanes& h) {
  const LaneReg of_vector = hn::Set(LaneTag(), vector_key);
  COLOSSUS_EACH_PART(p) {
    const LaneReg bits = hn::BitCast(LaneTag(), x.part[p]);
    const LaneReg d = hn::Xor(bits, hn::Xor(h.key[p], of_vector));
    const LaneReg product =
        hn::MulEven(hn::BitCast(HalfTag(), d),
                    hn::BitCast(HalfTag(), hn::ShiftRight<32>(d)));
    const LaneReg neighbour = hn::Reverse2(LaneTag(), bits);
    h.sum[p] = hn::Add(h.sum[p], hn::Add(product, neighbour));
  }
}

HWY_INLINE void next_group(HashLanes& h) {
  const LaneReg step = hn::Set(LaneTag(), StateHash::kGroupKey);
  COLOSSUS_EACH_PART(p) h.key[p] = hn::Add(h.key[p], step);
}

// Whole groups only. `sum`: StateHash::kLanes of this range.
void adamw_update_hashed_range(const AdamWUpdate& a, int64_t begin, int64_t end,
                               uint64_t* sum) {
  const AdamWConstants constants(a);
  HashLanes hash = hash_lanes((a.first + begin) / StateHash::kGroup);
  for (int64_t i = begin; i < end; i += kVec) {
    const AdamWValues made = adamw_vec(a, constants, i, WholeVec());
    hash_vec(made.w, StateHash::kVectorKey[0], hash);
    hash_vec(made.m, StateHash::kVectorKey[1], hash);
    hash_vec(made.v, StateHash::kVectorKey[2], hash);
    next_group(hash);
  }
  COLOSSUS_EACH_PART(p) {
    hn::StoreU(hash.sum[p], LaneTag(), sum + p * hn::MaxLanes(LaneTag()));
  }
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(add_into_range);
HWY_EXPORT(sum_of_squares_block);
HWY_EXPORT(adamw_update_range);
HWY_EXPORT(adamw_update_hashed_range);

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

// Sums of integers: the ranges may come in any order.
void add_lanes(const std::array<uint64_t, StateHash::kLanes>& sum,
               StateHash& hash) {
  for (size_t lane = 0; lane < sum.size(); ++lane) {
    std::atomic_ref(hash.sum[lane])
        .fetch_add(sum[lane], std::memory_order_relaxed);
  }
}

void adamw_update(const Context& context, const AdamWUpdate& args) {
  if (args.hash != nullptr) {
    COLOSSUS_CHECK(args.first % StateHash::kGroup == 0 &&
                       args.count % StateHash::kGroup == 0,
                   "elements {} to {}", args.first, args.first + args.count);
  }
  for_each_range(context, args.count, 4, [&](int64_t begin, int64_t end) {
    if (args.hash == nullptr) {
      HWY_DYNAMIC_DISPATCH(adamw_update_range)(args, begin, end);
      return;
    }
    std::array<uint64_t, StateHash::kLanes> sum;
    HWY_DYNAMIC_DISPATCH(adamw_update_hashed_range)
    (args, begin, end, sum.data());
    add_lanes(sum, *args.hash);
  });
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
