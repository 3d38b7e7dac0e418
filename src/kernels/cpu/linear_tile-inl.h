// The innermost loop of all products: a tile of the output held in registers,
// one step of the summed index after the other.
//
//   c[i][j] = chain over k of a(i, k) * b(k, j)
//
// b is a packed panel of kTileCols columns, k-major; a(i, k) is
// a[i * Layout::kRow + k * Layout::kStep], constants of a packed block, so that
// every address is one pointer and a displacement.
#if defined(COLOSSUS_KERNELS_CPU_LINEAR_TILE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COLOSSUS_KERNELS_CPU_LINEAR_TILE_INL_H_
#undef COLOSSUS_KERNELS_CPU_LINEAR_TILE_INL_H_
#else
#define COLOSSUS_KERNELS_CPU_LINEAR_TILE_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "hwy/cache_control.h"
#include "hwy/highway.h"

#include "kernels/cpu/linear_plan.h"
#include "kernels/cpu/vec16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {

// AVX-512: 28 of 32 registers accumulate; AVX2: 12 of 16. The two that hold b
// and one broadcast of a take the rest.
#if HWY_TARGET == HWY_SCALAR
inline constexpr int kTileRows = 1;
inline constexpr int kTileRegs = kParts;
#elif HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
inline constexpr int kTileRows = 14;
inline constexpr int kTileRegs = 2;
#else
inline constexpr int kTileRows = 6;
inline constexpr int kTileRegs = kParts;
#endif
inline constexpr int64_t kTileCols = kTileRegs * kRegLanes;
static_assert(kTileCols % kVec == 0);

// Tiles whose packed rows stay in L2 together.
inline constexpr int64_t kBlockTiles = 84 / kTileRows;

// Panels, and tiles below, are a line longer than they need be: at a distance
// of a power of two they would share their cache sets.
inline constexpr int64_t kLine = 16;
constexpr int64_t panel_floats(int64_t depth) {
  return depth * kTileCols + kLine;
}

// A packed as rows, one after the other; the pad keeps them out of each other's
// cache sets.
struct RowMajor {
  static constexpr int64_t kRow = kBlockK + 16, kStep = 1;
  static constexpr int64_t kTileFloats = kTileRows * kRow;
};
// A packed k-major: the tile's rows side by side.
struct StepMajor {
  static constexpr int64_t kRow = 1;
  static constexpr int64_t kStep = kTileRows == 1 ? 1 : (kTileRows + 7) / 8 * 8;
  static constexpr int64_t kTileFloats = kBlockK * kStep + kLine;
};

// A matrix in memory: row i starts at data + stride * (row ? row[i] : i).
struct Matrix {
  const float* data;
  int64_t stride;
  const int32_t* row = nullptr;

  HWY_INLINE const float* at(int64_t i) const {
    return data + stride * (row != nullptr ? row[i] : i);
  }
};

// Rows [row, row_end) of a matrix, `floats` of each from column `col`.
struct Region {
  Matrix from;
  int64_t row, row_end, col, floats;
};

// Brings what is packed next, two regions, into L2 while tiles are computed.
// The inner loop asks for a line every four steps: reading it later would
// stall.
class Prefetcher {
 public:
  Prefetcher(const Region& first, const Region& second)
      : region_(first), second_(second) {
    start();
  }

  HWY_INLINE void fetch_line() {
    if (lines_left_ == 0) return;
    __builtin_prefetch(line_, 0, 2);
    line_ += kLine;
    if (--lines_left_ == 0) {
      ++region_.row;
      start();
    }
  }

 private:
  HWY_INLINE void start() {
    if (region_.row >= region_.row_end) {
      region_ = second_;
      second_.row_end = 0;
      if (region_.row >= region_.row_end) return;
    }
    line_ = region_.from.at(region_.row) + region_.col;
    lines_left_ =
        (region_.floats + kLine - 1) / kLine + 1;  // rows may straddle
  }

  Region region_, second_;
  const float* line_ = nullptr;
  int64_t lines_left_ = 0;
};

#define COLOSSUS_UNROLLED(i, count) \
  HWY_UNROLL(16)                    \
  for (int i = 0; i < (count); ++i)

// Without this GCC takes the form of fused multiply-add that overwrites x, and
// copies and spills registers for it: 8% of AVX2's speed.
HWY_INLINE void keep(Reg& x) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  asm volatile("" : "+v"(x.raw));
#else
  (void)x;
#endif
}

template <typename Layout, int kRows>
HWY_INLINE void tile_step(const float* HWY_RESTRICT a,
                          const float* HWY_RESTRICT b,
                          Reg (&sum)[kRows][kTileRegs]) {
  Reg b_reg[kTileRegs];
  COLOSSUS_UNROLLED(j, kTileRegs) {
    b_reg[j] = hn::Load(Tag(), b + j * kRegLanes);
  }
  COLOSSUS_UNROLLED(i, kRows) {
    Reg a_reg = hn::Set(Tag(), a[i * Layout::kRow]);
    keep(a_reg);
    COLOSSUS_UNROLLED(j, kTileRegs) {
      sum[i][j] = hn::MulAdd(a_reg, b_reg[j], sum[i][j]);
    }
  }
}

