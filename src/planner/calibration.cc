#include "planner/calibration.h"

namespace colossus::planner {
namespace {

using Member = double Calibration::*;
constexpr FittedTo kTime = FittedTo::kStepTime;
constexpr FittedTo kMemory = FittedTo::kMemory;
constexpr FittedTo kKept = FittedTo::kNothing;

struct Entry {
  Member member;
  CalibratedNumber number;
};

using C = Calibration;
// clang-format off
constexpr std::array<Entry, kNumCalibrated> kEntries = {{
    {&C::bf16_ampere, {"bf16_ampere", 0.798474, 0.82, 0.08, "1", "sustained share of the peak, 16-bit products, A100", "cuBLAS: 255-265 of 312 TFLOP/s at 8192^3, plus quantisation", kTime}},
    {&C::bf16_hopper, {"bf16_hopper", 0.697355, 0.75, 0.10, "1", "the same, H100", "cuBLAS: 700-750 of 989 TFLOP/s at 700 W", kTime}},
    {&C::fp8_hopper, {"fp8_hopper", 0.697359, 0.65, 0.15, "1", "fp8, H100", "Transformer Engine: 1250-1350 of 1979 TFLOP/s", kTime}},
    {&C::bf16_blackwell, {"bf16_blackwell", 0.65055, 0.72, 0.12, "1", "16-bit products, B200", "cuBLAS: 1600-1700 of 2250 TFLOP/s", kTime}},
    {&C::fp8_blackwell, {"fp8_blackwell", 0.597024, 0.65, 0.15, "1", "fp8 and mxfp8, B200", "cuBLASLt: 3000 of 4500 TFLOP/s", kTime}},
    {&C::fp4_blackwell, {"fp4_blackwell", 0.582567, 0.45, 0.25, "1", "nvfp4, B200", "a guess: power-limited, and fp8 in some layers", kTime}},
    {&C::tile_depth, {"tile_depth", 128.593, 100, 0.50, "elements", "prologue and epilogue of a tile, as depth K", "3-4 stages of 32", kTime}},
    {&C::small_tile, {"small_tile", 29.6582, 30, 0.40, "elements", "loss of tiles below 128 x 256: traffic of shared memory per FLOP", "128 x 128 at 88-92% of 128 x 256, 64 x 64 at 60%", kTime}},
    {&C::misaligned, {"misaligned", 1.49271, 1.40, 0.15, "x", "a product whose N or K is no multiple of 64", "NVIDIA's matrix multiplication guide, figure on alignment", kTime}},
    {&C::power_exponent, {"power_exponent", 0.499207, 0.45, 0.25, "1", "rate ~ (power limit / usual limit)^this", "between P ~ f^3 (0.33) and P ~ f^2 (0.5)", kTime}},
    {&C::ultra, {"ultra", 1.26115, 1.10, 0.06, "x", "B300 over B200 in 16 and 8 bits: the same sheet, a higher power limit", "(1400 W / 1200 W)^0.5 to 0.7", kTime}},
    {&C::grouped, {"grouped", 0.782216, 0.75, 0.20, "1", "products of experts in groups over one product of the same tiles", "DeepGEMM and CUTLASS: 70-85%", kTime}},
    {&C::flash1, {"flash1", 0.367774, 0.40, 0.15, "1", "FlashAttention 1 on A100, of the peak", "its benchmark: 110-125 TFLOP/s, causal", kTime}},
    {&C::flash2, {"flash2", 0.481867, 0.62, 0.12, "1", "FlashAttention 2 on A100", "its benchmark: 180-195 TFLOP/s, causal", kTime}},
    {&C::cudnn_attention, {"cudnn_attention", 0.590198, 0.65, 0.20, "1", "cuDNN's attention on Hopper and Blackwell", "cuDNN 9: 550-600 (H100), 1300 (B200) TFLOP/s", kTime}},
    {&C::softmax_bytes, {"softmax_bytes", 10.0674, 9, 0.30, "B", "unfused attention: bytes a score forward, with dropout", "counted: 2r+2w softmax, 2r+2w+1w dropout", kTime}},
    {&C::fused_elementwise, {"fused_elementwise", 0.662012, 0.70, 0.25, "x", "memory-bound work of a layer of the passes counted; fused by a compiler", "residual, norm and activation in one", kTime}},
    {&C::separate_elementwise, {"separate_elementwise", 1.7788, 1.40, 0.25, "x", "the same, a kernel each", "counted passes at 60-70% of the streaming rate", kTime}},
    {&C::loss_bytes, {"loss_bytes", 22.0792, 20, 0.30, "B", "loss: bytes a logit, both directions", "counted: fp32 logits, softmax, gradient", kTime}},
    {&C::quantize_bytes, {"quantize_bytes", 3.99164, 4, 0.30, "B", "to fp8 or fp4: bytes an element", "2 read, 1 and 1 (transposed) written", kTime}},
    {&C::memory_rate, {"memory_rate", 0.813373, 0.85, 0.08, "1", "streaming rate over the datasheet's", "copies on A100 to B200: 83-92%", kTime}},
    {&C::moe_host_seconds, {"moe_host_seconds", 0.00952658, 0.008, 0.30, "s", "launches and synchronisation of one layer of experts, both directions, without CUDA graphs", "800 launches of 8-10 us", kTime}},
    {&C::expert_bias_passes, {"expert_bias_passes", 130.698, 130, 0.40, "x", "passes over routed activations of experts with biases, not fused", "counted in Megatron-Core, half in fp32", kTime}},
    {&C::permute_passes, {"permute_passes", 9.54939, 8, 0.40, "x", "passes over routed tokens a direction: permute, unpermute, pad", "counted", kTime}},
    {&C::nvlink_rate, {"nvlink_rate", 0.789894, 0.78, 0.12, "1", "collectives over NVLink, of the datasheet's rate", "nccl-tests: 230 of 300, 360 of 450 GB/s", kTime}},
    {&C::tensor_exposed, {"tensor_exposed", 0.360662, 0.40, 0.40, "1", "of tensor-parallel traffic with overlap, what is not hidden", "NVIDIA, PyTorch: 60% hidden", kTime}},
    {&C::network_rate, {"network_rate", 0.765723, 0.80, 0.15, "1", "collectives over InfiniBand and RoCE, of the line rate", "nccl-tests: 40-42 of 50 GB/s", kTime}},
    {&C::omni_path_rate, {"omni_path_rate", 0.486477, 0.60, 0.25, "1", "the same over Omni-Path", "its protocol runs on the host", kTime}},
    {&C::gradient_exposed, {"gradient_exposed", 0.633777, 0.30, 0.50, "1", "of the gradients' exchange with overlap, what is not hidden", "the last bucket and the first gather", kTime}},
    {&C::fsdp_slowdown, {"fsdp_slowdown", 0.255996, 0.20, 0.50, "1", "FSDP: of hidden traffic, what slows the products beside it", "SMs and memory that NCCL takes", kTime}},
    {&C::pipeline_exposed, {"pipeline_exposed", 0.409835, 0.50, 0.40, "1", "of the sends between stages, interleaved, what is not hidden", "half of them have work beside them", kTime}},
    {&C::jitter, {"jitter", 0.00462176, 0.005, 0.60, "1", "slowdown for each doubling of the GPUs beyond 8", "2-4% at 1,000 GPUs", kTime}},
    {&C::context_bytes, {"context_bytes", 4.52098e+09, 4294967296.0, 0.25, "B", "CUDA context, NCCL's channels, cuBLAS's workspaces", "0.5-1 GiB and several communicators", kMemory}},
    {&C::reserve, {"reserve", 1.11859, 1.08, 0.04, "x", "what the allocator holds over what it gave out", "PyTorch: 5-12%", kMemory}},
    {&C::logit_bytes, {"logit_bytes", 12.0632, 12, 0.15, "B", "live bytes a logit, loss not fused", "2 logits, 4 fp32, 4 softmax, 2 gradient", kMemory}},
    {&C::unfused_softmax, {"unfused_softmax", 2.5, 2.5, 0, "x", "softmax_bytes where Megatron's fused kernel cannot run", "counted: passes in fp32; no published run uses it", kKept}},
    {&C::flash_on_hopper, {"flash_on_hopper", 0.5, 0.5, 0, "x", "FlashAttention 1 and 2 on Hopper, over their share on A100", "its benchmarks: 294 of 989 against 189 of 312 TFLOP/s", kKept}},
    {&C::fused_loss_bytes, {"fused_loss_bytes", 4, 4, 0, "B", "live bytes a logit, loss fused or in place", "counted: 2 logits, 2 gradient", kKept}},
    {&C::unreturned_reserve, {"unreturned_reserve", 0.1, 0.1, 0, "1", "of the reserve, what stays in fragments when memory runs out", "a judgement, made after seeing the runs that went out of memory", kKept}},
    {&C::biased_gradient_slowdown, {"biased_gradient_slowdown", 9.8, 9.8, 0, "x", "a faulty kernel: gradient of grouped products with biases", "cudnn-frontend, issue 256: 139 -> 1363 us", kKept}},
}};
// clang-format on

constexpr std::array<CalibratedNumber, kNumCalibrated> numbers_of_entries() {
  std::array<CalibratedNumber, kNumCalibrated> numbers{};
  for (size_t i = 0; i < kNumCalibrated; ++i) numbers[i] = kEntries[i].number;
  return numbers;
}

}  // namespace

Calibration::Calibration() {
  for (const Entry& entry : kEntries) this->*entry.member = entry.number.value;
}

const std::array<CalibratedNumber, kNumCalibrated>& calibrated_numbers() {
  static constexpr auto kNumbers = numbers_of_entries();
  return kNumbers;
}

double& calibrated_value(Calibration& calibration, size_t index) {
  return calibration.*kEntries[index].member;
}

double calibrated_value(const Calibration& calibration, size_t index) {
  return calibration.*kEntries[index].member;
}

std::vector<size_t> numbers_fitted_to(FittedTo what) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    if (kEntries[i].number.fitted_to == what) indices.push_back(i);
  }
  return indices;
}

}  // namespace colossus::planner
