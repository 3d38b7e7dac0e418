#include "planner/software.h"

#include <algorithm>

namespace colossus::planner {
namespace {

struct Row {
  const char* framework;
  const char* from_version;  // compared as text; dates and releases sort so
  const char* words;
  SoftwareDefaults (*defaults)();
};

SoftwareDefaults megatron_2021() {
  SoftwareDefaults d;
  d.software.attention = AttentionKernel::kUnfused;
  d.software.fuses_elementwise = true;
  return d;
}

SoftwareDefaults megatron_deepspeed() {
  SoftwareDefaults d = megatron_2021();
  d.software.sends_slices = false;
  d.software.all_reduces_for_zero1 = true;
  d.software.zero1_state_bytes = 18;  // fp32 gradient and a flat copy beside
  d.software.bucket_bytes = 2 * 5e8 * 2;  // its default: two of 5e8 elements
  return d;
}

SoftwareDefaults megatron_core() {
  SoftwareDefaults d;
  d.sequence_parallel = true;
  d.zero_stage = 1;
  d.software.overlaps_tensor = true;
  d.software.overlaps_gradients = true;
  d.software.accumulates_gradients = true;
  d.software.fuses_loss = true;
  return d;
}

SoftwareDefaults llm_foundry() {
  SoftwareDefaults d;
  d.zero_stage = 3;
  d.software.attention = AttentionKernel::kFlash1;
  d.software.fuses_loss = true;
  return d;
}

SoftwareDefaults torchtitan() {
  SoftwareDefaults d;
  d.sequence_parallel = true;
  d.zero_stage = 3;
  d.software.attention = AttentionKernel::kFlash2;
  d.software.fsdp_once_with_pipeline = true;
  d.software.fsdp_scatter_bytes = 4;
  d.software.selective = SelectiveRecomputation::kHalfOfTheProducts;
  return d;
}

SoftwareDefaults torchtitan_compiled() {
  SoftwareDefaults d = torchtitan();
  d.software.fuses_elementwise = true;
  return d;
}

SoftwareDefaults torchtitan_2025() {
  SoftwareDefaults d = torchtitan_compiled();
  d.software.fuses_loss = true;
  return d;
}

SoftwareDefaults unknown() { return {}; }

// Of one framework, the last row whose version is not above the asked one.
constexpr Row kTable[] = {
    {"megatron-lm", "",
     "unfused attention, JIT-fused elementwise, no overlap of tensor or "
     "gradients",
     megatron_2021},
    {"megatron-lm", "2023", "as megatron-bridge", megatron_core},
    {"megatron-deepspeed", "",
     "as megatron-lm until 2022; whole activations between stages; ZeRO-1 "
     "all-reduces gradients, then gathers weights",
     megatron_deepspeed},
    {"llm-foundry", "",
     "FlashAttention 1, a kernel an operation, FSDP each micro-batch; 'amp': "
     "gradients exchanged in fp32; loss fused",
     llm_foundry},
    {"torchtitan", "",
     "FlashAttention 2, sequence parallel, FSDP with gradients in fp32 (fp8: "
     "gathers fp8), once a step with a pipeline; selective = every second "
     "product; compiled with fp8",
     torchtitan},
    {"torchtitan", "2024-12", "the same, compiled", torchtitan_compiled},
    {"torchtitan", "2025", "the same, loss fused", torchtitan_2025},
    {"nemo", "",
     "cuDNN attention, sequence parallel, tensor traffic overlapped (not with "
     "nvfp4), distributed optimizer, gradients overlapped and in 16 bits",
     megatron_core},
    {"megatron-bridge", "",
     "as nemo; for experts, graphs by model, GPU and release", megatron_core},
    {"unknown", "",
     "cuDNN or FlashAttention 2, a kernel an operation, nothing overlapped",
     unknown},
};

const Row& row_of(const std::string& framework, const std::string& version) {
  const Row* found = &kTable[std::size(kTable) - 1];
  for (const Row& row : kTable) {
    if (row.framework != framework) continue;
    if (*row.from_version == '\0' || version >= row.from_version) found = &row;
  }
  return *found;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

bool is_grace(const SoftwareFacts& facts) {
  return facts.device == "GB200" || facts.device == "GB300";
}

bool is_release(const std::string& version) {
  return version.size() >= 5 && version[0] == '2' && version[2] == '.';
}

// Megatron-Bridge's recipes of models with experts (tags v0.2.0 to v0.6.0):
// from 26.06, mxfp8 on Grace machines (and one B300 node), one graph holds the
// whole step; before, parts of it.
GraphCapture recipe_graph(const SoftwareFacts& facts) {
  if (contains(facts.model_name, "Kimi")) return GraphCapture::kNone;
  const bool is_b300 = facts.device == "B300";
  const bool is_recent = is_release(facts.version) && facts.version >= "26.06";
  const bool whole = is_recent && contains(facts.precision, "mx") &&
                     (is_grace(facts) || (is_b300 && facts.num_devices <= 8));
  if (whole) return GraphCapture::kWholeStep;
  const bool is_deepseek = facts.has_latent_attention;
  if (is_deepseek && facts.device == "GB300") return GraphCapture::kNone;
  const bool is_oss = contains(facts.model_name, "OSS");
  const bool b300_has = is_oss || (is_deepseek && facts.version >= "26.04");
  const bool partial = is_grace(facts) || (is_b300 && b300_has);
  return partial ? GraphCapture::kPartial : GraphCapture::kNone;
}

void apply_expert_recipe(const SoftwareFacts& facts, Software& software) {
  software.graph = recipe_graph(facts);
  const bool whole = software.graph == GraphCapture::kWholeStep;
  software.fp8_attention = whole;
  software.hides_all_to_all = whole;
  software.fuses_expert_bias = whole;
  software.slow_biased_gradient = facts.version == "26.06.01";
}

void apply_precision(const SoftwareFacts& facts, const std::string& framework,
                     Software& software) {
  const bool is_core = software.accumulates_gradients;
  if (is_core && facts.arithmetic == Arithmetic::k4Bit) {
    software.overlaps_tensor = false;
  }
  if (framework == "torchtitan" && facts.arithmetic == Arithmetic::k8Bit) {
    software.fsdp_gather_bytes = 1;
    software.fuses_elementwise = true;
  }
  const bool is_amp = facts.precision.starts_with("amp");
  if (framework == "llm-foundry" && is_amp) software.fsdp_scatter_bytes = 4;
  if (contains(facts.precision, "fp32 grad")) {
    software.gradient_bytes = 4;
    software.gradient_sum_bytes = 4;
  }
}

}  // namespace

SoftwareDefaults software_defaults(const SoftwareFacts& facts) {
  const Row& row = row_of(facts.framework, facts.version);
  SoftwareDefaults defaults = row.defaults();
  defaults.framework = row.framework;
  const bool is_unknown = defaults.framework == "unknown";
  if (is_unknown && facts.device.starts_with("A100")) {
    defaults.software.attention = AttentionKernel::kFlash2;
  }
  apply_precision(facts, defaults.framework, defaults.software);
  const bool is_core = defaults.software.accumulates_gradients;
  if (facts.has_experts && is_core) {
    apply_expert_recipe(facts, defaults.software);
  }
  return defaults;
}

std::vector<FrameworkRow> framework_table() {
  std::vector<FrameworkRow> rows;
  for (const Row& row : kTable) {
    rows.push_back({row.framework, row.from_version, row.words});
  }
  return rows;
}

}  // namespace colossus::planner
