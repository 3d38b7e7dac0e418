#include "data/permutation.h"

#include <bit>

#include "base/error.h"
#include "base/random.h"

namespace colossus::data {
namespace {

constexpr int kNumRounds = 8;

}  // namespace

Permutation::Permutation(uint64_t size, uint64_t seed, uint64_t stream)
    : size_(size), seed_(seed), stream_(stream) {
  COLOSSUS_CHECK(size >= 1 && size <= uint64_t{1} << 62, "size is {}", size);
  half_bits_ = (std::bit_width(size - 1) + 1) / 2;
}

uint64_t Permutation::encrypt(uint64_t value) const {
  if (half_bits_ == 0) return value;
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = value >> half_bits_;
  uint64_t right = value & mask;
  for (uint64_t round = 0; round < kNumRounds; ++round) {
    const uint64_t mixed =
        random_bits(seed_, stream_, (round << 32) | right) & mask;
    const uint64_t next = left ^ mixed;
    left = right;
    right = next;
  }
  return (left << half_bits_) | right;
}

uint64_t Permutation::operator()(uint64_t index) const {
  COLOSSUS_CHECK(index < size_, "index {} of {}", index, size_);
  // Some four steps at most on average: the domain is under four times as big.
  uint64_t value = encrypt(index);
  while (value >= size_) value = encrypt(value);
  return value;
}

}  // namespace colossus::data
