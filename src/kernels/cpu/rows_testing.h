// What the tests of the row kernels share: a context with threads and scratch
// memory, numbers to work on, and "the same bits for every target and number of
// threads".
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/thread_pool.h"
#include "hwy/aligned_allocator.h"
#include "hwy/targets.h"
#include "kernels/cpu/context.h"

namespace colossus::kernels::cpu {

class TestContext {
 public:
  explicit TestContext(int num_threads = 2) : pool_(num_threads) {
    for (int thread = 0; thread < num_threads; ++thread) {
      memory_.push_back(
          hwy::AllocateAligned<float>(kScratchBytes / sizeof(float)));
    }
  }
  operator Context() {
    Context context{pool_, {}};
    for (auto& block : memory_) context.scratch.push_back(block.get());
    return context;
  }

 private:
  ThreadPool pool_;
  std::vector<hwy::AlignedFreeUniquePtr<float[]>> memory_;
};

using Floats = std::vector<float>;

// Numbers in [-1, 1), a stream of their own for each seed.
inline Floats random_floats(int64_t count, uint64_t seed) {
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 0x1234567;
  Floats values(static_cast<size_t>(count));
  for (float& value : values) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    value = static_cast<float>(static_cast<int64_t>(state >> 40)) /
                static_cast<float>(1 << 23) -
            1.0f;
  }
  return values;
}

inline Floats floats(int64_t count, float value = 0.0f) {
  return Floats(static_cast<size_t>(count), value);
}

inline float* at(Floats& values, int64_t offset) {
  return values.data() + offset;
}
inline const float* at(const Floats& values, int64_t offset) {
  return values.data() + offset;
}

inline bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() &&
         (a.empty() ||
          std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// |got - want| <= tolerance * max(1, largest |want|), element by element.
inline void expect_near(const Floats& got, const std::vector<double>& want,
                        double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  double scale = 1;
  for (const double value : want) scale = std::fmax(scale, std::fabs(value));
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], tolerance * scale) << "at " << i;
  }
}

// Runs `compute` for 1, 2 and 3 threads, and for every target that shares this
// processor's numerics version; all results must have the bits of the first,
// which is returned.
inline Floats expect_one_answer(
    const std::function<Floats(const Context&)>& compute) {
  std::vector<int64_t> targets = {0};
#if HWY_ARCH_X86
  if (hwy::SupportedTargets() & HWY_AVX2) targets.push_back(HWY_AVX2);
#endif
  Floats first;
  for (const int64_t target : targets) {
    hwy::SetSupportedTargetsForTest(target);
    for (const int num_threads : {1, 2, 3}) {
      TestContext context(num_threads);
      const Floats result = compute(context);
      if (first.empty()) first = result;
      EXPECT_TRUE(same_bits(first, result))
          << "target " << target << ", " << num_threads << " threads";
    }
  }
  hwy::SetSupportedTargetsForTest(0);
  return first;
}

// The same, and where the numerics version is "fma-1" the answer's hash must be
// `fma_1`: every build (release, debug, sanitizers, another compiler) has these
// bits. Who changes them on purpose changes the numerics version.
inline void expect_one_answer(
    const std::string& fma_1,
    const std::function<Floats(const Context&)>& compute) {
  const Floats answer = expect_one_answer(compute);
#if HWY_ARCH_X86
  const bool fused = (hwy::SupportedTargets() & (HWY_AVX3 | HWY_AVX2)) != 0;
#else
  const bool fused = (HWY_STATIC_TARGET & (HWY_SCALAR | HWY_EMU128)) == 0;
#endif
  if (!fused) return;
  EXPECT_EQ(hash128(std::as_bytes(std::span(answer))).hex(), fma_1);
}

// Runs `check` with the target that every processor has, one without fused
// multiply-add on x86.
inline void with_baseline(const std::function<void()>& check) {
  hwy::SetSupportedTargetsForTest(HWY_STATIC_TARGET);
  check();
  hwy::SetSupportedTargetsForTest(0);
}

// The binary tree over shards' gradients: neighbours first, left + right.
inline Floats tree(std::vector<Floats> shards) {
  for (; shards.size() > 1; shards.resize(shards.size() / 2)) {
    for (size_t pair = 0; pair < shards.size() / 2; ++pair) {
      Floats sum = shards[2 * pair];
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += shards[2 * pair + 1][i];
      shards[pair] = sum;
    }
  }
  return shards.front();
}

// Tokens, the rows of a table that they touch, and each token's place in them.
struct Touched {
  explicit Touched(const std::vector<int32_t>& values)
      : tokens(values), rows(values) {
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    for (const int32_t token : tokens) {
      const auto place = std::lower_bound(rows.begin(), rows.end(), token);
      index.push_back(static_cast<int32_t>(place - rows.begin()));
    }
  }
  int64_t num_rows() const { return static_cast<int64_t>(rows.size()); }

  std::vector<int32_t> tokens, rows, index;
};

// The slope of `f` in element `i` of `x`, from values at both sides.
inline double slope(const std::function<double()>& f, Floats& x, size_t i,
                    float distance = 1.0f / 64) {
  const float middle = x[i];
  x[i] = middle + distance;
  const double above = f();
  x[i] = middle - distance;
  const double below = f();
  x[i] = middle;
  return (above - below) / (2.0 * distance);
}

}  // namespace colossus::kernels::cpu
