#include "serving/token_sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/exact_math.h"
#include "base/random.h"

namespace colossus::serving {
namespace {

int32_t likeliest(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) -
                              logits.begin());
}

// Ids by falling logit, the k first.
std::vector<int32_t> largest(std::span<const float> logits, int64_t top_k) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto before = [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)];
    const float y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  const auto count = static_cast<int64_t>(ids.size());
  const int64_t kept = top_k == 0 ? count : std::min(top_k, count);
  std::partial_sort(ids.begin(), ids.begin() + kept, ids.end(), before);
  ids.resize(static_cast<size_t>(kept));
  return ids;
}

}  // namespace

void validate(const SamplingOptions& o) {
  if (!(o.temperature >= 0 && o.temperature <= 100)) {
    throw user_error(
        "temperature {} is not in [0, 100]; 0 takes the likeliest "
        "token, 1 samples as the model says",
        o.temperature);
  }
  if (o.top_k < 0) throw user_error("top-k {} is negative; 0 = all", o.top_k);
  if (!(o.top_p > 0 && o.top_p <= 1)) {
    throw user_error("top-p {} is not in (0, 1]; 1 = all", o.top_p);
  }
}

int32_t sample_token(std::span<const float> logits,
                     const SamplingOptions& options, int64_t index) {
  if (options.temperature == 0) return likeliest(logits);
  const std::vector<int32_t> ids = largest(logits, options.top_k);
  const double max = double{logits[static_cast<size_t>(ids[0])]};
  std::vector<double> weight;
  double total = 0;
  for (const int32_t id : ids) {
    const double x =
        (double{logits[static_cast<size_t>(id)]} - max) / options.temperature;
    weight.push_back(x < -700 ? 0.0 : exact_exp(x));
    total += weight.back();
  }
  // The nucleus: the shortest prefix whose share reaches top_p.
  double nucleus = 0;
  size_t kept = 0;
  while (kept < ids.size() && (kept == 0 || nucleus < options.top_p * total)) {
    nucleus += weight[kept++];
  }
  double left = random_uniform(options.seed, stream_of("sample"),
                               static_cast<uint64_t>(index)) *
                nucleus;
  for (size_t i = 0; i < kept; ++i) {
    left -= weight[i];
    if (left < 0) return ids[i];
  }
  return ids[kept - 1];
}

}  // namespace colossus::serving
