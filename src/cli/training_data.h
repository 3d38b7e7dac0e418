// From a prepared data folder, or from texts, to what training and evaluation
// take: functions of (step, shard, row) and of windows.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "runtime/evaluate.h"
#include "runtime/trainer.h"

namespace colossus::data {
class Tokenizer;
}

namespace colossus::cli {

struct TrainingInputs {
  std::shared_ptr<const data::Tokenizer> tokenizer;
  runtime::TrainingData data;  // keeps its files open
};

// Throws UserError or CorruptFile where the folder or its files do not fit the
// config.
TrainingInputs open_training_inputs(const config::Config& config);

struct EvalInputs {
  runtime::EvalSet set;  // keeps its files open
  int64_t num_documents = 0;
};

// The held-out documents of the config's data folder.
EvalInputs open_validation(const config::Config& config);

// Texts of the user's, tokenized into memory.
EvalInputs open_texts(const std::vector<std::string>& texts,
                      const std::string& text_field,
                      const data::Tokenizer& tokenizer, int64_t seq_len);

}  // namespace colossus::cli
