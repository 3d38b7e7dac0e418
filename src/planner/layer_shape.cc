#include "planner/layer_shape.h"

#include "planner/transformer_counts.h"

namespace colossus::planner {
namespace {

// Scores that windows leave, of the causal half. Where full layers alternate
// with windowed ones, the windowed ones' few are left out.
double score_share_of(const Transformer& model, double seq_len) {
  if (model.sliding_window == 0) return 1;
  if (model.full_attention_every > 0) {
    return 1 / static_cast<double>(model.full_attention_every);
  }
  const auto length = static_cast<int64_t>(seq_len);
  return mean_keys(length, model.sliding_window) / mean_keys(length, 0);
}

double attention_parameters_of(const Transformer& model) {
  const auto h = static_cast<double>(model.model_dim);
  const auto q = static_cast<double>(model.num_q_heads);
  if (!model.has_latent_attention()) {
    const auto kv = static_cast<double>(model.num_kv_heads);
    const auto d = static_cast<double>(model.head_dim);
    return h * (q + 2 * kv) * d + q * d * h;
  }
  const LatentAttention& a = model.latent;
  const auto rq = static_cast<double>(a.q_lora_rank);
  const auto rkv = static_cast<double>(a.kv_lora_rank);
  const auto qk = static_cast<double>(a.qk_nope_head_dim + a.qk_rope_head_dim);
  const auto kv = static_cast<double>(a.qk_nope_head_dim + a.v_head_dim);
  const double queries = rq > 0 ? h * rq + rq * q * qk : h * q * qk;
  return queries + h * (rkv + static_cast<double>(a.qk_rope_head_dim)) +
         rkv * q * kv + q * static_cast<double>(a.v_head_dim) * h;
}

double shared_width_of(const Transformer& model) {
  int64_t width = model.num_shared_experts * model.shared_expert_ffn_dim;
  if (model.dense_beside_experts) width += model.dense_ffn_dim;
  return static_cast<double>(width);
}

}  // namespace

LayerShape::LayerShape(const Workload& workload) {
  const Transformer& model = *workload.model;
  const Layout& layout = workload.layout;
  h = static_cast<double>(model.model_dim);
  q = static_cast<double>(model.num_q_heads);
  kv = static_cast<double>(model.num_kv_heads);
  d = static_cast<double>(model.head_dim);
  s = workload.seq_len;
  V = static_cast<double>(model.vocab_size);
  t = static_cast<double>(layout.tensor);
  L = static_cast<double>(model.num_layers + model.num_mtp_layers);
  tok = static_cast<double>(layout.micro_batch_size) * s /
        static_cast<double>(layout.context);
  up = model.gated_ffn ? 2 : 1;
  norm_share = layout.sequence_parallel ? 1 / t : 1;
  score_share = score_share_of(model, s);
  attention_parameters = attention_parameters_of(model);

  // Layers before first_dense_layers are taken for layers with experts: their
  // feed-forward is as wide as that of the experts a token goes to.
  has_experts = model.has_experts();
  if (has_experts) {
    f = static_cast<double>(model.expert_ffn_dim);
    experts = static_cast<double>(model.num_experts);
    topk = static_cast<double>(model.num_selected_experts);
    const double spread = experts / static_cast<double>(layout.expert);
    local_experts = spread > 1 ? spread : 1;
    shared = shared_width_of(model);
    expert_parameters = matrices() * h * f;
    ffn_parameters = matrices() * h * shared;
  } else {
    f = static_cast<double>(model.dense_ffn_dim);
    ffn_parameters = matrices() * h * f;
  }
}

}  // namespace colossus::planner
