// The hash of a slice of a run's state: the weights w and the moments m and v,
// bit by bit. A sum over groups of sixteen elements, each with keys of its own,
// so that it can be taken in any order and cut (an update takes it while its
// results are in cache), and yet depends on where each bit stands.
// Not a defence against malice.
//
//   group i, lane l of 8: x = elements 16 i + 2 l (low half), 16 i + 2 l + 1
//   d = x ^ (kLaneKey[l] + i * kGroupKey) ^ kVectorKey[w, m or v]
//   sum[l] += low(d) * high(d);  sum[l ^ 1] += x     (as XXH3 accumulates)
//
// So one changed element always changes a sum: x itself is added to one. The
// hash is that of the eight sums.
#pragma once

#include <array>
#include <cstdint>

#include "base/hash.h"

namespace colossus {

struct StateHash {
  static constexpr int64_t kGroup = 16;  // elements
  static constexpr int kLanes = 8;       // of 64 bits
  static constexpr std::array<uint64_t, kLanes> kLaneKey = {
      0x9fb21c651e98df25, 0xd6e8feb86659fd93, 0xa0761d6478bd642f,
      0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3, 0x589965cc75374cc3,
      0x1d8e4e27c47d124f, 0xeb44accab455d165};
  static constexpr uint64_t kGroupKey = 0x9e3779b97f4a7c15;
  static constexpr std::array<uint64_t, 3> kVectorKey = {0, 0x2d358dccaa6c78a5,
                                                         0x8bb84b93962eacc9};

  std::array<uint64_t, kLanes> sum{};

  // Elements [first, first + count) of a slice, at w[0], m[0], v[0]; both are
  // multiples of kGroup.
  void add(int64_t first, int64_t count, const float* w, const float* m,
           const float* v);
  Hash128 digest() const;
};

// Of a whole slice, as it lies in memory.
Hash128 hash_state(int64_t count, const float* w, const float* m,
                   const float* v);

}  // namespace colossus
