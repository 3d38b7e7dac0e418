// Text from a model: prompt in, text out, until a length, a stop string or the
// end of the document.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/model_config.h"
#include "serving/token_sampler.h"

namespace colossus::data {
class Tokenizer;
}
namespace colossus::kernels {
class Backend;
}

namespace colossus::serving {

struct GenerateOptions {
  std::string prompt;  // empty: the start of a document
  int64_t max_tokens = 256;
  SamplingOptions sampling;
  // The text ends before the first of these that it would contain.
  std::vector<std::string> stop;
};

struct Generated {
  std::string text;  // behind the prompt
  int64_t prompt_tokens = 0, new_tokens = 0;
  enum class End { kLength, kStopString, kEndOfDocument, kInterrupted } end;
};

// Memory is planned and taken at construction. Backend and tokenizer must
// outlive it; one caller at a time.
class Generator {
 public:
  // `capacity`: tokens of prompt and text together.
  Generator(const config::ModelConfig& config, int64_t capacity,
            const data::Tokenizer& tokenizer, kernels::Backend& backend);
  ~Generator();

  uint64_t memory_bytes() const;

  // `w` is the flat weight vector. `on_text`, if given, gets the text piece by
  // piece, whole UTF-8 characters where the text is UTF-8, and never a part of
  // a stop string. Throws UserError if the prompt leaves no room.
  Generated generate(
      const float* w, const GenerateOptions& options,
      const std::function<void(std::string_view)>& on_text = nullptr,
      const std::atomic<bool>* stop = nullptr);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// How much of `text` may be shown while more is to come: what could still be
// the start of a stop string, or of a UTF-8 character, is held back.
size_t showable_bytes(std::string_view text,
                      const std::vector<std::string>& stop);

}  // namespace colossus::serving
