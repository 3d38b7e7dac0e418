// Counter-based random numbers: a pure function of (seed, stream, index), so
// that any element of any stream can be had without the ones before it.
#pragma once

#include <cstdint>
#include <string_view>

namespace colossus {

// A well mixed 64-bit word. Each of the arguments changes every bit.
uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t index);

// Uniform in [0, 1): 53 bits.
double random_uniform(uint64_t seed, uint64_t stream, uint64_t index);

// Standard normal (Box-Muller over exact_math, the same bits everywhere).
double random_normal(uint64_t seed, uint64_t stream, uint64_t index);

// A stream's number from its name ("init/model.norm.weight").
uint64_t stream_of(std::string_view name);

}  // namespace colossus
