#include "model/parameters.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "base/thread_pool.h"

namespace colossus::model {

ParameterList::ParameterList(const config::ModelConfig& c) {
  const double by_model_dim = 1 / std::sqrt(static_cast<double>(c.model_dim));
  embedding_ = add("model.embed_tokens.weight", {c.vocab_size, c.model_dim},
                   by_model_dim);
  for (int64_t layer = 0; layer < c.num_layers; ++layer) add_layer(c, layer);
  final_norm_ = add("model.norm.weight", {c.model_dim}, 0);
  head_ = c.tie_embeddings ? embedding_
                           : add("lm_head.weight", {c.vocab_size, c.model_dim},
                                 by_model_dim);
}

void ParameterList::add_layer(const config::ModelConfig& c, int64_t index) {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const int64_t D = c.model_dim, F = c.expert_ffn_dim;
  const auto std_of = [](int64_t fan_in) {
    return 1 / std::sqrt(static_cast<double>(fan_in));
  };
  const double residual =
      1 / std::sqrt(2.0 * static_cast<double>(c.num_layers));
  LayerOffsets o;
  o.pre_attn_norm = add(prefix + "pre_attn_norm.weight", {D}, 0);
  const std::string attention = prefix + "self_attn.";
  o.qkv = add(attention + "q_proj.weight", {c.q_dim(), D}, std_of(D));
  add(attention + "k_proj.weight", {c.kv_dim(), D}, std_of(D));
  add(attention + "v_proj.weight", {c.kv_dim(), D}, std_of(D));
  o.o = add(attention + "o_proj.weight", {D, c.q_dim()},
            std_of(c.q_dim()) * residual);
  o.post_attn_norm = add(prefix + "post_attn_norm.weight", {D}, 0);
  o.pre_moe_norm = add(prefix + "pre_moe_norm.weight", {D}, 0);
  if (c.has_experts()) {
    const std::string moe = prefix + "block_sparse_moe.";
    o.router = add(moe + "gate.weight", {c.num_experts, D}, std_of(D));
    for (int64_t e = 0; e < c.num_experts; ++e) {
      const std::string expert = moe + "experts." + std::to_string(e) + ".";
      const int64_t w1 = add(expert + "w1.weight", {F, D}, std_of(D));
      add(expert + "w3.weight", {F, D}, std_of(D));
      const int64_t w2 =
          add(expert + "w2.weight", {D, F}, std_of(F) * residual);
      if (e == 0) o.experts = w1;
      o.expert_down = w2 - w1;
      o.expert_stride = count_ - w1;
    }
  }
  if (c.has_dense_ffn()) {
    const std::string mlp = prefix + "mlp.";
    const int64_t dense = c.dense_ffn_dim;
    o.gate_up = add(mlp + "gate_proj.weight", {dense, D}, std_of(D));
    add(mlp + "up_proj.weight", {dense, D}, std_of(D));
    o.down =
        add(mlp + "down_proj.weight", {D, dense}, std_of(dense) * residual);
  }
  o.post_moe_norm = add(prefix + "post_moe_norm.weight", {D}, 0);
  layers_.push_back(o);
}

int64_t ParameterList::add(std::string name, std::vector<int64_t> shape,
                           double init_std) {
  const int64_t offset = count_;
  layout_.push_back({std::move(name), std::move(shape), offset});
  init_std_.push_back(init_std);
  count_ += layout_.back().num_elements();
  return offset;
}

int64_t ParameterList::padded_count(int64_t num_shards) const {
  const int64_t unit = 16 * num_shards;
  return (count_ + unit - 1) / unit * unit;
}

void initialize(const ParameterList& list, uint64_t seed, int64_t first,
                std::span<float> part, ThreadPool& pool) {
  constexpr int64_t kPiece = 65536;
  const int64_t last = first + static_cast<int64_t>(part.size());
  std::fill(part.begin(), part.end(), 0.0f);
  for (size_t index = 0; index < list.layout().size(); ++index) {
    const tensor::TensorEntry& tensor = list.layout()[index];
    const double std = list.init_std(index);
    // Of the tensor, the elements that lie in the part.
    const int64_t begin = std::max<int64_t>(0, first - tensor.offset);
    const int64_t end = std::min(tensor.num_elements(), last - tensor.offset);
    if (begin >= end) continue;
    float* to = part.data() + (tensor.offset - first);
    const uint64_t stream = stream_of("init/" + tensor.name);
    pool.run((end - begin + kPiece - 1) / kPiece, [&](int64_t piece, int) {
      const int64_t from = begin + piece * kPiece;
      for (int64_t i = from; i < std::min(end, from + kPiece); ++i) {
        to[i] = std == 0 ? 1.0f
                         : static_cast<float>(
                               std * random_normal(seed, stream,
                                                   static_cast<uint64_t>(i)));
      }
    });
  }
}

}  // namespace colossus::model
