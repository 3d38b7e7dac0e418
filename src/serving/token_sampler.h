// Choosing the next token from logits.
#pragma once

#include <cstdint>
#include <span>

namespace colossus::serving {

struct SamplingOptions {
  double temperature = 1.0;  // 0: always the likeliest
  int64_t top_k = 0;         // only the k likeliest; 0 = all
  double top_p = 1.0;        // only the likeliest whose probabilities reach p
  uint64_t seed = 1;
};

// Throws UserError for values out of range.
void validate(const SamplingOptions& options);

// A pure function: `index` is the number of the token in its text, so that a
// seed gives the same text again. Equal logits: the lower id is preferred.
int32_t sample_token(std::span<const float> logits,
                     const SamplingOptions& options, int64_t index);

}  // namespace colossus::serving
