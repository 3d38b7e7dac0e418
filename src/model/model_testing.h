// Small models of every form, with weights and a batch, for tests.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.h"
#include "base/thread_pool.h"
#include "kernels/backend.h"
#include "model/grok.h"
#include "tensor/arena.h"

namespace colossus::model {

inline config::ModelConfig small_config() {
  config::ModelConfig c;
  c.vocab_size = 61;
  c.model_dim = 40;
  c.num_layers = 2;
  c.num_q_heads = 4;
  c.num_kv_heads = 2;
  c.head_dim = 8;
  c.expert_ffn_dim = 24;
  c.num_experts = 4;
  c.num_selected_experts = 2;
  c.embedding_multiplier = 6.0;
  c.attn_output_multiplier = 0.35;
  return c;
}

inline config::ModelConfig grok2_config() {
  config::ModelConfig c = small_config();
  c.dense_ffn_dim = 36;
  c.router_logit_softcap = 30;
  c.final_logit_softcap = 50;
  c.tie_embeddings = false;
  return c;
}

inline config::ModelConfig dense_config() {
  config::ModelConfig c = small_config();
  c.num_experts = 0;
  c.num_selected_experts = 0;
  c.dense_ffn_dim = 44;
  c.num_kv_heads = 1;
  return c;
}

// A model with memory of its own, initial weights and random tokens.
struct ModelRun {
  ModelRun(const config::ModelConfig& config, const BatchShape& shape,
           kernels::Backend& backend)
      : arena(planned_bytes(config, shape, backend)),
        model(config, shape, Grok::Mode::kTraining, backend, arena) {
    ThreadPool pool(1);
    weights.resize(static_cast<size_t>(model.parameters().padded_count(8)));
    initialize(model.parameters(), 7, 0, weights, pool);
    for (int64_t i = 0; i < shape.num_tokens(); ++i) {
      const auto draw = [&](uint64_t stream) {
        return static_cast<int32_t>(
            random_bits(3, stream, static_cast<uint64_t>(i)) %
            static_cast<uint64_t>(config.vocab_size));
      };
      tokens.push_back(draw(1));
      targets.push_back(draw(2));
    }
  }

  static uint64_t planned_bytes(const config::ModelConfig& config,
                                const BatchShape& shape,
                                kernels::Backend& backend) {
    tensor::Arena plan;
    const Grok planned(config, shape, Grok::Mode::kTraining, backend, plan);
    return plan.high_water_bytes();
  }

  std::vector<float> gradient() {
    std::vector<float> g(weights.size(), 0.0f);
    model.forward_backward(weights.data(), tokens, targets, g.data(), false);
    return g;
  }

  tensor::Arena arena;
  Grok model;
  std::vector<float> weights;
  std::vector<int32_t> tokens, targets;
};

}  // namespace colossus::model
