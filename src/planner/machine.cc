#include "planner/machine.h"

#include <algorithm>

namespace colossus::planner {
namespace {

// Datasheets of the SXM modules: what an H100 may draw where its peak is the
// usual one.
constexpr double kHopperWatts = 700;

Generation generation_of(const Device& device) {
  if (device.peak_fp4 > 0) return Generation::kBlackwell;
  return device.peak_fp8 > 0 ? Generation::kHopper : Generation::kAmpere;
}

bool is_ultra(const Device& device) {
  return device.name == "B300" || device.name == "GB300";
}

// Boost clocks of the architecture papers (A100, H100); B200 as its driver
// reports it; that of Blackwell Ultra was not found and is assumed: NVIDIA
// gives 10.7e12 exponentials/s for all 160 SMs of the chip, which would be 2.09
// GHz.
double boost_hertz(Generation generation, bool ultra) {
  if (generation == Generation::kAmpere) return 1.410e9;
  if (generation == Generation::kHopper) return 1.830e9;
  return ultra ? 1.920e9 : 1.965e9;
}

MachineTier tier_of(const NetworkTier& tier) {
  const bool is_measured = tier.efficiency < 1;
  return {static_cast<double>(tier.num_devices),
          tier.bandwidth / tier.oversubscription,
          is_measured ? tier.efficiency : 0, tier.latency};
}

}  // namespace

Arithmetic arithmetic_of(Precision precision) {
  if (precision == Precision::kFp4) return Arithmetic::k4Bit;
  return precision == Precision::kFp8 ? Arithmetic::k8Bit : Arithmetic::k16Bit;
}

double Machine::peak(Arithmetic arithmetic) const {
  if (arithmetic == Arithmetic::k4Bit && peak_4_bit > 0) return peak_4_bit;
  if (arithmetic != Arithmetic::k16Bit && peak_8_bit > 0) return peak_8_bit;
  return peak_16_bit;
}

Machine machine_of(const Device& device) {
  Machine machine;
  machine.generation = generation_of(device);
  machine.is_ultra = is_ultra(device);
  const bool is_full_hopper =
      machine.generation == Generation::kHopper && device.num_sms >= 132;
  if (is_full_hopper) {
    machine.power_share = std::min(1.0, device.power_watts / kHopperWatts);
  }
  // A processor without matrix units counts what it has.
  machine.peak_16_bit =
      std::max({device.peak_bf16, device.peak_fp16, device.peak_fp32});
  machine.peak_8_bit = device.peak_fp8;
  machine.peak_4_bit = device.peak_fp4;
  machine.memory_bandwidth = device.memory_bandwidth;
  machine.memory_bytes = device.memory_bytes;
  machine.num_sms = static_cast<double>(device.num_sms);
  machine.exponentials_per_second =
      machine.num_sms * boost_hertz(machine.generation, machine.is_ultra) *
      (machine.is_ultra ? 32 : 16);
  machine.nvlink_bandwidth = device.nvlink_bandwidth;
  machine.nvlink_domain = static_cast<double>(device.nvlink_domain);
  return machine;
}

Machine machine_of(const Cluster& cluster) {
  Machine machine = machine_of(cluster.device);
  const bool has_nvlink =
      cluster.device.nvlink_bandwidth > 0 && cluster.device.nvlink_domain > 1;
  std::vector<NetworkTier> tiers = cluster.tiers();
  if (has_nvlink && !tiers.empty()) tiers.erase(tiers.begin());
  const int kept = static_cast<int>(machine.tiers.size());
  for (const NetworkTier& tier : tiers) {
    if (machine.num_tiers == kept) --machine.num_tiers;
    machine.tiers[machine.num_tiers++] = tier_of(tier);
  }
  machine.is_omni_path = cluster.network.name == "omni-path";
  return machine;
}

void set_flat_network(Machine& machine, double bandwidth) {
  machine.tiers = {};
  machine.tiers[0].bandwidth = bandwidth;
  machine.num_tiers = 1;
}

}  // namespace colossus::planner
