// Any text as a cluster: refused with a UserError, or tiers that span it.
#include "planner/cluster_file.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace colossus;
  try {
    const planner::Cluster cluster =
        planner::read_cluster(
            std::string(reinterpret_cast<const char*>(data), size), "fuzz", {})
            .cluster;
    for (const planner::NetworkTier& tier : cluster.tiers()) {
      const bool one = cluster.num_devices == 1;
      if (!one && !(tier.reachable_bandwidth() > 0)) std::abort();
    }
    planner::tier_that_spans(cluster.tiers(), cluster.num_devices);
  } catch (const UserError&) {
  }
  return 0;
}
