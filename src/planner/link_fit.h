// From nccl-tests to what links of a cluster reach: bandwidth and latency of
// NVLink and of the network's tiers, as collectives.h uses them.
//
// A collective of n ranks takes transfers * (bytes / bandwidth + steps *
// latency) by that model; so large sizes give the bandwidth, small ones the
// latency, and sizes between show how far two numbers describe the link.
#pragma once

#include <string>
#include <vector>

#include "planner/hardware.h"
#include "planner/nccl_tests.h"

namespace colossus::planner {

// Of one test.
struct LinkMeasurement {
  const NcclTest* test = nullptr;
  std::string tier;             // "NVLink", or the network's: "leaf"
  double bytes_per_second = 0;  // per device and direction; 0: no large size
  double latency_seconds = 0;   // of a step; 0: no small size
  double slowest_between = 0;   // measured over predicted, of sizes between
  bool is_bound_by_nvlink = false;  // the network may be faster than it showed
};

// Of a tier: the median over its tests.
struct TierFit {
  std::string tier;
  double efficiency = 0;       // of the tier's bandwidth; 0: not determined
  double latency_seconds = 0;  // 0: not determined
  std::vector<LinkMeasurement> tests;
  std::string remark;  // what is odd about it, or ""
};

// The lowest tier first. `tests` must outlive the result. Throws UserError: a
// test of more ranks than the cluster has, or of another GPU.
std::vector<TierFit> fit_links(const std::vector<NcclTest>& tests,
                               const Cluster& cluster);

}  // namespace colossus::planner
