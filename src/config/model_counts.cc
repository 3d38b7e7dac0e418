#include "config/model_counts.h"

#include <initializer_list>

#include "base/error.h"

namespace colossus::config {
namespace {

constexpr int64_t kMaxCount = int64_t{1} << 60;

// A sum of products that remembers whether it ever left its range.
class Count {
 public:
  Count& add(std::initializer_list<int64_t> factors) {
    int64_t product = 1;
    for (const int64_t factor : factors) {
      overflow_ |= __builtin_mul_overflow(product, factor, &product);
    }
    overflow_ |= __builtin_add_overflow(value_, product, &value_);
    overflow_ |= value_ > kMaxCount;
    return *this;
  }
  int64_t value() const { return value_; }
  bool overflow() const { return overflow_; }

 private:
  int64_t value_ = 0;
  bool overflow_ = false;
};

// Matrices of all layers, with `experts` experts in each.
Count layer_matrices(const ModelConfig& c, int64_t experts) {
  const int64_t layers = c.num_layers, dim = c.model_dim, head = c.head_dim;
  Count count;
  count.add({layers, dim, c.num_q_heads, head, 2});   // q and o
  count.add({layers, dim, c.num_kv_heads, head, 2});  // k and v
  if (c.has_experts()) {
    count.add({layers, c.num_experts, dim});  // the router
    count.add({layers, experts, 3, c.expert_ffn_dim, dim});
  }
  if (c.has_dense_ffn()) count.add({layers, 3, c.dense_ffn_dim, dim});
  return count;
}

void add_norms_and_embeddings(const ModelConfig& c, Count& count) {
  count.add({c.num_layers, 4, c.model_dim});
  count.add({c.model_dim});
  count.add({c.vocab_size, c.model_dim});
  if (!c.tie_embeddings) count.add({c.vocab_size, c.model_dim});
}

}  // namespace

std::optional<ModelCounts> try_count_model(const ModelConfig& config) {
  Count total = layer_matrices(config, config.num_experts);
  add_norms_and_embeddings(config, total);
  if (total.overflow()) return std::nullopt;
  // No larger than the total as long as S <= E, so that it cannot overflow.
  const int64_t selected = config.num_selected_experts < config.num_experts
                               ? config.num_selected_experts
                               : config.num_experts;
  Count active = layer_matrices(config, selected);
  Count matrices = active;
  add_norms_and_embeddings(config, active);
  matrices.add({config.vocab_size, config.model_dim});
  return ModelCounts{.total_parameters = total.value(),
                     .active_parameters = active.value(),
                     .active_matrix_parameters = matrices.value()};
}

ModelCounts count_model(const ModelConfig& config) {
  const std::optional<ModelCounts> counts = try_count_model(config);
  if (!counts) {
    throw user_error(
        "the model has more than 2^60 parameters: num_layers = {}, model_dim = "
        "{}, vocab_size = {}, num_experts = {}",
        config.num_layers, config.model_dim, config.vocab_size,
        config.num_experts);
  }
  return *counts;
}

double training_flops_per_token(const ModelConfig& config, int64_t seq_len) {
  const auto matrices =
      static_cast<double>(count_model(config).active_matrix_parameters);
  const double attention = static_cast<double>(config.num_layers) *
                           static_cast<double>(config.q_dim()) *
                           static_cast<double>(seq_len);
  return 6.0 * matrices + 6.0 * attention;
}

}  // namespace colossus::config