template <typename Layout, int kRows>
HWY_INLINE void four_steps(const float* HWY_RESTRICT a,
                           const float* HWY_RESTRICT b,
                           Reg (&sum)[kRows][kTileRegs]) {
  COLOSSUS_UNROLLED(u, 4) {
    tile_step<Layout, kRows>(a + u * Layout::kStep, b + u * kTileCols, sum);
    // Loads moved up across steps would cost registers that are not there.
    asm volatile("" ::: "memory");
  }
}

// The part of a block of floats that a tile covers; rows are `stride` apart.
struct TileBlock {
  float* data;
  int64_t stride;
};

// What a sum is added to when its chain is done, innermost first:
//
//   left[n - 1] + (... + (left[0] + sum)),   left[l] = left - l * level_stride
struct Carry {
  int64_t num_levels;
  const float* left;
  int64_t stride, level_stride;

  const float* level(int64_t l) const { return left - l * level_stride; }
};

struct TileSums {
  TileBlock from;  // where the chains go on from; data null: they start at 0
  TileBlock to;
  Carry carry;
  const float* next_from;  // of the tile that comes after
};

// Asks for the rows of C that a tile reads or writes at its end, and of the
// next tile's start: a row of each every few steps, for asked for at once they
// would fill the queue of misses and stall the inner loop.
class RowPrefetcher {
 public:
  explicit HWY_INLINE RowPrefetcher(const TileSums& sums) {
    const bool resume = sums.from.data != nullptr;
    if (resume) add(sums.next_from, sums.from.stride);
    if (sums.to.data != sums.from.data) add(sums.to.data, sums.to.stride);
    for (int64_t l = 0; l < sums.carry.num_levels; ++l) {
      add(sums.carry.level(l), sums.carry.stride);
    }
  }
  HWY_INLINE void fetch_row() {
    for (int s = 0; s < num_; ++s) {
      for (int64_t j = 0; j < kTileCols; j += kLine) {
        hwy::Prefetch(row_[s] + j);
      }
      row_[s] += stride_[s];
    }
  }

 private:
  static constexpr int kMost = 6;  // with more, the uppermost levels go without
  HWY_INLINE void add(const float* row, int64_t stride) {
    if (num_ == kMost) return;
    row_[num_] = row;
    stride_[num_++] = stride;
  }

  const float* row_[kMost];
  int64_t stride_[kMost];
  int num_ = 0;
};

template <typename Layout, int kRows>
HWY_NOINLINE void multiply_tile(int64_t depth, const float* HWY_RESTRICT a,
                                const float* HWY_RESTRICT b,
                                const TileSums& sums, Prefetcher* ahead) {
  Reg sum[kRows][kTileRegs];
  if (sums.from.data != nullptr) {
    COLOSSUS_UNROLLED(i, kRows) {
      COLOSSUS_UNROLLED(j, kTileRegs) {
        sum[i][j] = hn::LoadU(
            Tag(), sums.from.data + i * sums.from.stride + j * kRegLanes);
      }
    }
  } else {
    COLOSSUS_UNROLLED(i, kRows) {
      COLOSSUS_UNROLLED(j, kTileRegs) { sum[i][j] = hn::Zero(Tag()); }
    }
  }
  RowPrefetcher rows(sums);
  const int64_t depth_of_rows = std::min<int64_t>(depth, 4 * kRows);
  int64_t k = 0;
  const auto advance = [&] {
    a += 4 * Layout::kStep;
    b += 4 * kTileCols;
    k += 4;
  };
  while (k + 4 <= depth_of_rows) {
    four_steps<Layout, kRows>(a, b, sum);
    rows.fetch_row();
    advance();
  }
  while (k + 4 <= depth) {
    four_steps<Layout, kRows>(a, b, sum);
    ahead->fetch_line();
    advance();
  }
  for (; k < depth; ++k) {
    tile_step<Layout, kRows>(a, b, sum);
    a += Layout::kStep;
    b += kTileCols;
  }
  for (int64_t l = 0; l < sums.carry.num_levels; ++l) {
    const float* left = sums.carry.level(l);
    COLOSSUS_UNROLLED(i, kRows) {
      COLOSSUS_UNROLLED(j, kTileRegs) {
        sum[i][j] = hn::Add(
            hn::LoadU(Tag(), left + i * sums.carry.stride + j * kRegLanes),
            sum[i][j]);
      }
    }
  }
  COLOSSUS_UNROLLED(i, kRows) {
    COLOSSUS_UNROLLED(j, kTileRegs) {
      hn::StoreU(sum[i][j], Tag(),
                 sums.to.data + i * sums.to.stride + j * kRegLanes);
    }
  }
}

using TileFunction = void (*)(int64_t depth, const float* a, const float* b,
                              const TileSums& sums, Prefetcher* ahead);

template <typename Layout, size_t... kRows>
constexpr std::array<TileFunction, kTileRows + 1> make_tile_functions(
    std::index_sequence<kRows...>) {
  return {nullptr, &multiply_tile<Layout, static_cast<int>(kRows) + 1>...};
}
// By the tile's number of rows, 1 ... kTileRows.
template <typename Layout>
inline constexpr std::array<TileFunction, kTileRows + 1> kTileFunctions =
    make_tile_functions<Layout>(std::make_index_sequence<kTileRows>());

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // guard
