#include "planner/memory.h"

#include <algorithm>
#include <cmath>

#include "planner/layer_shape.h"

namespace colossus::planner {
namespace {

constexpr double kElement = 2;  // bytes, of activations

// What decides a stage's memory.
struct Stage {
  double layers;
  bool has_embedding, has_head;
  double in_flight;  // micro-batches whose activations it holds
};

// Parameters of a stage on one rank.
struct Held {
  double layer;       // of one layer, without routed experts
  double table;       // embedding, and the head where it is another
  double parameters;  // of the stage
  double experts;
  double replicas, expert_replicas;
};

Held held_by(const Workload& workload, const LayerShape& a,
             const Stage& stage) {
  const Layout& layout = workload.layout;
  const bool both =
      stage.has_embedding && stage.has_head && !workload.model->tie_embeddings;
  const bool none = !stage.has_embedding && !stage.has_head;
  Held held;
  held.layer = (a.attention_parameters + a.ffn_parameters) / a.t;
  held.table = a.V * a.h / a.t * (both ? 2 : none ? 0 : 1);
  held.parameters = stage.layers * held.layer + held.table;
  held.experts = stage.layers * a.local_experts * a.expert_parameters;
  held.replicas = static_cast<double>(layout.data * layout.context);
  held.expert_replicas =
      std::max(1.0, held.replicas * a.t / static_cast<double>(layout.expert));
  return held;
}

// M1: 16-bit weights and gradients, sums in fp32 where they are kept, Adam's 12
// bytes over who shares them (ZeRO, arXiv 1910.02054, section 3); FSDP 16 over
// all; experts 4 and 12, with ZeRO over their own replicas.
double states(const Workload& workload, const Held& held) {
  const Software& software = workload.software;
  const bool shared = workload.layout.zero_stage > 0;
  double bytes = 16 / held.replicas;
  if (!workload.is_fully_sharded()) {
    const double optimizer =
        shared ? software.zero1_state_bytes / held.replicas : 12;
    bytes = 4 + software.gradient_sum_bytes + optimizer;
  }
  const double expert_optimizer = shared ? 12 / held.expert_replicas : 12;
  return bytes * held.parameters + (4 + expert_optimizer) * held.experts;
}

// M2: two layers with their gradients, embedding and head; where gradients
// alone are sharded, the stage's weights and two layers' gradients; where
// weights are gathered once a step, the stage with its gradients in fp32.
double gathered(const Workload& workload, const Held& held) {
  if (!workload.is_fully_sharded()) return 0;
  const bool whole_stage =
      workload.software.fsdp_once_with_pipeline && workload.layout.pipeline > 1;
  if (whole_stage) return 6 * held.parameters;
  if (workload.layout.zero_stage == 2) {
    return 2 * held.parameters + 4 * held.layer;
  }
  return 8 * held.layer + 3 * held.table;
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

// Micro-batches that stage 0 or 1 holds (arXiv 2104.04473, section 2.2): p - i;
// interleaved, of v chunks, ((v - 1) p + 2 (p - 1 - i) + 1) / v.
double in_flight(const Workload& workload, double stage) {
  const auto stages = static_cast<double>(workload.layout.pipeline);
  const auto chunks = static_cast<double>(workload.layout.virtual_stages);
  const double interleaved =
      ((chunks - 1) * stages + 2 * (stages - 1 - stage) + 1) / chunks;
  const double held = chunks > 1 ? interleaved : stages - stage;
  return std::min(workload.num_micro_batches(), held);
}

MemoryUse use_of(const Workload& workload, const LayerShape& a,
                 const Calibration& calibration, const Stage& stage) {
  const LayerActivations layer = activations_of(workload, a);
  const Held held = held_by(workload, a, stage);
  MemoryUse use;
  use.states = states(workload, held);
  use.gathered = gathered(workload, held);
  use.activations =
      kept_a_token(workload, layer) * a.tok * stage.layers * stage.in_flight;
  use.live = live_layer(workload, layer, a);
  if (stage.has_head) {
    use.live = std::max(use.live, live_logits(workload, a, calibration));
  }
  // M5: DeepSpeed's, of its sharded optimizer.
  use.buffers =
      workload.layout.zero_stage == 1 ? workload.software.bucket_bytes : 0;
  use.reserve = use.allocated() * (calibration.reserve - 1);
  use.fragments = use.reserve * calibration.unreturned_reserve;
  use.contexts = calibration.context_bytes;
  return use;
}

}  // namespace

MemoryUse memory_use(const Workload& workload, const Calibration& calibration) {
  const LayerShape shape(workload);
  const StageLayers& layers = workload.stages;
  const int64_t stages = workload.layout.pipeline;
  if (stages == 1) {
    return use_of(workload, shape, calibration, {layers.first, true, true, 1});
  }
  MemoryUse heaviest =
      use_of(workload, shape, calibration,
             {layers.first, true, false, in_flight(workload, 0)});
  const auto consider = [&](const Stage& stage) {
    const MemoryUse use = use_of(workload, shape, calibration, stage);
    if (use.allocated() > heaviest.allocated()) heaviest = use;
  };
  consider({layers.last, false, true, 1});
  // Where the embedding is a slot, the second stage has a layer more.
  if (stages > 2 && layers.second > layers.first) {
    consider({layers.second, false, false, in_flight(workload, 1)});
  }
  return heaviest;
}

// Of L layers on p stages one has at least ceil(L / p). It can be taken for the
// first, which holds most micro-batches and the embedding, or, where the
// embedding counts as a layer, the second: chunks are dealt the fuller ones
// first. Interleaving holds more micro-batches, not fewer.
double least_needed_bytes(const Workload& workload,
                          const Calibration& calibration) {
  const LayerShape shape(workload);
  const auto stages = static_cast<double>(workload.layout.pipeline);
  Stage stage = {std::ceil(shape.L / stages), false, false, 1};
  if (stages == 1) stage.has_embedding = stage.has_head = true;
  if (stages > 2) {
    stage.in_flight = std::min(workload.num_micro_batches(), stages - 1);
  }
  return use_of(workload, shape, calibration, stage).needed();
}

}  // namespace colossus::planner
