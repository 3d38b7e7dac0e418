// A permutation of [0, size) that needs no memory: a Feistel network over the
// next power of four, walked until it lands inside.
#pragma once

#include <cstdint>

namespace colossus::data {

class Permutation {
 public:
  // size >= 1. Different (seed, stream) give unrelated permutations.
  Permutation(uint64_t size, uint64_t seed, uint64_t stream);

  // Requires index < size. A bijection.
  uint64_t operator()(uint64_t index) const;

 private:
  uint64_t encrypt(uint64_t value) const;

  uint64_t size_;
  uint64_t seed_;
  uint64_t stream_;
  int half_bits_;
};

}  // namespace colossus::data
