#include "planner/memory.h"

#include <algorithm>

#include "planner/layer_shape.h"

namespace colossus::planner {
namespace {

constexpr double kElement = 2;  // bytes, of activations

// Parameters of the first stage on one rank.
struct Held {
  double layer;       // of one layer, without routed experts
  double table;       // embedding, and the head where it is another
  double parameters;  // of the stage
  double experts;
  double replicas, expert_replicas;
};

// With several stages, the first holds the embedding alone.
Held held_by(const Workload& workload, const LayerShape& a) {
  const Layout& layout = workload.layout;
  const bool both = layout.pipeline == 1 && !workload.model->tie_embeddings;
  const double layers = workload.stages.first;
  Held held;
  held.layer = (a.attention_parameters + a.ffn_parameters) / a.t;
  held.table = a.V * a.h / a.t * (both ? 2 : 1);
  held.parameters = layers * held.layer + held.table;
  held.experts = layers * a.local_experts * a.expert_parameters;
  held.replicas = static_cast<double>(layout.data * layout.context);
  held.expert_replicas =
      std::max(1.0, held.replicas * a.t / static_cast<double>(layout.expert));
  return held;
}

// M1: 16-bit weights and gradients, sums in fp32 where they are kept, Adam's 12
// bytes over who shares them (ZeRO, arXiv 1910.02054, section 3); FSDP 16 over
// all; experts 4 and 12 over their own replicas.
double states(const Workload& workload, const Held& held) {
  const Software& software = workload.software;
  double bytes = 16 / held.replicas;
  if (!workload.is_fully_sharded()) {
    const bool shared = workload.layout.zero_stage > 0;
    const double optimizer =
        shared ? software.zero1_state_bytes / held.replicas : 12;
    bytes = 4 + software.gradient_sum_bytes + optimizer;
  }
  return bytes * held.parameters +
         (4 + 12 / held.expert_replicas) * held.experts;
}

// M2: two layers with their gradients, embedding and head; where weights are
// gathered once a step, the stage with its gradients in fp32.
double gathered(const Workload& workload, const Held& held) {
  if (!workload.is_fully_sharded()) return 0;
  const bool whole_stage =
      workload.software.fsdp_once_with_pipeline && workload.layout.pipeline > 1;
  return whole_stage ? 6 * held.parameters : 8 * held.layer + 3 * held.table;
}

// M3: bytes a token of one layer (arXiv 2205.05198, section 4, without
// dropout).
struct LayerActivations {
  double kept;    // all that the backward pass reads, without scores
  double scores;  // unfused attention's
  double input;   // of the layer
  double half_of_the_products;
};

LayerActivations activations_of(const Workload& workload, const LayerShape& a) {
  LayerActivations bytes;
  const double norms = (a.has_experts ? 2 : 4) * kElement * a.h * a.norm_share;
  const double dense = a.has_experts ? a.shared : a.f;
  const double heads = (2 * a.q + 2 * a.kv) * a.d;
  bytes.kept = norms + kElement * (heads + (a.up + 1) * dense) / a.t;
  if (a.has_experts) {
    bytes.kept +=
        (a.topk * (a.h + (a.up + 1) * a.f) * kElement + 4 * a.h) / a.t;
  }
  const bool unfused = workload.software.attention == AttentionKernel::kUnfused;
  bytes.scores = unfused ? 5 * a.q / a.t * a.s : 0;
  bytes.input = kElement * a.h * a.norm_share;
  bytes.half_of_the_products =
      kElement * (2 * a.h + 2 * a.q * a.d + a.kv * a.d + a.f) / a.t;
  return bytes;
}

double kept_a_token(const Workload& workload, const LayerActivations& layer) {
  if (workload.recomputation == Recomputation::kFull) return layer.input;
  if (workload.recomputation == Recomputation::kNone) {
    return layer.kept + layer.scores;
  }
  switch (workload.software.selective) {
    case SelectiveRecomputation::kHalfOfTheLayers:
      return (layer.input + layer.kept) / 2;
    case SelectiveRecomputation::kHalfOfTheProducts:
      return layer.half_of_the_products;
    case SelectiveRecomputation::kAttentionScores:
      break;
  }
  return layer.kept;
}

// One layer at work, its inputs gathered where they are cut along the sequence.
double live_layer(const Workload& workload, const LayerActivations& layer,
                  const LayerShape& a) {
  const bool full = workload.recomputation == Recomputation::kFull;
  const double inputs =
      workload.layout.sequence_parallel ? 3 * kElement * a.h : 0;
  return (inputs + layer.kept + (full ? layer.scores : 0)) * a.tok;
}

// M4.
double live_logits(const Workload& workload, const LayerShape& a,
                   const Calibration& calibration) {
  const bool is_fused = workload.software.fuses_loss;
  const double bytes =
      is_fused ? calibration.fused_loss_bytes : calibration.logit_bytes;
  return bytes * a.tok * a.V / a.t;
}

// Micro-batches that the first stage holds (arXiv 2104.04473, section 2.2).
double in_flight(const Workload& workload) {
  const auto stages = static_cast<double>(workload.layout.pipeline);
  if (stages == 1) return 1;
  const auto chunks = static_cast<double>(workload.layout.num_chunks());
  const double interleaved =
      workload.layout.virtual_stages > 1 ? (stages - 1) / chunks : 0;
  return std::min(workload.num_micro_batches(), stages * (1 + interleaved));
}

// M3, M4: the first stage with its micro-batches in flight, or the last with
// one and the logits.
void add_activations(const Workload& workload, const LayerShape& a,
                     const Calibration& calibration, MemoryUse& use) {
  const LayerActivations layer = activations_of(workload, a);
  const double stage =
      kept_a_token(workload, layer) * a.tok * workload.stages.first;
  const double work = live_layer(workload, layer, a);
  const double end = std::max(live_logits(workload, a, calibration), work);
  const double first = stage * in_flight(workload);
  const bool is_one_stage = workload.layout.pipeline == 1;
  if (is_one_stage || stage + end > first + work) {
    use.activations = stage;
    use.live = end;
  } else {
    use.activations = first;
    use.live = work;
  }
}

}  // namespace

MemoryUse memory_use(const Workload& workload, const Calibration& calibration) {
  const LayerShape shape(workload);
  const Held held = held_by(workload, shape);
  MemoryUse use;
  use.states = states(workload, held);
  use.gathered = gathered(workload, held);
  add_activations(workload, shape, calibration, use);
  // M5: DeepSpeed's, of its sharded optimizer.
  use.buffers =
      workload.layout.zero_stage == 1 ? workload.software.bucket_bytes : 0;
  use.reserve = use.allocated() * (calibration.reserve - 1);
  use.fragments = use.reserve * calibration.unreturned_reserve;
  use.contexts = calibration.context_bytes;
  return use;
}

}  // namespace colossus::planner
