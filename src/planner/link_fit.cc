#include "planner/link_fit.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "planner/median.h"
#include "planner/published_runs.h"

namespace colossus::planner {
namespace {

// Bytes a link carries: above, transfers are of full speed; below, nothing but
// latency is seen.
constexpr double kLarge = 64e6;
constexpr double kSmall = 16e3;
// A ring over all NICs that comes this near to NVLink is bound by it.
constexpr double kNearNvlink = 0.95;
// A tier's efficiency is a share; switches that reduce (SHARP) exceed it.
constexpr double kMostEfficiency = 0.999;

// What a device's own link of the tier carries in a collective, as a share of
// the vector, and steps that pass one after another.
struct Traffic {
  double share = 0;
  double steps = 0;
};

// `sharing`: ranks of a node whose NICs a ring uses at once; 1 within NVLink.
Traffic traffic_of(Collective collective, double ranks, double sharing,
                   bool within_nvlink) {
  const double others = (ranks - 1) / ranks;
  const double depth = std::ceil(std::log2(ranks));
  switch (collective) {
    case Collective::kAllReduce:
      return {2 * others / sharing, 2 * depth};
    case Collective::kAllGather:
    case Collective::kReduceScatter:
      return {others / sharing, depth};
    case Collective::kAllToAll:
      return {within_nvlink ? others : (ranks - sharing) / ranks, 1};
    case Collective::kSendRecv:
      break;
  }
  return {1, 1};
}

double sharing_of(const NcclTest& test, const Device& device) {
  const auto ranks = static_cast<double>(test.num_ranks);
  const auto of_host = static_cast<double>(test.ranks_per_host());
  const auto domain = static_cast<double>(device.nvlink_domain);
  // A rack that NVLink joins is several hosts.
  return domain > of_host && of_host > 1 ? std::min(domain, ranks) : of_host;
}

void check(const NcclTest& test, const Cluster& cluster) {
  if (test.num_ranks > cluster.num_devices) {
    throw user_error("{}:{}: {} ranks, and the cluster has {} GPUs",
                     test.source, test.line, test.num_ranks,
                     cluster.num_devices);
  }
  const auto device = device_name_of(test.device);
  if (device && *device != cluster.device.name) {
    throw user_error("{}:{}: measured on '{}', and the cluster has {}",
                     test.source, test.line, test.device, cluster.device.name);
  }
}

LinkMeasurement measure(const NcclTest& test, const NetworkTier& tier,
                        bool within_nvlink, double sharing) {
  const Traffic traffic =
      traffic_of(test.collective, static_cast<double>(test.num_ranks), sharing,
                 within_nvlink);
  LinkMeasurement result;
  result.test = &test;
  result.tier = tier.name;
  std::vector<double> latencies, bandwidths;
  for (const NcclSample& sample : test.samples) {
    if (traffic.share * sample.bytes > kSmall) continue;
    latencies.push_back(sample.seconds / traffic.steps);
  }
  if (!latencies.empty()) result.latency_seconds = median(latencies);
  const double fixed = traffic.steps * result.latency_seconds;
  for (const NcclSample& sample : test.samples) {
    const double carried = traffic.share * sample.bytes;
    if (carried < kLarge || sample.seconds <= fixed) continue;
    bandwidths.push_back(carried / (sample.seconds - fixed));
  }
  if (bandwidths.empty()) return result;
  result.bytes_per_second = median(bandwidths);
  for (const NcclSample& sample : test.samples) {
    const double predicted =
        fixed + traffic.share * sample.bytes / result.bytes_per_second;
    result.slowest_between =
        std::max(result.slowest_between, sample.seconds / predicted - 1);
  }
  return result;
}

// The tier that a test measured, NVLink's as the first of `tiers`.
const NetworkTier& tier_of(const NcclTest& test, const Cluster& cluster,
                           const std::vector<NetworkTier>& tiers) {
  const bool has_network =
      test.ranks_per_host() == 1 && test.num_hosts > 1 &&
      cluster.device.nvlink_domain <= cluster.node.num_devices;
  // One rank a host: nothing goes over NVLink, however few they are.
  const size_t first = has_network && tiers.size() > 1 ? 1 : 0;
  for (size_t i = first; i < tiers.size(); ++i) {
    if (tiers[i].num_devices >= test.num_ranks) return tiers[i];
  }
  return tiers.back();
}

std::string remark_on(const TierFit& fit, double bandwidth) {
  for (const LinkMeasurement& test : fit.tests) {
    if (test.is_bound_by_nvlink) {
      return "a ring over all NICs of a node was as fast as NVLink: the "
             "network may be faster than it showed";
    }
    if (test.bytes_per_second > bandwidth) {
      return "above the links' own rate: switches reduce on the way (SHARP)";
    }
  }
  if (fit.efficiency == 0) {
    return fmt::format("no size that sends {:.0f} MB a link; run up to 8G",
                       kLarge / 1e6);
  }
  if (fit.latency_seconds == 0) {
    return fmt::format("no size below {:.0f} kB a link; run from 8 bytes",
                       kSmall / 1e3);
  }
  return "";
}

void finish(TierFit& fit, double bandwidth, bool is_nvlink) {
  std::vector<double> rates, latencies;
  for (const LinkMeasurement& test : fit.tests) {
    if (test.bytes_per_second > 0) rates.push_back(test.bytes_per_second);
    if (test.latency_seconds > 0) latencies.push_back(test.latency_seconds);
  }
  if (!rates.empty()) fit.efficiency = median(rates) / bandwidth;
  if (!latencies.empty()) fit.latency_seconds = median(latencies);
  if (!is_nvlink) fit.efficiency = std::min(fit.efficiency, kMostEfficiency);
  fit.remark = remark_on(fit, bandwidth);
}

}  // namespace

std::vector<TierFit> fit_links(const std::vector<NcclTest>& tests,
                               const Cluster& cluster) {
  const std::vector<NetworkTier> tiers = cluster.tiers();
  const Device& device = cluster.device;
  const bool has_nvlink =
      device.nvlink_bandwidth > 0 && device.nvlink_domain > 1;
  std::vector<TierFit> fits;
  for (const NetworkTier& tier : tiers) fits.emplace_back().tier = tier.name;
  for (const NcclTest& test : tests) {
    check(test, cluster);
    const NetworkTier& tier = tier_of(test, cluster, tiers);
    const auto index = static_cast<size_t>(&tier - tiers.data());
    const bool is_nvlink = has_nvlink && index == 0;
    const double sharing = is_nvlink ? 1 : sharing_of(test, device);
    LinkMeasurement measured = measure(test, tier, is_nvlink, sharing);
    measured.is_bound_by_nvlink =
        has_nvlink && !is_nvlink &&
        measured.bytes_per_second * sharing >
            kNearNvlink * device.nvlink_bandwidth * device.nvlink_efficiency;
    fits[index].tests.push_back(measured);
  }
  std::vector<TierFit> measured;
  for (size_t i = 0; i < fits.size(); ++i) {
    if (fits[i].tests.empty()) continue;
    finish(fits[i], tiers[i].bandwidth / tiers[i].oversubscription,
           has_nvlink && i == 0);
    measured.push_back(std::move(fits[i]));
  }
  return measured;
}

}  // namespace colossus::planner
