// The numbers of the planner that no datasheet states: how much of a peak
// products reach, what of a transfer stays exposed, what an allocator keeps.
// One list: default, prior and meaning stand together, and the fit (fit.h),
// `colossus plan validate` and docs/planner.md read it.
//
// There are 40, and no more may be added: every one is physical, none belongs
// to a single run.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace colossus::planner {

// What a number was fitted to.
enum class FittedTo {
  kStepTime,
  kMemory,
  kNothing  // counted from kernels or published by others, and kept
};

// In logarithms: prior and sigma are of ln(value).
struct CalibratedNumber {
  const char* name;
  double value;  // fitted to all published runs
  double prior;
  double sigma;  // 0: not fitted
  const char* unit;
  const char* meaning;
  const char* prior_source;
  FittedTo fitted_to;
};

struct Calibration {
  // Products: sustained share of the peak of a large tile, before tiles and
  // waves are counted.
  double bf16_ampere, bf16_hopper, fp8_hopper, bf16_blackwell, fp8_blackwell,
      fp4_blackwell;
  double tile_depth, small_tile, misaligned, power_exponent, ultra, grouped;
  // Attention.
  double flash1, flash2, cudnn_attention, softmax_bytes;
  // Memory-bound work.
  double fused_elementwise, separate_elementwise, loss_bytes, quantize_bytes,
      memory_rate, moe_host_seconds, expert_bias_passes, permute_passes;
  // Transfers.
  double nvlink_rate, tensor_exposed, network_rate, omni_path_rate,
      gradient_exposed, fsdp_slowdown, pipeline_exposed, jitter;
  // Memory.
  double context_bytes, reserve, logit_bytes;
  // Kept.
  double unfused_softmax, flash_on_hopper, fused_loss_bytes, unreturned_reserve,
      biased_gradient_slowdown;

  // Fitted to all published runs.
  Calibration();
};

inline constexpr size_t kNumCalibrated = 40;

// In the order of Calibration's members.
const std::array<CalibratedNumber, kNumCalibrated>& calibrated_numbers();
double& calibrated_value(Calibration& calibration, size_t index);
double calibrated_value(const Calibration& calibration, size_t index);

// Indices of the numbers fitted to step times, or to memory.
std::vector<size_t> numbers_fitted_to(FittedTo what);

}  // namespace colossus::planner
