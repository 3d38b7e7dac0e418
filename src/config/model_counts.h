// How much there is of a model: parameters, memory, operations. Pure counting
// from the config.
#pragma once

#include <cstdint>
#include <optional>

#include "config/model_config.h"

namespace colossus::config {

struct ModelCounts {
  // All parameters; a tied head counts once.
  int64_t total_parameters = 0;
  // Those that one token is computed with: of the experts only the selected
  // ones; the head, but not the table in which a token is merely looked up.
  int64_t active_parameters = 0;
  // The same without the norms.
  int64_t active_matrix_parameters = 0;

  int64_t weight_bytes() const { return 4 * total_parameters; }
  int64_t gradient_bytes() const { return 4 * total_parameters; }
  int64_t moment_bytes() const { return 8 * total_parameters; }  // AdamW's two
};

// Nothing if a count does not fit 60 bits. Fields must be >= 0.
std::optional<ModelCounts> try_count_model(const ModelConfig& config);

// Throws UserError where try_count_model gives nothing.
ModelCounts count_model(const ModelConfig& config);

// Model FLOPs of training on one token of a sequence of `seq_len`: forward and
// backward, 6 for each active matrix parameter, and the causal half of
// attention, 6 * layers * query heads * head_dim * seq_len.
double training_flops_per_token(const ModelConfig& config, int64_t seq_len);

}  // namespace colossus::config
