#include "base/state_hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <utility>
#include <vector>

#include "base/random.h"

namespace colossus {
namespace {

constexpr int64_t kCount = 160;

struct State {
  std::vector<float> x[3];  // w, m, v

  State() {
    for (size_t which = 0; which < 3; ++which) {
      for (int64_t i = 0; i < kCount; ++i) {
        x[which].push_back(static_cast<float>(
            random_normal(7, which, static_cast<uint64_t>(i))));
      }
    }
  }
  Hash128 hash() const {
    return hash_state(kCount, x[0].data(), x[1].data(), x[2].data());
  }
  void add_to(StateHash& hash, int64_t first, int64_t count) const {
    hash.add(first, count, &x[0][static_cast<size_t>(first)],
             &x[1][static_cast<size_t>(first)],
             &x[2][static_cast<size_t>(first)]);
  }
};

float flipped(float value, int bit) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) ^
                              (uint32_t{1} << bit));
}

TEST(StateHash, AnyBitThatFlipsChangesIt) {
  State state;
  std::set<Hash128> seen = {state.hash()};
  for (std::vector<float>& x : state.x) {
    for (float& value : x) {
      for (int bit = 0; bit < 32; ++bit) {
        value = flipped(value, bit);
        EXPECT_TRUE(seen.insert(state.hash()).second);
        value = flipped(value, bit);
      }
    }
  }
}

// Also of zeros, as moments are at first.
TEST(StateHash, AnyTwoSignsThatFlipChangeIt) {
  for (const float value : {0.0f, 1.5f}) {
    State state;
    for (std::vector<float>& x : state.x) x.assign(x.size(), value);
    std::set<Hash128> seen = {state.hash()};
    for (size_t i = 0; i < kCount; ++i) {
      for (size_t j = i + 1; j < kCount; ++j) {
        State two = state;
        two.x[0][i] = flipped(value, 31);
        two.x[1][j] = flipped(value, 31);
        EXPECT_TRUE(seen.insert(two.hash()).second) << i << ", " << j;
      }
    }
  }
}

TEST(StateHash, ElementsAndGroupsThatChangePlacesChangeIt) {
  const State state;
  const Hash128 before = state.hash();
  for (size_t i = 0; i < kCount; ++i) {
    for (size_t j = i + 1; j < kCount; ++j) {
      State other = state;
      std::swap(other.x[0][i], other.x[0][j]);
      EXPECT_NE(other.hash(), before) << i << ", " << j;
    }
    State other = state;
    std::swap(other.x[1][i], other.x[2][i]);
    EXPECT_NE(other.hash(), before) << i;
  }
  for (int64_t group = 16; group < kCount; group += 16) {
    State other = state;
    for (std::vector<float>& x : other.x) {
      std::swap_ranges(x.begin(), x.begin() + 16, x.begin() + group);
    }
    EXPECT_NE(other.hash(), before) << group;
  }
}

TEST(StateHash, DoesNotCareForOrderAndCuts) {
  const State state;
  StateHash hash;
  for (const auto& [first, count] : std::vector<std::pair<int64_t, int64_t>>{
           {96, 64}, {0, 16}, {48, 48}, {16, 32}}) {
    state.add_to(hash, first, count);
  }
  EXPECT_EQ(hash.digest(), state.hash());
}

// Hashes are compared between machines and versions of a run.
TEST(StateHash, StaysWhatItIs) {
  std::vector<float> w(32), m(32), v(32);
  for (size_t i = 0; i < 32; ++i) {
    w[i] = static_cast<float>(i) * 0.5f;
    m[i] = -w[i];
    v[i] = w[i] * w[i];
  }
  EXPECT_EQ(hash_state(32, w.data(), m.data(), v.data()).hex(),
            "b0475609af989c4f146253cc497d1361");
}

}  // namespace
}  // namespace colossus
