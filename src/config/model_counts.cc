#include "config/model_counts.h"

#include <algorithm>
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

int64_t norm_parameters(const ModelConfig& c) {
  return (4 * c.num_layers + 1) * c.model_dim;
}

}  // namespace

std::optional<ModelCounts> try_count_model(const ModelConfig& config) {
  const int64_t tables = config.tie_embeddings ? 1 : 2;
  Count total = layer_matrices(config, config.num_experts);
  total.add({tables, config.vocab_size, config.model_dim});
  total.add({4, config.num_layers, config.model_dim});
  total.add({config.model_dim});
  if (total.overflow()) return std::nullopt;
  // Parts of the total, so that they cannot overflow.
  const int64_t selected =
      std::min(config.num_selected_experts, config.num_experts);
  Count matrices = layer_matrices(config, selected);
  matrices.add({config.vocab_size, config.model_dim});  // the head
  return ModelCounts{
      .total_parameters = total.value(),
      .active_parameters = matrices.value() + norm_parameters(config),
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
