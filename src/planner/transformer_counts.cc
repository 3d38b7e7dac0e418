// Shapes: D model, H query heads, G key and value heads, K head_dim, F hidden
// width of a feed-forward, E experts, V vocabulary.
#include "planner/transformer_counts.h"

namespace colossus::planner {
namespace {

// A feed-forward of width F: two matrices, or three where it is gated.
Parameters ffn(const Transformer& m, int64_t F) {
  const int64_t inner = m.gated_ffn ? 2 : 1;
  return {.matrix = (inner + 1) * m.model_dim * F,
          .vector = m.ffn_bias ? inner * F + m.model_dim : 0};
}

Parameters norm(const Transformer& m) {
  return {.vector = (m.layer_norm ? 2 : 1) * m.model_dim};
}

// Products of arXiv 2405.04434, equations 9 to 17; the two narrow vectors have
// a norm each.
Parameters latent_attention(const Transformer& m) {
  const LatentAttention& a = m.latent;
  const int64_t D = m.model_dim, H = m.num_q_heads;
  const int64_t q_dim = H * m.qk_head_dim();
  Parameters sum;
  if (a.q_lora_rank > 0) {
    sum.matrix += D * a.q_lora_rank + a.q_lora_rank * q_dim;
    sum.vector += a.q_lora_rank;
  } else {
    sum.matrix += D * q_dim;
  }
  sum.matrix += D * (a.kv_lora_rank + a.qk_rope_head_dim);
  sum.matrix += a.kv_lora_rank * H * (a.qk_nope_head_dim + a.v_head_dim);
  sum.matrix += H * a.v_head_dim * D;
  sum.vector += a.kv_lora_rank;
  return sum;
}

Parameters plain_attention(const Transformer& m) {
  const int64_t D = m.model_dim, H = m.num_q_heads, G = m.num_kv_heads;
  const int64_t K = m.head_dim;
  return {.matrix = 2 * D * (H + G) * K,
          .vector = (m.qkv_bias ? (H + 2 * G) * K : 0) +
                    (m.qk_norm ? (m.layer_norm ? 4 : 2) * K : 0)};
}

Parameters attention(const Transformer& m) {
  Parameters sum =
      m.has_latent_attention() ? latent_attention(m) : plain_attention(m);
  if (m.attention_output_bias) sum.vector += m.model_dim;
  if (m.attention_sinks) sum.vector += m.num_q_heads;
  return sum;
}

// Layers of multi-token prediction are like the last one.
const LayerParameters& mtp_layer(const TransformerParameters& counts) {
  return counts.num_expert_layers > 0 ? counts.expert_layer
                                      : counts.dense_layer;
}

LayerFlops operator+(const LayerFlops& a, const LayerFlops& b) {
  return {.attention_products = a.attention_products + b.attention_products,
          .attention_scores = a.attention_scores + b.attention_scores,
          .dense_ffn = a.dense_ffn + b.dense_ffn,
          .router = a.router + b.router,
          .shared_experts = a.shared_experts + b.shared_experts,
          .experts = a.experts + b.experts};
}

double products(int64_t matrix_parameters) {
  return 2.0 * static_cast<double>(matrix_parameters);
}

double scores(const Transformer& m, int64_t seq_len, int64_t window) {
  const int64_t width = m.num_q_heads * (m.qk_head_dim() + m.v_head_dim());
  return products(width) * mean_keys(seq_len, window);
}

LayerFlops flops_of(const LayerParameters& layer, double attention_scores) {
  return {
      .attention_products = products(layer.attention.matrix),
      .attention_scores = attention_scores,
      .dense_ffn = products(layer.dense_ffn.matrix),
      .router = products(layer.router.matrix),
      .shared_experts = products(layer.shared_experts.matrix),
      .experts = products(layer.num_selected_experts * layer.expert.matrix)};
}

}  // namespace

Parameters operator+(Parameters a, Parameters b) {
  return {a.matrix + b.matrix, a.vector + b.vector};
}

Parameters operator*(int64_t times, Parameters part) {
  return {times * part.matrix, times * part.vector};
}

Parameters LayerParameters::without_experts() const {
  return attention + dense_ffn + router + shared_experts + norms;
}

Parameters LayerParameters::all() const {
  return without_experts() + num_experts * expert;
}

Parameters LayerParameters::active() const {
  return without_experts() + num_selected_experts * expert;
}

LayerParameters layer_parameters(const Transformer& m, bool has_experts) {
  LayerParameters layer;
  layer.attention = attention(m);
  layer.norms = m.norms_per_layer * norm(m);
  if (!has_experts || m.dense_beside_experts) {
    layer.dense_ffn = ffn(m, m.dense_ffn_dim);
  }
  if (!has_experts) return layer;
  layer.num_experts = m.num_experts;
  layer.num_selected_experts = m.num_selected_experts;
  layer.router = {.matrix = m.model_dim * m.num_experts,
                  .vector = m.router_bias ? m.num_experts : 0};
  if (m.shared_expert_gate) layer.router.matrix += m.model_dim;
  layer.shared_experts = m.num_shared_experts * ffn(m, m.shared_expert_ffn_dim);
  layer.expert = ffn(m, m.expert_ffn_dim);
  return layer;
}

int64_t TransformerParameters::total() const {
  const Parameters layers = num_dense_layers * dense_layer.all() +
                            num_expert_layers * expert_layer.all() +
                            num_mtp_layers * mtp;
  return layers.total() + final_norm.total() + embedding + positions +
         (head_is_tied ? 0 : head);
}

int64_t TransformerParameters::active() const {
  const Parameters layers = num_dense_layers * dense_layer.active() +
                            num_expert_layers * expert_layer.active() +
                            num_mtp_layers * mtp_active;
  return layers.total() + final_norm.total() + head;
}

int64_t TransformerParameters::active_matrix() const {
  const Parameters layers = num_dense_layers * dense_layer.active() +
                            num_expert_layers * expert_layer.active() +
                            num_mtp_layers * mtp_active;
  return layers.matrix + head;
}

TransformerParameters count_parameters(const Transformer& m) {
  TransformerParameters counts;
  counts.num_dense_layers = m.num_dense_layers();
  counts.num_expert_layers = m.num_expert_layers();
  if (counts.num_dense_layers > 0) {
    counts.dense_layer = layer_parameters(m, false);
  }
  if (counts.num_expert_layers > 0) {
    counts.expert_layer = layer_parameters(m, true);
  }
  counts.embedding = m.vocab_size * m.model_dim;
  counts.positions = m.learned_positions * m.model_dim;
  counts.head = counts.embedding;
  counts.head_is_tied = m.tie_embeddings;
  counts.final_norm = (m.embedding_norm ? 2 : 1) * norm(m);
  if (m.num_mtp_layers > 0) {
    const Parameters extra =
        Parameters{.matrix = 2 * m.model_dim * m.model_dim} + 3 * norm(m);
    counts.num_mtp_layers = m.num_mtp_layers;
    counts.mtp = mtp_layer(counts).all() + extra;
    counts.mtp_active = mtp_layer(counts).active() + extra;
  }
  return counts;
}

double LayerFlops::total() const {
  return attention_products + attention_scores + dense_ffn + router +
         shared_experts + experts;
}

double mean_keys(int64_t seq_len, int64_t window) {
  const auto T = static_cast<double>(seq_len);
  if (window == 0 || window >= seq_len) return T / 2;
  const auto w = static_cast<double>(window);
  return w - w * w / (2 * T);
}

LayerFlops layer_flops(const Transformer& m, int64_t layer, int64_t seq_len) {
  return flops_of(layer_parameters(m, m.layer_has_experts(layer)),
                  scores(m, seq_len, m.window_of(layer)));
}

ForwardFlops forward_flops_per_token(const Transformer& m, int64_t seq_len) {
  ForwardFlops sum;
  for (int64_t layer = 0; layer < m.num_layers; ++layer) {
    sum.layers = sum.layers + layer_flops(m, layer, seq_len);
  }
  const TransformerParameters counts = count_parameters(m);
  sum.head = products(counts.head);
  sum.mtp = static_cast<double>(m.num_mtp_layers) *
            (products(counts.mtp_active.matrix) + scores(m, seq_len, 0) +
             products(counts.head));
  return sum;
}

double training_flops_per_token(const Transformer& m, int64_t seq_len) {
  return 3 * forward_flops_per_token(m, seq_len).total();
}

}  // namespace colossus::planner
