#include "planner/layer_cost.h"

#include <algorithm>

#include "planner/attention_cost.h"

namespace colossus::planner {
namespace {

constexpr double kElement = 2;  // bytes, of activations

Pass latent_products(const CostInputs& in) {
  const LayerShape& a = in.shape;
  const LatentAttention& l = in.workload.model->latent;
  const auto rq = static_cast<double>(l.q_lora_rank);
  const auto rkv = static_cast<double>(l.kv_lora_rank);
  const auto rope = static_cast<double>(l.qk_rope_head_dim);
  const auto nope = static_cast<double>(l.qk_nope_head_dim);
  const auto value = static_cast<double>(l.v_head_dim);
  const double rate = in.rates.products;
  const double query_input = rq > 0 ? rq : a.h;
  Pass pass = linear_seconds({a.tok, rq + rkv + rope, a.h}, rate, in.rates);
  pass += linear_seconds({a.tok, a.q * (nope + rope) / a.t, query_input}, rate,
                         in.rates);
  pass +=
      linear_seconds({a.tok, a.q * (nope + value) / a.t, rkv}, rate, in.rates);
  pass += linear_seconds({a.tok, a.h, a.q * value / a.t}, rate, in.rates);
  return pass;
}

// T2: queries, keys and values in one product; the output's.
Pass attention_products(const CostInputs& in) {
  if (in.workload.model->has_latent_attention()) return latent_products(in);
  const LayerShape& a = in.shape;
  const double rate = in.rates.products;
  const double width = (a.q + 2 * a.kv) * a.d / a.t;
  Pass pass = linear_seconds({a.tok, width, a.h}, rate, in.rates);
  pass += linear_seconds({a.tok, a.h, a.q * a.d / a.t}, rate, in.rates);
  return pass;
}

// T2: a dense feed-forward of `width`.
Pass dense_ffn(const CostInputs& in, double width) {
  const LayerShape& a = in.shape;
  const double rate = in.rates.products;
  Pass pass = linear_seconds({a.tok, width * a.up / a.t, a.h}, rate, in.rates);
  pass += linear_seconds({a.tok, a.h, width / a.t}, rate, in.rates);
  return pass;
}

// Tokens of one of this rank's experts.
double tokens_of_expert(const CostInputs& in) {
  const LayerShape& a = in.shape;
  return a.tok / a.t * a.topk * static_cast<double>(in.workload.layout.expert) /
         a.experts;
}

// T2: experts as products in groups, and what stands beside them.
Pass ffn(const CostInputs& in) {
  const LayerShape& a = in.shape;
  if (!a.has_experts) return dense_ffn(in, a.f);
  const double tokens = tokens_of_expert(in);
  const double rate = in.rates.experts;
  Pass pass = linear_seconds({tokens, a.f * a.up, a.h, a.local_experts}, rate,
                             in.rates);
  pass += linear_seconds({tokens, a.h, a.f, a.local_experts}, rate, in.rates);
  if (a.shared > 0) pass += dense_ffn(in, a.shared);
  return pass;
}

// T4: passes over activations, counted: norms, residuals and rotations 12 h,
// queries and outputs 2 q d, activation 2 up + 1 of f. T5: what is quantised.
// Backward twice the forward.
Pass memory_bound(const CostInputs& in) {
  const LayerShape& a = in.shape;
  const double f = (a.has_experts ? a.f * a.topk + a.shared : a.f) / a.t;
  const double passes = in.workload.software.fuses_elementwise
                            ? in.calibration.fused_elementwise
                            : in.calibration.separate_elementwise;
  double bytes =
      kElement * a.tok * passes *
      (12 * a.h * a.norm_share + 2 * a.q * a.d / a.t + (2 * a.up + 1) * f);
  if (in.workload.arithmetic != Arithmetic::k16Bit) {
    bytes += in.calibration.quantize_bytes * a.tok *
             (2 * a.h + a.q * a.d / a.t + f * (1 + a.up) / 2);
  }
  const double seconds = bytes / in.rates.memory;
  return {seconds, 2 * seconds};
}

// T6: each micro-batch's are added to a buffer of 16 bits: 2 bytes read, 2
// written. Of experts, the shared ones' are left out.
double weight_gradients(const CostInputs& in) {
  if (!in.workload.software.accumulates_gradients) return 0;
  const LayerShape& a = in.shape;
  const double parameters =
      a.has_experts ? a.local_experts * a.expert_parameters
                    : (a.attention_parameters + a.ffn_parameters) / a.t;
  return 2 * kElement * parameters / in.rates.memory;
}

// T7: tokens are brought to their experts and back.
Pass permute(const CostInputs& in) {
  const LayerShape& a = in.shape;
  if (!a.has_experts) return {};
  const double seconds = in.calibration.permute_passes * kElement * a.tok /
                         a.t * a.topk * a.h / in.rates.memory;
  return {seconds, 2 * seconds};
}

// T7: experts with biases, their activations not fused; T7b: a release whose
// kernel for the gradient of their second product was slow.
Pass expert_bias(const CostInputs& in) {
  const LayerShape& a = in.shape;
  const Software& software = in.workload.software;
  if (!a.has_experts || !in.workload.model->ffn_bias) return {};
  Pass pass;
  if (!software.fuses_expert_bias) {
    const double seconds = in.calibration.expert_bias_passes * kElement *
                           a.tok / a.t * a.topk * a.f / in.rates.memory;
    pass = {seconds / 3, seconds * 2 / 3};
  }
  if (software.slow_biased_gradient) {
    const Product gradient = {tokens_of_expert(in), a.f, a.h, a.local_experts};
    pass.backward += (in.calibration.biased_gradient_slowdown - 1) *
                     product_seconds(gradient, in.rates.experts, in.rates);
  }
  return pass;
}

// T7: to the experts and back, each direction.
Pass all_to_all(const CostInputs& in) {
  const LayerShape& a = in.shape;
  if (!a.has_experts || in.workload.software.hides_all_to_all) return {};
  const double seconds =
      all_to_all_seconds(2 * kElement * a.tok / a.t * a.h, a.topk,
                         static_cast<double>(in.workload.layout.expert),
                         *in.workload.machine, in.calibration);
  return {seconds, seconds};
}

// T8: two all-reduces a direction, or as many gathers and scatters. A group
// beyond NVLink sends through all NICs of its nodes.
Pass tensor_parallel(const CostInputs& in) {
  const LayerShape& a = in.shape;
  if (a.t <= 1) return {};
  const Machine& machine = *in.workload.machine;
  Link link = link_across(machine, a.t, in.calibration);
  if (is_beyond_nvlink(machine, a.t)) {
    link.bytes_per_second *= machine.nvlink_domain;
  }
  const double exposed =
      in.workload.software.overlaps_tensor ? in.calibration.tensor_exposed : 1;
  const double seconds =
      2 * all_reduce_seconds(kElement * a.tok * a.h, a.t, link) * exposed;
  return {seconds, seconds};
}

// T9: a ring of keys and values, hidden behind the attention core (Ring
// Attention, arXiv 2310.01889).
Pass context_parallel(const CostInputs& in, const Pass& core) {
  const LayerShape& a = in.shape;
  const auto ranks = static_cast<double>(in.workload.layout.context);
  if (ranks <= 1) return {};
  const Link link =
      link_across(*in.workload.machine, ranks * a.t, in.calibration);
  const double ring =
      (ranks - 1) * send_seconds(2 * kElement * a.tok * a.kv * a.d / a.t, link);
  return {std::max(0.0, ring - core.forward),
          std::max(0.0, 2 * ring - core.backward)};
}

// T10 (arXiv 2205.05198, section 5; torchtitan's activation checkpointing).
double recompute(const CostInputs& in, const LayerCost& layer) {
  switch (in.workload.recomputation) {
    case Recomputation::kNone:
      return 0;
    case Recomputation::kFull:
      return layer.forward();
    case Recomputation::kSelective:
      break;
  }
  switch (in.workload.software.selective) {
    case SelectiveRecomputation::kHalfOfTheProducts:
      return 0.5 * (layer.attention_products.forward + layer.ffn.forward) +
             layer.memory_bound.forward;
    case SelectiveRecomputation::kHalfOfTheLayers:
      return 0.5 * layer.forward();
    case SelectiveRecomputation::kAttentionScores:
      break;
  }
  return layer.attention_core.forward;
}

// T11: where no graph holds a layer with experts, the host needs its time.
double host_wait(const CostInputs& in, double device_seconds) {
  const bool waits =
      in.shape.has_experts && in.workload.software.graph == GraphCapture::kNone;
  if (!waits) return 0;
  return std::max(0.0, in.calibration.moe_host_seconds - device_seconds);
}

}  // namespace

double LayerCost::forward() const {
  return attention_products.forward + ffn.forward + attention_core.forward +
         memory_bound.forward + permute.forward + expert_bias.forward +
         all_to_all.forward + tensor_parallel.forward +
         context_parallel.forward;
}

double LayerCost::backward() const {
  return attention_products.backward + ffn.backward + attention_core.backward +
         memory_bound.backward + weight_gradients + permute.backward +
         expert_bias.backward + all_to_all.backward + tensor_parallel.backward +
         context_parallel.backward;
}

double LayerCost::seconds() const {
  return forward() + backward() + recompute + host_wait;
}

LayerCost layer_cost(const CostInputs& inputs) {
  LayerCost layer;
  layer.attention_products = attention_products(inputs);
  layer.ffn = ffn(inputs);
  layer.attention_core = attention_core_seconds(inputs);
  layer.memory_bound = memory_bound(inputs);
  layer.weight_gradients = weight_gradients(inputs);
  layer.permute = permute(inputs);
  layer.expert_bias = expert_bias(inputs);
  layer.all_to_all = all_to_all(inputs);
  layer.tensor_parallel = tensor_parallel(inputs);
  layer.context_parallel = context_parallel(inputs, layer.attention_core);
  layer.recompute = recompute(inputs, layer);
  layer.host_wait = host_wait(inputs, layer.seconds());
  return layer;
}

double head_seconds(const CostInputs& in) {
  const LayerShape& a = in.shape;
  const Product product = {a.tok, a.V / a.t, a.h};
  const double once =
      linear_seconds(product, in.rates.products_16, in.rates).sum() +
      in.calibration.loss_bytes * a.tok * a.V / a.t / in.rates.memory;
  return once * static_cast<double>(1 + in.workload.model->num_mtp_layers);
}

}  // namespace colossus::planner
