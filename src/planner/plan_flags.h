// The words of `colossus plan` as a request: files are read, figures parsed.
#pragma once

#include <string>
#include <vector>

#include "planner/plan_request.h"

namespace colossus::planner {

struct PlanFlags {
  std::string model;         // a TOML config, or a Hugging Face config.json
  std::string cluster;       // a TOML file, or "H100-SXM:1024"
  std::string batch_tokens;  // "32M"
  int64_t seq_len = 0;
  std::string tokens;  // "6e12", "6T"; "": a step alone
  std::string start;   // "2024-09-01", of a run that grows with its cluster
  std::string precision = "bf16";
  std::string framework = "megatron-bridge";
  std::string framework_version;
  std::string calibration;  // a file of `colossus plan calibrate`
  // "parallel.tensor=8" for the layout, all else for the cluster.
  std::vector<std::string> overrides;
  int64_t num_layouts = 10;
};

// A valid request. Throws UserError that names the flag, or file and line.
PlanRequest read_plan_request(const PlanFlags& flags);

}  // namespace colossus::planner
