// The mean loss of a model over a set of documents, every token scored once.
#pragma once

#include <cstdint>
#include <functional>

namespace colossus::model {
class Grok;
}

namespace colossus::runtime {

// Documents cut into windows of the training length. A document's first token
// is scored from the begin token, a window's first from the token before it.
struct EvalSet {
  int64_t num_windows = 0;
  int64_t total_tokens = 0;  // scored, of all windows
  int64_t total_bytes = 0;   // of the documents' text
  // Fills window `index` (seq_len inputs and targets, padded) and returns how
  // many of its targets, from the first on, are scored.
  std::function<int64_t(int64_t index, int32_t* tokens_T, int32_t* targets_T)>
      fill;
};

struct EvalResult {
  double loss = 0;  // nats a token
  int64_t tokens = 0;
  // Over all windows: exactly bits / bytes. Over some of them: their mean loss
  // at the whole set's tokens per byte.
  double bits_per_byte = 0;
  bool stopped = false;  // before all windows were seen
};

// The first `max_windows` windows (0: all), as many at a time as `model` takes.
// `keep_going`, if given, is asked between batches.
EvalResult evaluate(
    model::Grok& model, const float* w, const EvalSet& set, int64_t max_windows,
    const std::function<bool(double fraction)>& keep_going = nullptr);

}  // namespace colossus::runtime
