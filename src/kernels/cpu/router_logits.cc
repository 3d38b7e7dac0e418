// Sixteen experts side by side in one V16, the rows' numbers broadcast; memory
// is read once. The packed weights, all threads' to read, take the first
// thread's scratch memory, so many columns at a time as fit. Shapes: R rows, D
// dim, E experts.
#include "kernels/cpu/router_logits.h"

#include <algorithm>

#include "kernels/cpu/pieces.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/router_logits.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

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

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(router_logits_rows);

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

}  // namespace

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

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
