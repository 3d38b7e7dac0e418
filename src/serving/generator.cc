#include "serving/generator.h"

#include <algorithm>

#include "base/error.h"
#include "data/tokenizer.h"
#include "kernels/backend.h"
#include "model/decoder.h"
#include "tensor/arena.h"

namespace colossus::serving {
namespace {

uint64_t decoder_bytes(const config::ModelConfig& config, int64_t capacity,
                       kernels::Backend& backend) {
  tensor::Arena plan;
  const model::Decoder planned(config, capacity, backend, plan);
  return plan.high_water_bytes();
}

// Bytes at the end of `text` that begin a UTF-8 character without ending it.
size_t unfinished_character(std::string_view text) {
  const size_t most = std::min<size_t>(3, text.size());
  for (size_t back = 1; back <= most; ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;  // goes on a character
    const size_t length = byte >= 0xf0   ? 4
                          : byte >= 0xe0 ? 3
                          : byte >= 0xc0 ? 2
                                         : 1;
    return length > back ? back : 0;
  }
  return 0;
}

// Position of the first stop string in `text`, or npos.
size_t find_stop(std::string_view text, const std::vector<std::string>& stop) {
  size_t first = std::string_view::npos;
  for (const std::string& s : stop) {
    if (!s.empty()) first = std::min(first, text.find(s));
  }
  return first;
}

}  // namespace

size_t showable_bytes(std::string_view text,
                      const std::vector<std::string>& stop) {
  size_t held = unfinished_character(text);
  for (const std::string& s : stop) {
    for (size_t n = std::min(s.size(), text.size()); n > held; --n) {
      if (text.ends_with(std::string_view(s).substr(0, n))) {
        held = n;
        break;
      }
    }
  }
  return text.size() - held;
}

struct Generator::Parts {
  Parts(const config::ModelConfig& config, int64_t capacity,
        const data::Tokenizer& tokenizer, kernels::Backend& backend)
      : tokenizer(tokenizer),
        arena(decoder_bytes(config, capacity, backend)),
        decoder(config, capacity, backend, arena) {}

  const data::Tokenizer& tokenizer;
  tensor::Arena arena;
  model::Decoder decoder;
};

Generator::Generator(const config::ModelConfig& config, int64_t capacity,
                     const data::Tokenizer& tokenizer,
                     kernels::Backend& backend)
    : parts_(std::make_unique<Parts>(config, capacity, tokenizer, backend)) {}
Generator::~Generator() = default;

uint64_t Generator::memory_bytes() const {
  return parts_->arena.high_water_bytes();
}

Generated Generator::generate(
    const float* w, const GenerateOptions& options,
    const std::function<void(std::string_view)>& on_text,
    const std::atomic<bool>* stop) {
  validate(options.sampling);
  const data::Tokenizer& tokenizer = parts_->tokenizer;
  model::Decoder& decoder = parts_->decoder;
  std::vector<int32_t> prompt = tokenizer.encode(options.prompt);
  prompt.insert(prompt.begin(), tokenizer.bos());
  const auto prompt_tokens = static_cast<int64_t>(prompt.size());
  if (prompt_tokens >= decoder.capacity()) {
    throw user_error(
        "the prompt has {} tokens and the model's window is {}; shorten it",
        prompt_tokens, decoder.capacity());
  }
  Generated result;
  result.prompt_tokens = prompt_tokens;
  result.end = Generated::End::kLength;
  decoder.reset();
  std::span<const float> logits = decoder.append(w, prompt);
  const int64_t most =
      std::min(options.max_tokens, decoder.capacity() - prompt_tokens);
  std::vector<int32_t> ids;
  size_t shown = 0;
  while (result.new_tokens < most) {
    if (stop != nullptr && *stop) {
      result.end = Generated::End::kInterrupted;
      break;
    }
    const int32_t token =
        sample_token(logits, options.sampling, result.new_tokens++);
    if (token == tokenizer.eos()) {
      result.end = Generated::End::kEndOfDocument;
      break;
    }
    ids = {token};
    result.text += tokenizer.decode(ids);
    const size_t stop_at = find_stop(result.text, options.stop);
    if (stop_at != std::string_view::npos) {
      result.text.resize(stop_at);
      result.end = Generated::End::kStopString;
      break;
    }
    const size_t showable = showable_bytes(result.text, options.stop);
    if (on_text && showable > shown) {
      on_text(std::string_view(result.text).substr(shown, showable - shown));
      shown = showable;
    }
    if (result.new_tokens < most) logits = decoder.append(w, ids);
  }
  if (on_text && shown < result.text.size()) {
    on_text(std::string_view(result.text).substr(shown));
  }
  return result;
}

}  // namespace colossus::serving
