#include "planner/rates.h"

#include <cmath>

namespace colossus::planner {
namespace {

double share_16(Generation generation, const Calibration& c) {
  if (generation == Generation::kAmpere) return c.bf16_ampere;
  return generation == Generation::kHopper ? c.bf16_hopper : c.bf16_blackwell;
}

double share_8(Generation generation, const Calibration& c) {
  return generation == Generation::kBlackwell ? c.fp8_blackwell : c.fp8_hopper;
}

// The clock under the machine's power limit over that of the usual one.
double clock_of(const Machine& machine, const Calibration& c) {
  const double cap = machine.power_share == 1
                         ? 1
                         : std::pow(machine.power_share, c.power_exponent);
  return cap * (machine.is_ultra ? c.ultra : 1);
}

double product_rate(const Machine& machine, Arithmetic arithmetic,
                    const Calibration& c) {
  const bool has_4 = machine.peak_4_bit > 0;
  const bool has_8 = machine.peak_8_bit > 0;
  if (arithmetic == Arithmetic::k4Bit && has_4) {
    return machine.peak_4_bit * c.fp4_blackwell;
  }
  if (arithmetic != Arithmetic::k16Bit && has_8) {
    return machine.peak_8_bit * share_8(machine.generation, c) *
           clock_of(machine, c);
  }
  return machine.peak_16_bit * share_16(machine.generation, c) *
         clock_of(machine, c);
}

double attention_share(const Workload& workload, const Calibration& c) {
  const bool is_hopper = workload.machine->generation == Generation::kHopper;
  const double hopper = is_hopper ? c.flash_on_hopper : 1;
  switch (workload.software.attention) {
    case AttentionKernel::kFlash1:
      return c.flash1 * hopper;
    case AttentionKernel::kFlash2:
      return c.flash2 * hopper;
    case AttentionKernel::kUnfused:
    case AttentionKernel::kCudnn:
      break;
  }
  return c.cudnn_attention;
}

}  // namespace

Rates::Rates(const Workload& workload, const Calibration& c) {
  const Machine& machine = *workload.machine;
  products = product_rate(machine, workload.arithmetic, c);
  products_16 = product_rate(machine, Arithmetic::k16Bit, c);
  experts = products * c.grouped;
  const bool in_8_bit = workload.software.fp8_attention;
  attention = machine.peak(in_8_bit ? Arithmetic::k8Bit : Arithmetic::k16Bit) *
              clock_of(machine, c) * attention_share(workload, c);
  exponentials = machine.exponentials_per_second;
  memory = machine.memory_bandwidth * c.memory_rate;
  num_sms = machine.num_sms;
  tile_depth = c.tile_depth;
  small_tile = c.small_tile;
  misaligned = c.misaligned;
}

}  // namespace colossus::planner
