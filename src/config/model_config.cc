#include "config/model_config.h"

#include "config/model_counts.h"
#include "config/rules.h"

namespace colossus::config {
namespace {

// Bounds on what is listed by name (each expert has three tensors).
constexpr int64_t kMaxLayers = 10'000;
constexpr int64_t kMaxExperts = 65'536;
constexpr int64_t kMaxExpertsOfAllLayers = 1 << 20;

class ModelRules {
 public:
  ModelRules(const ModelConfig& config, const std::string& prefix)
      : c_(config), prefix_(prefix) {}

  void check() const {
    check_sizes();
    check_attention();
    check_feed_forward();
    check_numbers();
    check_products();
  }

 private:
  std::string key(const char* name) const { return prefix_ + name; }

  void check_sizes() const {
    require_range(key("vocab_size"), c_.vocab_size, 1, kMaxIndex);
    require_range(key("model_dim"), c_.model_dim, 1, kMaxIndex);
    require_range(key("num_layers"), c_.num_layers, 1, kMaxLayers);
    require_range(key("num_q_heads"), c_.num_q_heads, 1, kMaxIndex);
    require_range(key("num_kv_heads"), c_.num_kv_heads, 1, kMaxIndex);
    require_range(key("head_dim"), c_.head_dim, 2, kMaxIndex);
    require_range(key("expert_ffn_dim"), c_.expert_ffn_dim, 0, kMaxIndex);
    require_range(key("num_experts"), c_.num_experts, 0, kMaxExperts);
    require_range(key("num_selected_experts"), c_.num_selected_experts, 0,
                  kMaxExperts);
    require_range(key("dense_ffn_dim"), c_.dense_ffn_dim, 0, kMaxIndex);
    require_range(key("long_context_start"), c_.long_context_start, 0,
                  kMaxIndex);
  }

  void check_attention() const {
    require(c_.num_q_heads % c_.num_kv_heads == 0,
            "{} = {} must be a multiple of {} = {}", key("num_q_heads"),
            c_.num_q_heads, key("num_kv_heads"), c_.num_kv_heads);
    require(c_.head_dim % 2 == 0,
            "{} = {} must be even: RoPE rotates its two halves",
            key("head_dim"), c_.head_dim);
    require(c_.long_context_start != 1,
            "{} = 1 must be 0 (never) or at least 2: log(1) divides nothing",
            key("long_context_start"));
  }

  void check_feed_forward() const {
    require(c_.has_experts() || c_.has_dense_ffn(),
            "{} = 0 and {} = 0: a layer needs experts, a dense feed-forward, "
            "or both",
            key("num_experts"), key("dense_ffn_dim"));
    if (!c_.has_experts()) return;
    require(c_.num_selected_experts >= 1 &&
                c_.num_selected_experts <= c_.num_experts,
            "{} = {} must be from 1 to {} = {}", key("num_selected_experts"),
            c_.num_selected_experts, key("num_experts"), c_.num_experts);
    require(c_.expert_ffn_dim >= 1, "{} = 0 must be at least 1, since {} = {}",
            key("expert_ffn_dim"), key("num_experts"), c_.num_experts);
    require(c_.num_layers * c_.num_experts <= kMaxExpertsOfAllLayers,
            "{} * {} = {} * {} must be at most {}", key("num_layers"),
            key("num_experts"), c_.num_layers, c_.num_experts,
            kMaxExpertsOfAllLayers);
  }

  void check_numbers() const {
    require_positive(key("rope_theta"), c_.rope_theta);
    require_positive(key("rms_norm_eps"), c_.rms_norm_eps);
    require_positive(key("embedding_multiplier"), c_.embedding_multiplier);
    require_positive(key("attn_output_multiplier"), c_.attn_output_multiplier);
    require_positive(key("output_multiplier"), c_.output_multiplier);
    require_at_least_zero(key("attn_logit_softcap"), c_.attn_logit_softcap);
    require_at_least_zero(key("router_logit_softcap"), c_.router_logit_softcap);
    require_at_least_zero(key("final_logit_softcap"), c_.final_logit_softcap);
    require_at_least_zero(key("load_balance_loss"), c_.load_balance_loss);
    require_at_least_zero(key("router_z_loss"), c_.router_z_loss);
  }

  // Row lengths are 32-bit; counts must fit 64 bits.
  void check_products() const {
    const int64_t heads = c_.num_q_heads, kv_heads = c_.num_kv_heads;
    require(heads + 2 * kv_heads <= kMaxIndex / c_.head_dim,
            "({} + 2 * {}) * {} = ({} + 2 * {}) * {} must be at most {}",
            key("num_q_heads"), key("num_kv_heads"), key("head_dim"), heads,
            kv_heads, c_.head_dim, kMaxIndex);
    require(2 * c_.expert_ffn_dim <= kMaxIndex,
            "2 * {} = 2 * {} must be at most {}", key("expert_ffn_dim"),
            c_.expert_ffn_dim, kMaxIndex);
    require(2 * c_.dense_ffn_dim <= kMaxIndex,
            "2 * {} = 2 * {} must be at most {}", key("dense_ffn_dim"),
            c_.dense_ffn_dim, kMaxIndex);
    count_model(c_);
  }

  const ModelConfig& c_;
  const std::string& prefix_;
};

}  // namespace

void validate(const ModelConfig& config, const std::string& prefix) {
  ModelRules(config, prefix).check();
}

}  // namespace colossus::config
