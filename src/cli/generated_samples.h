// Text that a model in training writes, for the run's log.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.h"
#include "runtime/rank.h"
#include "serving/generator.h"

namespace colossus::cli {

// With the run's seed. What it is given must outlive it.
class GeneratedSamples final : public runtime::TextSampler {
 public:
  GeneratedSamples(const config::Config& config,
                   const data::Tokenizer& tokenizer, kernels::Backend& backend);

  uint64_t memory_bytes() const override { return generator_.memory_bytes(); }
  std::string write(const float* w, const std::string& prompt,
                    int64_t num_tokens) override;

 private:
  uint64_t seed_;
  serving::Generator generator_;
};

}  // namespace colossus::cli
