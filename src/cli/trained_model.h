// A run's model, ready to be used: config, tokenizer, weights, backend. Shared
// by eval and generate.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "data/tokenizer.h"
#include "kernels/backend.h"
#include "tensor/arena.h"

namespace colossus::cli {

struct TrainedModel {
  config::Config config;
  int64_t step = 0;
  std::unique_ptr<kernels::Backend> backend;
  std::unique_ptr<data::Tokenizer> tokenizer;
  std::unique_ptr<tensor::Arena> weights_arena;
  const float* weights = nullptr;
};

// `path`: a run's folder; `step` < 0: its newest sound checkpoint (a damaged
// one is named on stderr). `overrides` as --set takes them: only kernels.* can
// be changed. Throws UserError, CorruptFile.
TrainedModel load_trained_model(const std::string& path, int64_t step,
                                const std::vector<std::string>& overrides);

// runs/NAME/tokenizer.model: a run keeps its own copy.
std::string run_tokenizer_path(const std::string& run_folder);

// The config of a run as it was saved.
config::Config load_run_config(const std::string& run_folder,
                               const std::vector<std::string>& overrides);

}  // namespace colossus::cli
