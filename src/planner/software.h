// What a training framework does that decides time and memory beside the
// layout, and what each framework is known to do: the one table from which all
// that a published run or a user leaves open is filled.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/machine.h"

namespace colossus::planner {

enum class AttentionKernel {
  kUnfused,  // scores written to memory and read again
  kFlash1,
  kFlash2,
  kCudnn
};

// CUDA graphs around layers with experts: without, the host waits for counts of
// tokens and launches.
enum class GraphCapture { kNone, kPartial, kWholeStep };

// What selective recomputation computes again.
enum class SelectiveRecomputation {
  kAttentionScores,    // Megatron (arXiv 2205.05198, section 5)
  kHalfOfTheProducts,  // torchtitan "op": every second product, all between
  kHalfOfTheLayers     // torchtitan "per layer"
};

struct Software {
  AttentionKernel attention = AttentionKernel::kCudnn;
  bool fuses_elementwise = false;        // torch.compile, JIT
  bool overlaps_tensor = false;          // user buffers, async tensor parallel
  bool overlaps_gradients = false;       // with the backward pass
  bool sends_slices = true;              // between stages, 1 / tensor each
  bool accumulates_gradients = false;    // into a buffer, each micro-batch
  bool all_reduces_for_zero1 = false;    // DeepSpeed: not reduce-scatter
  bool fsdp_once_with_pipeline = false;  // gathers a stage for a whole step
  double gradient_bytes = 2;             // of an element that is exchanged
  double gradient_sum_bytes = 0;         // of fp32 sums beside it
  double fsdp_gather_bytes = 2;          // of a weight
  double fsdp_scatter_bytes = 2;         // of a gradient
  double zero1_state_bytes = 12;         // sharded, of a parameter
  double bucket_bytes = 0;               // of communication
  bool fuses_loss = false;               // no fp32 copies of the logits
  SelectiveRecomputation selective = SelectiveRecomputation::kAttentionScores;

  // Experts.
  GraphCapture graph = GraphCapture::kNone;
  bool fp8_attention = false;
  bool hides_all_to_all = false;
  bool fuses_expert_bias = false;
  bool slow_biased_gradient = false;  // cudnn-frontend, issue 256
};

// Who asks for defaults. Empty texts: not known.
struct SoftwareFacts {
  std::string framework, version;
  std::string precision;   // as printed: "mxfp8", "amp_bf16", ...
  std::string model_name;  // recipes are by model
  std::string device;      // hardware.h
  int64_t num_devices = 1;
  Arithmetic arithmetic = Arithmetic::k16Bit;
  bool has_experts = false;
  bool has_latent_attention = false;
};

struct SoftwareDefaults {
  Software software;
  std::string framework;  // the row of the table; "unknown" is one
  // What the framework does with a layout that leaves it open.
  bool sequence_parallel = false;  // with tensor > 1
  int64_t zero_stage = 0;
};

// An unknown framework is an ordinary case: what most do today.
SoftwareDefaults software_defaults(const SoftwareFacts& facts);

// One row of the table, for printing.
struct FrameworkRow {
  std::string framework, from_version;  // "" = from the first
  std::string words;                    // its defaults, in words
};
std::vector<FrameworkRow> framework_table();

}  // namespace colossus::planner
