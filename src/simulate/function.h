// The run as a function, with a word in the place of every tensor: what the
// state of each slice is after each step if all goes well. A sample that is
// skipped, counted twice or computed from other weights gives another word.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace colossus::simulate {

class Function {
 public:
  Function(uint64_t seed, int64_t num_shards);

  // What a rank computes from what it holds.
  static uint64_t gradient(uint64_t weights, int64_t step, int64_t shard);
  static uint64_t sum(std::span<const uint64_t> gradients);
  static uint64_t update(uint64_t state, uint64_t sum, int64_t step);
  static uint64_t weights(std::span<const uint64_t> states);

  // What comes out without faults.
  uint64_t state(int64_t step, int64_t slice);
  uint64_t weights_of(int64_t step);

 private:
  void extend(int64_t step);

  const size_t num_shards_;
  std::vector<uint64_t> states_;   // [step][slice]
  std::vector<uint64_t> weights_;  // [step]
};

}  // namespace colossus::simulate
