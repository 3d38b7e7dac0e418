#include "planner/attention_cost.h"

#include <cmath>

namespace colossus::planner {
namespace {

// Reads two and writes one beside the forward's chain (counted).
constexpr double kSoftmaxBackward = 1.3;

// Mean width of a head's queries and values.
double core_width(const Workload& workload, const LayerShape& shape) {
  const Transformer& model = *workload.model;
  if (!model.has_latent_attention()) return shape.d;
  return static_cast<double>(model.qk_head_dim() + model.v_head_dim()) / 2;
}

Pass unfused_seconds(const CostInputs& in) {
  const LayerShape& a = in.shape;
  const Layout& layout = in.workload.layout;
  const double heads = static_cast<double>(layout.micro_batch_size) * a.q / a.t;
  const double groups = heads / static_cast<double>(layout.context);
  const double rate = in.rates.products_16;
  const double products =
      product_seconds({a.s, a.s, a.d, groups}, rate, in.rates) +
      product_seconds({a.s, a.d, a.s, groups}, rate, in.rates);
  // Megatron's fused softmax wants heads in fours.
  const bool fused = std::fmod(heads, 4) == 0;
  const double bytes = in.calibration.softmax_bytes *
                       (fused ? 1 : in.calibration.unfused_softmax);
  const double softmax = bytes * groups * a.s * a.s / in.rates.memory;
  return {products + softmax, 2 * products + kSoftmaxBackward * softmax};
}

Pass flash_seconds(const CostInputs& in) {
  const LayerShape& a = in.shape;
  const Layout& layout = in.workload.layout;
  const double scores = static_cast<double>(layout.micro_batch_size) * a.q /
                        a.t * a.s * a.s / static_cast<double>(layout.context) /
                        2 * a.score_share;
  const double width = core_width(in.workload, a);
  const double exponential = 1 / in.rates.exponentials;
  return {scores * (4 * width / in.rates.attention + exponential),
          scores * (10 * width / in.rates.attention + exponential)};
}

}  // namespace

Pass attention_core_seconds(const CostInputs& inputs) {
  return inputs.workload.software.attention == AttentionKernel::kUnfused
             ? unfused_seconds(inputs)
             : flash_seconds(inputs);
}

}  // namespace colossus::planner
