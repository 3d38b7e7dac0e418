#include "runtime/evaluate.h"

#include <algorithm>
#include <vector>

#include "model/grok.h"

namespace colossus::runtime {
namespace {

constexpr double kLn2 = 0.693147180559945309417;

// Windows [first, first + count) into the rows of a batch, and the number of
// scored targets of each.
std::vector<int64_t> fill_batch(const EvalSet& set, int64_t first,
                                int64_t count, int64_t seq_len,
                                std::vector<int32_t>& tokens,
                                std::vector<int32_t>& targets) {
  std::fill(tokens.begin(), tokens.end(), 0);
  std::fill(targets.begin(), targets.end(), 0);
  std::vector<int64_t> scored;
  for (int64_t i = 0; i < count; ++i) {
    scored.push_back(set.fill(first + i, tokens.data() + i * seq_len,
                              targets.data() + i * seq_len));
  }
  return scored;
}

}  // namespace

EvalResult evaluate(model::Grok& model, const float* w, const EvalSet& set,
                    int64_t max_windows,
                    const std::function<bool(double)>& keep_going) {
  const int64_t total = max_windows == 0
                            ? set.num_windows
                            : std::min(max_windows, set.num_windows);
  const int64_t at_once = model.shape().num_sequences();
  const int64_t T = model.shape().seq_len;
  const auto batch_tokens = static_cast<size_t>(model.shape().num_tokens());
  std::vector<int32_t> tokens(batch_tokens), targets(batch_tokens);
  std::vector<float> losses(batch_tokens);
  EvalResult result;
  double sum = 0;
  for (int64_t first = 0; first < total; first += at_once) {
    if (keep_going &&
        !keep_going(static_cast<double>(first) / static_cast<double>(total))) {
      result.stopped = true;
      break;
    }
    const std::vector<int64_t> scored = fill_batch(
        set, first, std::min(at_once, total - first), T, tokens, targets);
    model.token_losses(w, tokens, targets, losses);
    for (size_t i = 0; i < scored.size(); ++i) {
      const auto begin = losses.begin() + static_cast<int64_t>(i) * T;
      for (int64_t t = 0; t < scored[i]; ++t) sum += double{begin[t]};
      result.tokens += scored[i];
    }
  }
  if (result.tokens == 0) return result;
  result.loss = sum / static_cast<double>(result.tokens);
  result.bits_per_byte =
      result.loss / kLn2 * static_cast<double>(set.total_tokens) /
      static_cast<double>(std::max<int64_t>(set.total_bytes, 1));
  return result;
}

}  // namespace colossus::runtime
