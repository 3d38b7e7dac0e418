// Cheap random numbers of one history: the same seed, the same numbers, on
// every machine (SplitMix64).
#pragma once

#include <cstdint>

namespace colossus::simulate {

inline uint64_t mix(uint64_t word) {
  word += 0x9e3779b97f4a7c15;
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
  word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
  return word ^ (word >> 31);
}
inline uint64_t mix(uint64_t a, uint64_t b) { return mix(mix(a) ^ b); }

class RandomStream {
 public:
  explicit RandomStream(uint64_t seed) : state_(mix(seed, 0x5eed)) {}

  uint64_t bits() {
    state_ += 0x9e3779b97f4a7c15;
    return mix(state_);
  }
  // Uniform in [low, high].
  int64_t range(int64_t low, int64_t high) {
    const auto width = static_cast<uint64_t>(high - low) + 1;
    return low + static_cast<int64_t>(bits() % width);
  }
  bool chance(int64_t permille) { return range(0, 999) < permille; }

 private:
  uint64_t state_;
};

}  // namespace colossus::simulate
