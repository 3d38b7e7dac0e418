#include "cli/generated_samples.h"

namespace colossus::cli {

GeneratedSamples::GeneratedSamples(const config::Config& config,
                                   const data::Tokenizer& tokenizer,
                                   kernels::Backend& backend)
    : seed_(static_cast<uint64_t>(config.run.seed)),
      generator_(config.model, config.run.seq_len, tokenizer, backend) {}

std::string GeneratedSamples::write(const float* w, const std::string& prompt,
                                    int64_t num_tokens) {
  serving::GenerateOptions options;
  options.prompt = prompt;
  options.max_tokens = num_tokens;
  options.sampling.temperature = 0.8;
  options.sampling.top_p = 0.95;
  options.sampling.seed = seed_;
  return generator_.generate(w, options).text;
}

}  // namespace colossus::cli
