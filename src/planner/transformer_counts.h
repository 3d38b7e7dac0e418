// How much there is of a transformer: parameters by part, FLOPs by part. Pure
// counting. Where the trainer runs a model, its own counts
// (config/model_counts.h) are the same numbers, which a test holds.
#pragma once

#include <cstdint>

#include "planner/transformer.h"

namespace colossus::planner {

// Parameters of a part: those of matrices, each of which costs 2 FLOPs a token
// forward, and the rest (norms, biases), which cost next to none.
struct Parameters {
  int64_t matrix = 0;
  int64_t vector = 0;

  int64_t total() const { return matrix + vector; }
  bool operator==(const Parameters&) const = default;
};
Parameters operator+(Parameters a, Parameters b);
Parameters operator*(int64_t times, Parameters part);

// One layer.
struct LayerParameters {
  Parameters attention;
  Parameters dense_ffn;       // of a dense layer, or beside experts
  Parameters router;          // with the gate of the shared experts
  Parameters shared_experts;  // all of them
  Parameters expert;          // one routed expert
  Parameters norms;           // of the model's width
  int64_t num_experts = 0;
  int64_t num_selected_experts = 0;

  // All but the routed experts.
  Parameters without_experts() const;
  Parameters all() const;
  // Those that one token is computed with.
  Parameters active() const;
};

LayerParameters layer_parameters(const Transformer& model, bool has_experts);

struct TransformerParameters {
  LayerParameters dense_layer;  // nothing where the model has no such layer
  LayerParameters expert_layer;
  int64_t num_dense_layers = 0;
  int64_t num_expert_layers = 0;
  int64_t embedding = 0;  // the table of tokens
  int64_t positions = 0;  // the table of positions
  int64_t head = 0;       // its matrix, also where it is the embedding
  bool head_is_tied = false;
  Parameters final_norm;  // with the embedding's norm
  Parameters mtp;         // one layer of multi-token prediction: a decoder
                          // layer, a product of [2 D, D] and three norms;
                          // embedding and head are the model's
  Parameters mtp_active;  // of those, what one token is computed with
  int64_t num_mtp_layers = 0;

  // All; a tied head counts once.
  int64_t total() const;
  // Those that one token is computed with: of routed experts the selected
  // ones; the head, but no table in which a token is merely looked up.
  int64_t active() const;
  // The same, matrices only.
  int64_t active_matrix() const;
};

TransformerParameters count_parameters(const Transformer& model);

// FLOPs of the forward pass on one token, by part. A matrix parameter is 2.
struct LayerFlops {
  double attention_products = 0;  // q, k, v, output and latent products
  double attention_scores = 0;    // q.k and weights.v, the causal half alone
  double dense_ffn = 0;
  double router = 0;
  double shared_experts = 0;
  double experts = 0;  // the selected ones

  double total() const;
};

// Keys that a query sees, on average over a sequence of `seq_len`: half of it
// (the causal half, as the trainer counts), or with a window w < T:
// w - w^2 / 2T. `window` 0: none.
double mean_keys(int64_t seq_len, int64_t window);

// Layer from 0.
LayerFlops layer_flops(const Transformer& model, int64_t layer,
                       int64_t seq_len);

struct ForwardFlops {
  LayerFlops layers;  // summed over layers
  double head = 0;    // of the next token alone
  double mtp = 0;     // multi-token prediction, with its heads

  double total() const { return layers.total() + head + mtp; }
};

ForwardFlops forward_flops_per_token(const Transformer& model, int64_t seq_len);

// Forward and backward: three times the forward pass.
double training_flops_per_token(const Transformer& model, int64_t seq_len);

}  // namespace colossus::planner
