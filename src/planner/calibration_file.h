// A calibration of somebody's own machines, as `colossus plan calibrate` writes
// it and `--calibration FILE` reads it. TOML, every figure with its grade:
//
//   [calibration]         numbers of calibration.h, in base units
//   bf16_hopper = "0.71 (measured)"
//   [nvlink]              of a step of a collective
//   latency = "3.1 us (measured)"
//   [network.tier.NAME]   of the cluster's tier of that name
//   efficiency = "91% (measured)"
//   latency = "16 us (measured)"
//
// What a file leaves out keeps the value that the published runs gave.
#pragma once

#include <string>
#include <vector>

#include "planner/calibration.h"
#include "planner/hardware.h"

namespace colossus::planner {

struct TierCalibration {
  std::string tier;
  double efficiency = 0;       // of the tier's bandwidth; 0: not measured
  double latency_seconds = 0;  // of a step of a collective; 0: not measured
};

struct LoadedCalibration {
  Calibration calibration;
  double nvlink_latency_seconds = 0;   // 0: not measured
  std::vector<TierCalibration> tiers;  // of the network
  std::vector<Input> inputs;           // all that was read
};

// Throws UserError with line: an unknown key (with the nearest), a wrong unit,
// a number more than 20 times ours or less than a twentieth.
LoadedCalibration read_calibration(const std::string& text,
                                   const std::string& source);
LoadedCalibration load_calibration(const std::string& path);

// Sets efficiency and latency of NVLink and of tiers of the same name. Returns
// the names of measured tiers that the cluster does not have.
std::vector<std::string> apply_links(const LoadedCalibration& measured,
                                     Cluster& cluster);

}  // namespace colossus::planner
