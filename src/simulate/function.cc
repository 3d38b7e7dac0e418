#include "simulate/function.h"

#include "simulate/random_stream.h"

namespace colossus::simulate {

Function::Function(uint64_t seed, int64_t num_shards)
    : num_shards_(static_cast<size_t>(num_shards)) {
  for (size_t slice = 0; slice < num_shards_; ++slice) {
    states_.push_back(mix(seed, slice));
  }
  weights_.push_back(weights(states_));
}

uint64_t Function::gradient(uint64_t weights, int64_t step, int64_t shard) {
  return mix(mix(weights, static_cast<uint64_t>(step)),
             static_cast<uint64_t>(shard));
}

uint64_t Function::sum(std::span<const uint64_t> gradients) {
  uint64_t sum = 0;
  for (const uint64_t gradient : gradients) sum = mix(sum, gradient);
  return sum;
}

uint64_t Function::update(uint64_t state, uint64_t sum, int64_t step) {
  return mix(mix(state, sum), static_cast<uint64_t>(step));
}

uint64_t Function::weights(std::span<const uint64_t> states) {
  return sum(states);
}

void Function::extend(int64_t step) {
  std::vector<uint64_t> gradients(num_shards_);
  while (static_cast<int64_t>(weights_.size()) <= step) {
    const auto next = static_cast<int64_t>(weights_.size());
    for (size_t shard = 0; shard < num_shards_; ++shard) {
      gradients[shard] =
          gradient(weights_.back(), next, static_cast<int64_t>(shard));
    }
    const uint64_t total = sum(gradients);
    for (size_t slice = 0; slice < num_shards_; ++slice) {
      const uint64_t before = states_[states_.size() - num_shards_];
      states_.push_back(update(before, total, next));
    }
    weights_.push_back(weights(std::span(states_).last(num_shards_)));
  }
}

uint64_t Function::state(int64_t step, int64_t slice) {
  extend(step);
  return states_[static_cast<size_t>(step) * num_shards_ +
                 static_cast<size_t>(slice)];
}

uint64_t Function::weights_of(int64_t step) {
  extend(step);
  return weights_[static_cast<size_t>(step)];
}

}  // namespace colossus::simulate
