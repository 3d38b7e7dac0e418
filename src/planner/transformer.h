// A transformer as the planner sees it: the shape that decides parameters,
// FLOPs and memory, for more kinds of model than the trainer runs. A plain
// value; hugging_face.h reads one from another's config.json.
//
// What it does not hold: activation functions, position encodings without
// weights, and anything else that changes no count.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/model_config.h"

namespace colossus::planner {

// Keys and values through a narrow vector (DeepSeek-V2, arXiv 2405.04434,
// section 2.1). Off where kv_lora_rank is 0; else the model's num_kv_heads and
// head_dim say nothing.
struct LatentAttention {
  int64_t q_lora_rank = 0;  // 0: queries come from one product
  int64_t kv_lora_rank = 0;
  int64_t qk_nope_head_dim = 0;
  int64_t qk_rope_head_dim = 0;
  int64_t v_head_dim = 0;

  bool operator==(const LatentAttention&) const = default;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("q_lora_rank", q_lora_rank,
            "width that queries pass through; 0 = one product");
    v.field("kv_lora_rank", kv_lora_rank,
            "width that keys and values pass through; 0 = no latent attention");
    v.field("qk_nope_head_dim", qk_nope_head_dim,
            "of a head's queries and keys, the part without position");
    v.field("qk_rope_head_dim", qk_rope_head_dim,
            "the part with position; its key is shared by all heads");
    v.field("v_head_dim", v_head_dim, "width of a head's values");
  }
};

// A layer has attention and either a dense feed-forward or experts; Grok-2's
// have both. Layers before first_dense_layers are dense, the rest have experts
// if there are any.
struct Transformer {
  std::string name = "model";
  int64_t num_layers = 0;
  int64_t model_dim = 0;
  int64_t vocab_size = 0;

  int64_t num_q_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  LatentAttention latent;
  int64_t sliding_window = 0;
  int64_t full_attention_every = 0;

  int64_t dense_ffn_dim = 0;
  bool dense_beside_experts = false;
  int64_t first_dense_layers = 0;
  int64_t num_experts = 0;
  int64_t num_selected_experts = 0;
  int64_t expert_ffn_dim = 0;
  int64_t num_shared_experts = 0;
  int64_t shared_expert_ffn_dim = 0;
  bool shared_expert_gate = false;
  bool gated_ffn = true;

  bool tie_embeddings = false;
  int64_t learned_positions = 0;
  int64_t num_mtp_layers = 0;

  int64_t norms_per_layer = 2;
  bool layer_norm = false;
  bool embedding_norm = false;
  bool qk_norm = false;
  bool qkv_bias = false;
  bool attention_output_bias = false;
  bool ffn_bias = false;
  bool router_bias = false;
  bool attention_sinks = false;

  bool operator==(const Transformer&) const = default;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("name", name, "what people call it");
    v.field("num_layers", num_layers, "decoder layers, without those of MTP");
    v.field("model_dim", model_dim, "width of the residual stream");
    v.field("vocab_size", vocab_size, "token ids");
    v.field("num_q_heads", num_q_heads, "query heads");
    v.field("num_kv_heads", num_kv_heads, "key and value heads");
    v.field("head_dim", head_dim, "width of one head");
    v.section("latent", latent);
    v.field("sliding_window", sliding_window,
            "tokens that a query of a windowed layer sees; 0 = no such layer");
    v.field("full_attention_every", full_attention_every,
            "with a window: layers n, 2n, ... (from 1) see the whole "
            "sequence; 0 = none does");
    v.field("dense_ffn_dim", dense_ffn_dim,
            "hidden width of a dense feed-forward; 0 = no layer has one");
    v.field("dense_beside_experts", dense_beside_experts,
            "layers with experts have the dense feed-forward too (Grok-2)");
    v.field("first_dense_layers", first_dense_layers,
            "layers at the start without experts (DeepSeek)");
    v.field("num_experts", num_experts, "routed experts a layer; 0 = dense");
    v.field("num_selected_experts", num_selected_experts,
            "routed experts that a token goes to");
    v.field("expert_ffn_dim", expert_ffn_dim, "hidden width of one of them");
    v.field("num_shared_experts", num_shared_experts,
            "experts that every token goes to");
    v.field("shared_expert_ffn_dim", shared_expert_ffn_dim,
            "hidden width of one of them");
    v.field("shared_expert_gate", shared_expert_gate,
            "a learned scale of their output (Qwen2-MoE)");
    v.field("gated_ffn", gated_ffn,
            "feed-forwards have three matrices, not two");
    v.field("tie_embeddings", tie_embeddings, "the head is the embedding");
    v.field("learned_positions", learned_positions,
            "rows of a table of positions; 0 = no table");
    v.field("num_mtp_layers", num_mtp_layers,
            "layers that predict further tokens (DeepSeek-V3, section 2.2)");
    v.field("norms_per_layer", norms_per_layer, "of the model's width");
    v.field("layer_norm", layer_norm, "norms have a shift beside the scale");
    v.field("embedding_norm", embedding_norm, "a norm after the embedding");
    v.field("qk_norm", qk_norm, "norms of each head's query and key");
    v.field("qkv_bias", qkv_bias, "biases of queries, keys and values");
    v.field("attention_output_bias", attention_output_bias,
            "a bias after attention's last product");
    v.field("ffn_bias", ffn_bias, "biases of all feed-forwards");
    v.field("router_bias", router_bias, "a number an expert in the router");
    v.field("attention_sinks", attention_sinks, "a learned logit a head");
  }

  bool has_experts() const { return num_experts > 0; }
  bool has_latent_attention() const { return latent.kv_lora_rank > 0; }
  bool layer_has_experts(int64_t layer) const {  // layer: from 0
    return has_experts() && layer >= first_dense_layers;
  }
  int64_t num_expert_layers() const {
    return has_experts() ? num_layers - first_dense_layers : 0;
  }
  int64_t num_dense_layers() const { return num_layers - num_expert_layers(); }

  // Width of one head's queries and keys, and of its values.
  int64_t qk_head_dim() const;
  int64_t v_head_dim() const;
  // The window of a layer (from 0); 0: it sees the whole sequence.
  int64_t window_of(int64_t layer) const;
};

// Throws UserError that names the field as `prefix` + name, with its rule.
// Every other function here wants a valid model.
void validate(const Transformer& model, const std::string& prefix);

// The same model as the trainer computes it.
Transformer transformer_of(const config::ModelConfig& config,
                           const std::string& name);

// A model of a file: TOML as `train` reads it, or (.json) a Hugging Face
// config.json. Throws UserError. `notes` tells what the file left open.
struct LoadedTransformer {
  Transformer model;
  std::vector<std::string> notes;
};
LoadedTransformer load_transformer(const std::string& path);

}  // namespace colossus::planner
