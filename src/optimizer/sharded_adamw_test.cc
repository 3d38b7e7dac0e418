#include "optimizer/sharded_adamw.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/state_hash.h"
#include "kernels/cpu/cpu_backend.h"

namespace colossus::optimizer {
namespace {

// Decays that change within groups of sixteen, and padding at the end.
tensor::TensorLayout odd_layout() {
  return {{"a", {7, 9}, 0},                                           // 63
          {"b", {5}, 63},   {"c", {3}, 68},     {"d", {10, 21}, 71},  // to 281
          {"e", {2}, 281},  {"f", {3, 13}, 283}};                     // to 322
}

constexpr int64_t kPadded = 384, kSlices = 4, kCount = kPadded / kSlices;

std::vector<float> numbers(float factor) {
  std::vector<float> x(kPadded);
  for (size_t i = 0; i < 322; ++i) {
    x[i] = factor * static_cast<float>(i % 17 + 1);
  }
  return x;
}

TEST(ShardedAdamW, HashesASliceAsItThenLiesInMemory) {
  const auto backend = kernels::make_cpu_backend(2);
  const ShardedAdamW adamw({}, odd_layout(), kPadded, kSlices, *backend);
  const std::vector<float> g = numbers(0.1f), w = numbers(0.3f),
                           m = numbers(0.01f), v = numbers(0.002f);
  std::vector<float> w_out(kPadded), m_out(kPadded), v_out(kPadded);
  for (int64_t slice = 0; slice < kSlices; ++slice) {
    const auto at = static_cast<size_t>(slice * kCount);
    const Hash128 hash = adamw.update_slice(
        slice, 3, 0.01, 0.5, &g[at], {&w[at], &m[at], &v[at]},
        {&w_out[at], &m_out[at], &v_out[at]});
    EXPECT_EQ(hash, hash_state(kCount, &w_out[at], &m_out[at], &v_out[at]));
    EXPECT_NE(w_out[at], w[at]);
  }
}

}  // namespace
}  // namespace colossus::optimizer
