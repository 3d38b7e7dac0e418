// The parameters of a Grok model: names, shapes and places in one flat vector.
//
// The flat vector is what the optimizer, the shards (slice i of S), checkpoints
// and gradients share. Matrices that one product reads lie side by side: q, k,
// v; gate and up; the three of an expert. Names and layouts [out, in] are those
// of the released Grok-2 files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "config/model_config.h"
#include "tensor/tensor_entry.h"

namespace colossus {
class ThreadPool;
}

namespace colossus::model {

// Offsets of one layer's parameters; -1 where the config has none.
struct LayerOffsets {
  int64_t pre_attn_norm, qkv, o, post_attn_norm, pre_moe_norm;
  int64_t router = -1;
  int64_t experts = -1;  // expert e: w1, w3, w2 from experts + e*expert_stride
  int64_t expert_stride = 0;
  int64_t expert_down = 0;  // of w2 within an expert
  int64_t gate_up = -1, down = -1;
  int64_t post_moe_norm;
};

class ParameterList {
 public:
  explicit ParameterList(const config::ModelConfig& config);

  const tensor::TensorLayout& layout() const { return layout_; }
  // Of tensor `index` of the layout: the standard deviation of its normal
  // initial values; 0: all ones.
  double init_std(size_t index) const { return init_std_[index]; }

  int64_t count() const { return count_; }
  // Rounded up so that S slices are equal and each a multiple of 16 floats.
  int64_t padded_count(int64_t num_shards) const;

  int64_t embedding() const { return embedding_; }
  int64_t final_norm() const { return final_norm_; }
  int64_t head() const { return head_; }  // the embedding's, when tied
  const LayerOffsets& layer(int64_t index) const {
    return layers_[static_cast<size_t>(index)];
  }

 private:
  int64_t add(std::string name, std::vector<int64_t> shape, double init_std);
  void add_layer(const config::ModelConfig& config, int64_t index);

  tensor::TensorLayout layout_;
  std::vector<double> init_std_;
  std::vector<LayerOffsets> layers_;
  int64_t count_ = 0;
  int64_t embedding_ = 0, final_norm_ = 0, head_ = 0;
};

// Fills a part of the flat vector, from element `first` on (padding: zeros).
// Element i of a parameter depends on (seed, its name, i) alone. Matrices are
// normal with sd 1/sqrt(fan_in), those that write into the residual stream
// further scaled by 1/sqrt(2 * layers).
void initialize(const ParameterList& list, uint64_t seed, int64_t first,
                std::span<float> part, ThreadPool& pool);

}  // namespace colossus::model
