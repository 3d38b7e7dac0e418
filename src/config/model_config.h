// The shape of a Grok model: what to compute, and nothing of how it is trained.
// The field names are those of the reference cases in tests/conformance.
#pragma once

#include <cstdint>
#include <string>

namespace colossus::config {

struct ModelConfig {
  int64_t vocab_size = 2048;
  int64_t model_dim = 256;
  int64_t num_layers = 4;
  int64_t num_q_heads = 4;
  int64_t num_kv_heads = 2;
  int64_t head_dim = 64;
  int64_t expert_ffn_dim = 512;
  int64_t num_experts = 4;
  int64_t num_selected_experts = 2;
  int64_t dense_ffn_dim = 0;
  double rope_theta = 10000.0;
  double rms_norm_eps = 1e-5;
  double embedding_multiplier = 16.0;
  double attn_output_multiplier = 0.125;
  double output_multiplier = 0.57735026918962576;
  double attn_logit_softcap = 30.0;
  double router_logit_softcap = 0.0;
  double final_logit_softcap = 0.0;
  bool tie_embeddings = true;
  bool renormalize_router = false;
  double load_balance_loss = 0.01;
  double router_z_loss = 0.001;
  int64_t long_context_start = 0;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("vocab_size", vocab_size, "V: number of token ids");
    v.field("model_dim", model_dim, "D: width of the residual stream");
    v.field("num_layers", num_layers, "number of decoder layers");
    v.field("num_q_heads", num_q_heads, "H: query heads");
    v.field("num_kv_heads", num_kv_heads,
            "G: key and value heads; H is a multiple of it");
    v.field("head_dim", head_dim, "K: width of one head; even");
    v.field("expert_ffn_dim", expert_ffn_dim, "F: hidden width of one expert");
    v.field("num_experts", num_experts, "E: experts a layer; 0 = dense model");
    v.field("num_selected_experts", num_selected_experts,
            "S: experts that a token goes to");
    v.field("dense_ffn_dim", dense_ffn_dim,
            "hidden width of the dense feed-forward (Grok-2: beside the "
            "experts); 0 = none");
    v.field("rope_theta", rope_theta, "base of the rotary frequencies");
    v.field("rms_norm_eps", rms_norm_eps, "added to the mean square");
    v.field("embedding_multiplier", embedding_multiplier,
            "scales embeddings on their way in");
    v.field("attn_output_multiplier", attn_output_multiplier,
            "scales q.k before the softcap");
    v.field("output_multiplier", output_multiplier,
            "scales logits before the softcap");
    v.field("attn_logit_softcap", attn_logit_softcap,
            "cap * tanh(x / cap) on attention logits; 0 = none");
    v.field("router_logit_softcap", router_logit_softcap,
            "the same on router logits; 0 = none");
    v.field("final_logit_softcap", final_logit_softcap,
            "the same on output logits; 0 = none");
    v.field("tie_embeddings", tie_embeddings,
            "the output head is the embedding table");
    v.field("renormalize_router", renormalize_router,
            "divide the selected experts' weights by their sum (llama.cpp "
            "does; Grok-1 does not)");
    v.field("load_balance_loss", load_balance_loss,
            "weight of the load balance loss");
    v.field("router_z_loss", router_z_loss, "weight of the router z-loss");
    v.field("long_context_start", long_context_start,
            "attention logits of position n beyond this are multiplied by "
            "log(n)/log(this), after the softcap (Grok-2: 1024); 0 = never");
  }

  bool has_experts() const { return num_experts > 0; }
  bool has_dense_ffn() const { return dense_ffn_dim > 0; }
  int64_t q_dim() const { return num_q_heads * head_dim; }
  int64_t kv_dim() const { return num_kv_heads * head_dim; }
  int64_t qkv_dim() const { return q_dim() + 2 * kv_dim(); }
};

// Throws UserError with the formula and its numbers, naming keys as
// `prefix` + field.
void validate(const ModelConfig& config, const std::string& prefix = "model.");

}  // namespace colossus::config
