// What the costs need to know of the hardware: figures of one device and of the
// links around it, in base units, ready for arithmetic. From a Cluster, or from
// the words of a published run (run_workload.h).
#pragma once

#include <array>
#include <cstdint>

#include "planner/calibration.h"
#include "planner/hardware.h"

namespace colossus::planner {

// Whose calibrated shares of the peak hold.
enum class Generation { kAmpere, kHopper, kBlackwell };

// How wide a layer's products are.
enum class Arithmetic { k16Bit, k8Bit, k4Bit };
Arithmetic arithmetic_of(Precision precision);

struct MachineTier {
  double num_devices = 0;  // that it joins; 0 = all
  double bandwidth = 0;    // bytes/s per device and direction
  double efficiency = 0;   // measured share of that; 0 = as calibrated
  double latency = 0;      // seconds a step of a collective
};

struct Machine {
  Generation generation = Generation::kAmpere;
  bool is_ultra = false;   // Blackwell Ultra: B300, GB300
  double power_share = 1;  // its power limit over the usual one
  double peak_16_bit = 0;  // FLOP/s
  double peak_8_bit = 0;   // 0 = no such arithmetic
  double peak_4_bit = 0;
  double memory_bandwidth = 0;  // bytes/s
  double memory_bytes = 0;
  double num_sms = 0;
  double exponentials_per_second = 0;
  double nvlink_bandwidth = 0;  // bytes/s per direction
  double nvlink_domain = 1;     // devices
  bool is_omni_path = false;
  std::array<MachineTier, 4> tiers;  // beyond NVLink, the lowest first
  int num_tiers = 0;

  double peak(Arithmetic arithmetic) const;
};

// Of a GPU, without a network. Special function units are those of its
// generation (NVIDIA's architecture papers): 16 exponentials a clock and SM, 32
// of Blackwell Ultra, at the boost clock.
Machine machine_of(const Device& device);
// At most four tiers of the network are kept: the lowest three and the last.
Machine machine_of(const Cluster& cluster);

// One tier that joins everything, at `bandwidth` bytes/s per device.
void set_flat_network(Machine& machine, double bandwidth);

}  // namespace colossus::planner
