#include "kernels/reference/reference_backend.h"

#include <memory>
#include <string>

#include "kernels/reference/reference_attention.h"
#include "kernels/reference/reference_experts.h"
#include "kernels/reference/reference_products.h"
#include "kernels/reference/reference_rows.h"

namespace colossus::kernels {
namespace {

class ReferenceBackend final : public Backend {
 public:
  std::string numerics_version() const override { return "reference"; }
  std::string description() const override { return "reference, 1 thread"; }
  uint64_t workspace_bytes() const override { return 0; }

#define COLOSSUS_FORWARD(function, Args) \
  void function(const Args& args) override { reference::function(args); }
  COLOSSUS_FORWARD(embedding_forward, EmbeddingForward)
  COLOSSUS_FORWARD(embedding_backward, EmbeddingBackward)
  COLOSSUS_FORWARD(rms_norm_forward, RmsNormForward)
  COLOSSUS_FORWARD(rms_norm_backward, RmsNormBackward)
  COLOSSUS_FORWARD(residual_norm_forward, ResidualNormForward)
  COLOSSUS_FORWARD(residual_norm_backward, ResidualNormBackward)
  COLOSSUS_FORWARD(linear_forward, LinearForward)
  COLOSSUS_FORWARD(linear_backward_input, LinearBackwardInput)
  COLOSSUS_FORWARD(linear_backward_weight, LinearBackwardWeight)
  COLOSSUS_FORWARD(gated_linear_forward, GatedLinearForward)
  COLOSSUS_FORWARD(gated_linear_backward_input, GatedLinearBackwardInput)
  COLOSSUS_FORWARD(attention_forward, AttentionForward)
  COLOSSUS_FORWARD(attention_backward, AttentionBackward)
  COLOSSUS_FORWARD(attention_decode, AttentionDecode)
  COLOSSUS_FORWARD(router_forward, RouterForward)
  COLOSSUS_FORWARD(router_dispatch, RouterDispatch)
  COLOSSUS_FORWARD(router_backward, RouterBackward)
  COLOSSUS_FORWARD(expert_combine_forward, ExpertCombineForward)
  COLOSSUS_FORWARD(expert_combine_backward, ExpertCombineBackward)
  COLOSSUS_FORWARD(expert_input_backward, ExpertInputBackward)
  COLOSSUS_FORWARD(head_loss, HeadLoss)
  COLOSSUS_FORWARD(head_logits, HeadLogits)
  COLOSSUS_FORWARD(add_into, AddInto)
  COLOSSUS_FORWARD(adamw_update, AdamWUpdate)
#undef COLOSSUS_FORWARD

  // One token's logits, and of each shard its own gradient of the head.
  int64_t head_workspace_floats(int64_t, int64_t dim, int64_t vocab_size,
                                int64_t num_shards,
                                bool backward) const override {
    return vocab_size + (backward ? num_shards * vocab_size * dim : 0);
  }
  double sum_of_squares(const SumOfSquares& args) override {
    return reference::sum_of_squares(args);
  }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() {
  return std::make_unique<ReferenceBackend>();
}

}  // namespace colossus::kernels
