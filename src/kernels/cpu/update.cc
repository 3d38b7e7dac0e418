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
constexpr int kLaneRegLanes = static_cast<int>(hn::MaxLanes(LaneTag()));
static_assert(kParts * kLaneRegLanes == StateHash::kLanes);

struct HashLanes {
  LaneReg sum[kParts];
};

// Adds groups of one vector of the slice: `count` elements, from the first of
// group `group` on.
HWY_INLINE void hash_vector(const float* x, int64_t group, int64_t count,
                            uint64_t vector_key, HashLanes& lanes) {
  const LaneReg of_vector = hn::Set(LaneTag(), vector_key);
  const LaneReg next = hn::Set(LaneTag(), StateHash::kGroupKey);
  const uint64_t weyl = static_cast<uint64_t>(group) * StateHash::kGroupKey;
  LaneReg key[kParts], sum[kParts];
  COLOSSUS_EACH_PART(p) {
    const uint64_t* lane_key = StateHash::kLaneKey.data() + p * kLaneRegLanes;
    key[p] = hn::Add(hn::LoadU(LaneTag(), lane_key), hn::Set(LaneTag(), weyl));
    sum[p] = lanes.sum[p];
  }
  for (int64_t i = 0; i < count; i += kVec) {
    COLOSSUS_EACH_PART(p) {
      const LaneReg bits =
          hn::BitCast(LaneTag(), hn::LoadU(Tag(), x + i + p * kRegLanes));
      const LaneReg d = hn::Xor(bits, hn::Xor(key[p], of_vector));
      const LaneReg product =
          hn::MulEven(hn::BitCast(HalfTag(), d),
                      hn::BitCast(HalfTag(), hn::ShiftRight<32>(d)));
      const LaneReg neighbour = hn::Reverse2(LaneTag(), bits);
      sum[p] = hn::Add(sum[p], hn::Add(product, neighbour));
      key[p] = hn::Add(key[p], next);
    }
  }
  COLOSSUS_EACH_PART(p) lanes.sum[p] = sum[p];
}

// Whole groups only. `sum`: StateHash::kLanes of this range. In tiles, which
// are hashed while they are in the nearest cache: all in registers at once is
// too much for AVX2.
void adamw_update_hashed_range(const AdamWUpdate& a, int64_t begin, int64_t end,
                               uint64_t* sum) {
  constexpr int64_t kTile = 512;
  HashLanes lanes;
  COLOSSUS_EACH_PART(p) lanes.sum[p] = hn::Zero(LaneTag());
  for (int64_t at = begin; at < end; at += kTile) {
    const int64_t count = std::min(kTile, end - at);
    const int64_t group = (a.first + at) / StateHash::kGroup;
    adamw_update_range(a, at, at + count);
    const float* const made[] = {a.w_out, a.m_out, a.v_out};
    for (size_t which = 0; which < 3; ++which) {
      hash_vector(made[which] + at, group, count, StateHash::kVectorKey[which],
                  lanes);
    }
  }
  COLOSSUS_EACH_PART(p) {
    hn::StoreU(lanes.sum[p], LaneTag(), sum + p * kLaneRegLanes);
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
