#include "base/random.h"

#include <cmath>

#include "base/exact_math.h"

namespace colossus {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that
// avalanches.
uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  x ^= x >> 31;
  return x;
}

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;

}  // namespace

uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t index) {
  const uint64_t key = mix(mix(seed + kGolden) ^ (stream * kGolden + 1));
  return mix(mix(key + index * kGolden) ^ key);
}

double random_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
  return static_cast<double>(random_bits(seed, stream, index) >> 11) * 0x1p-53;
}

double random_normal(uint64_t seed, uint64_t stream, uint64_t index) {
  const double u = 1.0 - random_uniform(seed, stream, 2 * index);  // (0, 1]
  const double v = random_uniform(seed, stream, 2 * index + 1);
  constexpr double kTwoPi = 6.28318530717958647692;
  return std::sqrt(-2.0 * exact_log(u)) * exact_cos(kTwoPi * v);
}

uint64_t stream_of(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, then mixed
  for (const char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return mix(hash);
}

}  // namespace colossus
