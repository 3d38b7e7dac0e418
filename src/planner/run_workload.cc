#include "planner/run_workload.h"

#include <algorithm>

#include "planner/run_inputs.h"

namespace colossus::planner {
namespace {

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// One flat network: no published run says where its nodes stood. The B300 of
// published runs fit the network of their predecessor, not their own NICs of
// 800 Gb/s.
Machine machine_of_run(const RunInputs& inputs) {
  const Cluster& cluster = inputs.cluster;
  Machine machine = machine_of(cluster.device);
  const bool is_assumed = inputs.was_filled("internode_network");
  const bool is_b300 = cluster.device.name == "B300";
  set_flat_network(machine,
                   is_assumed && is_b300 ? 50e9 : cluster.node.nic_bandwidth);
  machine.is_omni_path = cluster.network.name == "omni-path";
  return machine;
}

SoftwareFacts facts_of(const PublishedRun& run, const RunInputs& inputs) {
  SoftwareFacts facts;
  facts.framework = run.framework;
  facts.version = run.framework_version;
  facts.precision = run.precision;
  if (contains(run.grad_accum_dtype, "fp32")) {
    facts.precision += " (fp32 grad accumulation)";
  }
  facts.model_name = run.model_name;
  facts.device = inputs.cluster.device.name;
  facts.num_devices = inputs.cluster.num_devices;
  facts.arithmetic = arithmetic_of(inputs.precision);
  facts.has_experts = inputs.model.has_experts();
  facts.has_latent_attention = inputs.model.has_latent_attention();
  return facts;
}

// Megatron's own kernels before FlashAttention, whatever the framework's name.
void set_attention(const PublishedRun& run, RunWorkload& result) {
  Software& software = result.workload.software;
  if (run.attention == "unfused") {
    software.attention = AttentionKernel::kUnfused;
    software.fuses_elementwise = true;
  } else if (run.attention == "cudnn") {
    software.attention = AttentionKernel::kCudnn;
  } else if (run.attention.empty()) {
    result.filled.emplace_back("attention");
  } else if (software.attention == AttentionKernel::kUnfused) {
    software.attention = AttentionKernel::kFlash2;
  }
}

void set_software(const PublishedRun& run, const SoftwareDefaults& defaults,
                  RunWorkload& result) {
  Software& software = result.workload.software;
  software = defaults.software;
  if (defaults.framework == "unknown") result.filled.emplace_back("framework");
  set_attention(run, result);
  if (run.compiled) {
    software.fuses_elementwise =
        *run.compiled || software.attention == AttentionKernel::kUnfused;
  } else {
    result.filled.emplace_back("compiled");
  }
  if (run.overlap == "async TP") {
    software.overlaps_tensor = true;
  } else if (run.overlap.empty()) {
    result.filled.emplace_back("overlap");
  }
  if (contains(run.notes, "per layer")) {
    software.selective = SelectiveRecomputation::kHalfOfTheLayers;
  }
}

// What the row leaves open, the framework decides.
void set_layout(const PublishedRun& run, const RunInputs& inputs,
                const SoftwareDefaults& defaults, Workload& workload) {
  Layout& layout = workload.layout;
  layout = inputs.layout;
  if (inputs.was_filled("sequence_parallel")) {
    layout.sequence_parallel = layout.tensor > 1 && defaults.sequence_parallel;
  }
  // Without FSDP, the optimizer may still be sharded.
  const bool is_open = inputs.was_filled("zero_or_fsdp") ||
                       contains(run.zero_or_fsdp, "no FSDP");
  if (is_open) layout.zero_stage = defaults.zero_stage;
  // torchtitan's interleaved schedule deals two chunks unless told otherwise.
  const bool is_interleaved = contains(run.notes, "Interleaved 1F1B");
  if (inputs.was_filled("vpp") && is_interleaved) layout.virtual_stages = 2;
  workload.recomputation = recomputation_of(layout);
}

// Where a pipeline's micro-batches are not printed, as many as stages.
void set_batch(const RunInputs& inputs, Workload& workload) {
  Layout& layout = workload.layout;
  workload.global_batch_sequences =
      static_cast<double>(inputs.global_batch_sequences);
  workload.seq_len = static_cast<double>(inputs.seq_len);
  if (inputs.was_filled("micro_batch") && layout.pipeline > 1) {
    layout.micro_batch_size = std::max<int64_t>(
        1, inputs.global_batch_sequences / layout.data / layout.pipeline);
  }
}

// Layers of MTP count; where layers do not divide by the chunks, embedding and
// head are slots if that helps. Where that does not help either, models with
// latent attention are split by hand in NVIDIA's recipes: the embedding is a
// slot, and the last stage holds two layers less.
void set_stages(Workload& workload) {
  const Transformer& model = *workload.model;
  Layout& layout = workload.layout;
  const int64_t layers = model.num_layers + model.num_mtp_layers;
  const int64_t chunks = layout.num_chunks();
  const bool is_split = layout.pipeline > 1;
  const bool by_slots =
      is_split && layers % chunks != 0 && (layers + 2) % chunks == 0;
  const bool by_hand = is_split && model.has_latent_attention() && !by_slots;
  layout.embedding_slot = by_slots || by_hand;
  layout.head_slot = by_slots;
  workload.stages = stage_layers(layers, layout);
  if (by_hand) {
    workload.stages.last = std::max(0.0, workload.stages.heaviest - 2);
  }
}

}  // namespace

RunWorkload workload_of(const PublishedRun& run) {
  const RunInputs inputs = inputs_of(run);
  RunWorkload result;
  if (!inputs.why_not.empty()) {
    result.why_not = inputs.why_not;
    return result;
  }
  for (const Filled& field : inputs.filled) {
    result.filled.push_back(field.column);
  }
  result.model = std::make_unique<Transformer>(inputs.model);
  result.machine = std::make_unique<Machine>(machine_of_run(inputs));
  const SoftwareDefaults defaults = software_defaults(facts_of(run, inputs));
  Workload& workload = result.workload;
  workload.model = result.model.get();
  workload.machine = result.machine.get();
  workload.arithmetic = arithmetic_of(inputs.precision);
  set_software(run, defaults, result);
  set_layout(run, inputs, defaults, workload);
  set_batch(inputs, workload);
  set_stages(workload);
  result.memory_has_contexts =
      workload.software.attention == AttentionKernel::kUnfused;
  return result;
}

}  // namespace colossus::planner
