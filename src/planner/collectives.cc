#include "planner/collectives.h"

#include <algorithm>
#include <cmath>

namespace colossus::planner {
namespace {

double steps_of(double ranks) {
  return ranks > 1 ? std::ceil(std::log2(ranks)) : 0;
}

double latency_of(double ranks, const Link& link) {
  return link.latency_seconds == 0 ? 0 : steps_of(ranks) * link.latency_seconds;
}

}  // namespace

Link nvlink(const Machine& machine, const Calibration& calibration) {
  return {machine.nvlink_bandwidth * calibration.nvlink_rate, 0};
}

Link network(const Machine& machine, double num_devices,
             const Calibration& calibration) {
  if (machine.num_tiers == 0) return nvlink(machine, calibration);
  const MachineTier* tier = &machine.tiers[0];
  for (int i = 1; i < machine.num_tiers; ++i) {
    const bool holds =
        tier->num_devices == 0 || tier->num_devices >= num_devices;
    if (holds) break;
    tier = &machine.tiers[i];
  }
  const double calibrated = machine.is_omni_path ? calibration.omni_path_rate
                                                 : calibration.network_rate;
  const double share = tier->efficiency > 0 ? tier->efficiency : calibrated;
  return {tier->bandwidth * share, tier->latency};
}

bool is_beyond_nvlink(const Machine& machine, double num_devices) {
  return num_devices > machine.nvlink_domain;
}

Link link_across(const Machine& machine, double num_devices,
                 const Calibration& calibration) {
  return is_beyond_nvlink(machine, num_devices)
             ? network(machine, num_devices, calibration)
             : nvlink(machine, calibration);
}

Link shared_rings(const Machine& machine, double num_devices, double sharing,
                  const Calibration& calibration) {
  const Link inside = nvlink(machine, calibration);
  if (!is_beyond_nvlink(machine, num_devices)) return inside;
  Link link = network(machine, num_devices, calibration);
  if (machine.nvlink_domain <= 1) return link;
  link.bytes_per_second *=
      machine.nvlink_domain / std::min(sharing, machine.nvlink_domain);
  link.bytes_per_second =
      std::min(link.bytes_per_second, inside.bytes_per_second);
  return link;
}

double all_reduce_seconds(double bytes, double ranks, const Link& link) {
  return 2 * gather_seconds(bytes, ranks, link);
}

double gather_seconds(double bytes, double ranks, const Link& link) {
  if (ranks <= 1) return 0;
  return bytes * (ranks - 1) / ranks / link.bytes_per_second +
         latency_of(ranks, link);
}

double sharded_seconds(double bytes, double ranks, double transfers,
                       const Link& link) {
  return bytes / link.bytes_per_second + transfers * latency_of(ranks, link);
}

double send_seconds(double bytes, const Link& link) {
  return bytes / link.bytes_per_second + link.latency_seconds;
}

double all_to_all_seconds(double bytes, double topk, double ranks,
                          const Machine& machine,
                          const Calibration& calibration) {
  if (ranks <= 1) return 0;
  if (!is_beyond_nvlink(machine, ranks)) {
    return bytes * topk * (1 - 1 / ranks) /
           nvlink(machine, calibration).bytes_per_second;
  }
  const double nodes = ranks / machine.nvlink_domain;
  const double reached = nodes * (1 - std::pow(1 - 1 / nodes, topk));
  const Link link = network(machine, ranks, calibration);
  return bytes * reached * (1 - 1 / nodes) / link.bytes_per_second +
         link.latency_seconds;
}

}  // namespace colossus::planner
