#include "planner/transformer.h"

#include <filesystem>
#include <initializer_list>

#include "base/error.h"
#include "base/file_system.h"
#include "config/load_config.h"
#include "config/rules.h"
#include "planner/hugging_face.h"

namespace colossus::planner {
namespace {

using config::require;
using config::require_range;

constexpr int64_t kMaxLayers = 10'000;
constexpr int64_t kMaxExperts = 65'536;
constexpr int64_t kMaxNorms = 8;
// Of each product that counts parameters: their sum then fits 60 bits.
constexpr int64_t kMaxParameters = int64_t{1} << 56;

class Rules {
 public:
  Rules(const Transformer& model, const std::string& prefix)
      : m_(model), prefix_(prefix) {}

  void check() const {
    check_sizes();
    check_attention();
    check_feed_forward();
    check_counts();
  }

 private:
  std::string key(const char* name) const { return prefix_ + name; }
  void range(const char* name, int64_t value, int64_t low,
             int64_t high = config::kMaxIndex) const {
    require_range(key(name), value, low, high);
  }

  void check_sizes() const {
    range("num_layers", m_.num_layers, 1, kMaxLayers);
    range("model_dim", m_.model_dim, 1);
    range("vocab_size", m_.vocab_size, 1);
    range("learned_positions", m_.learned_positions, 0);
    range("num_mtp_layers", m_.num_mtp_layers, 0, m_.num_layers);
    range("norms_per_layer", m_.norms_per_layer, 0, kMaxNorms);
  }

  void check_attention() const {
    range("num_q_heads", m_.num_q_heads, 1);
    range("sliding_window", m_.sliding_window, 0);
    range("full_attention_every", m_.full_attention_every, 0, kMaxLayers);
    if (m_.has_latent_attention()) return check_latent();
    range("num_kv_heads", m_.num_kv_heads, 1);
    range("head_dim", m_.head_dim, 1);
    require(m_.num_q_heads % m_.num_kv_heads == 0,
            "{} = {} must be a multiple of {} = {}", key("num_q_heads"),
            m_.num_q_heads, key("num_kv_heads"), m_.num_kv_heads);
  }

  void check_latent() const {
    const LatentAttention& latent = m_.latent;
    range("latent.q_lora_rank", latent.q_lora_rank, 0);
    range("latent.kv_lora_rank", latent.kv_lora_rank, 1);
    range("latent.qk_nope_head_dim", latent.qk_nope_head_dim, 1);
    range("latent.qk_rope_head_dim", latent.qk_rope_head_dim, 0);
    range("latent.v_head_dim", latent.v_head_dim, 1);
    require(!m_.qkv_bias && !m_.qk_norm,
            "{} and {} must be false with latent attention, which has norms of "
            "its own",
            key("qkv_bias"), key("qk_norm"));
  }

  void check_feed_forward() const {
    range("dense_ffn_dim", m_.dense_ffn_dim, 0);
    range("num_experts", m_.num_experts, 0, kMaxExperts);
    range("first_dense_layers", m_.first_dense_layers, 0, m_.num_layers);
    const bool needs_dense = m_.num_dense_layers() > 0 ||
                             (m_.has_experts() && m_.dense_beside_experts);
    require(!needs_dense || m_.dense_ffn_dim >= 1,
            "{} = 0 must be at least 1: layers without experts need it",
            key("dense_ffn_dim"));
    if (m_.has_experts()) check_experts();
  }

  void check_experts() const {
    range("num_selected_experts", m_.num_selected_experts, 1, m_.num_experts);
    range("expert_ffn_dim", m_.expert_ffn_dim, 1);
    range("num_shared_experts", m_.num_shared_experts, 0, kMaxExperts);
    range("shared_expert_ffn_dim", m_.shared_expert_ffn_dim,
          m_.num_shared_experts > 0 ? 1 : 0);
  }

  void product(const char* what, std::initializer_list<int64_t> factors) const {
    require(config::product_within(kMaxParameters, factors) >= 0,
            "{}: more than 2^56 parameters in the {}", prefix_, what);
  }

  void check_counts() const {
    const int64_t layers = m_.num_layers + m_.num_mtp_layers;
    const int64_t dim = m_.model_dim;
    product("embedding", {m_.vocab_size, dim});
    product("positions", {m_.learned_positions, dim});
    product("norms", {layers, m_.norms_per_layer + 8, dim, 2 * dim});
    product("dense feed-forwards", {layers, dim, m_.dense_ffn_dim, 4});
    product("experts", {layers, m_.num_experts, dim, m_.expert_ffn_dim, 4});
    product("shared experts",
            {layers, m_.num_shared_experts, dim, m_.shared_expert_ffn_dim, 4});
    product("router", {layers, m_.num_experts, dim});
    const LatentAttention& latent = m_.latent;
    const int64_t heads = m_.num_q_heads;
    product("queries",
            {layers, dim + latent.q_lora_rank, heads, m_.qk_head_dim() + 1});
    product("attention outputs", {layers, dim, heads, m_.v_head_dim() + 1, 2});
    product("keys and values", {layers, dim, m_.num_kv_heads, m_.head_dim, 2});
    product("latent vectors",
            {layers, dim,
             latent.q_lora_rank + latent.kv_lora_rank + latent.qk_rope_head_dim,
             2});
    product("latent keys and values",
            {layers, latent.kv_lora_rank, heads,
             latent.qk_nope_head_dim + latent.v_head_dim + 1});
  }

  const Transformer& m_;
  const std::string& prefix_;
};

}  // namespace

int64_t Transformer::qk_head_dim() const {
  return has_latent_attention()
             ? latent.qk_nope_head_dim + latent.qk_rope_head_dim
             : head_dim;
}

int64_t Transformer::v_head_dim() const {
  return has_latent_attention() ? latent.v_head_dim : head_dim;
}

int64_t Transformer::window_of(int64_t layer) const {
  const bool full =
      full_attention_every > 0 && (layer + 1) % full_attention_every == 0;
  return full ? 0 : sliding_window;
}

void validate(const Transformer& model, const std::string& prefix) {
  Rules(model, prefix).check();
}

Transformer transformer_of(const config::ModelConfig& config,
                           const std::string& name) {
  Transformer model;
  model.name = name;
  model.num_layers = config.num_layers;
  model.model_dim = config.model_dim;
  model.vocab_size = config.vocab_size;
  model.num_q_heads = config.num_q_heads;
  model.num_kv_heads = config.num_kv_heads;
  model.head_dim = config.head_dim;
  model.dense_ffn_dim = config.dense_ffn_dim;
  model.tie_embeddings = config.tie_embeddings;
  model.norms_per_layer = 4;  // before and after each of two branches
  if (config.has_experts()) {
    model.dense_beside_experts = config.has_dense_ffn();
    model.num_experts = config.num_experts;
    model.num_selected_experts = config.num_selected_experts;
    model.expert_ffn_dim = config.expert_ffn_dim;
  }
  return model;
}

LoadedTransformer load_transformer(const std::string& path) {
  if (path.ends_with(".json")) return read_hugging_face(read_file(path), path);
  const config::ModelConfig model = config::load_config(path, {}).config.model;
  const std::string name = std::filesystem::path(path).stem().string();
  return {transformer_of(model, name), {}};
}

}  // namespace colossus::planner
