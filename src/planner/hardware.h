// What a plan runs on: devices, nodes, networks, and the cluster made of them.
// Plain values in base units; data/*.toml holds the types that are known, each
// figure with its source, and cluster_file.h reads a cluster.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/quantity_fields.h"

namespace colossus::planner {

enum class Precision { kFp32, kTf32, kBf16, kFp16, kFp8, kFp4 };
std::string precision_name(Precision precision);  // "bf16"
double bytes_of(Precision precision);             // of an element: 4 ... 0.5

// A GPU, or a CPU as `colossus bench` measured it. Peaks are dense FLOP/s with
// matrix units (fp32: without); 0 = the device has no such arithmetic.
struct Device {
  std::string name;
  double peak_fp32 = 0;
  double peak_tf32 = 0;
  double peak_bf16 = 0;
  double peak_fp16 = 0;
  double peak_fp8 = 0;
  double peak_fp4 = 0;
  double memory_bytes = 0;
  double memory_bandwidth = 0;  // bytes/s
  int64_t num_sms = 0;          // of a CPU: threads
  double power_watts = 0;
  double nvlink_bandwidth = 0;  // bytes/s per direction; 0 = no NVLink
  double nvlink_efficiency = 1;
  double nvlink_latency = 0;  // seconds a step of a collective
  int64_t nvlink_domain = 1;  // devices that it joins
  std::string node;           // the usual one

  static constexpr double kMostFlops = 2e18;

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field_up_to(kMostFlops, "peak_fp32", peak_fp32, Unit::kFlops,
                  "without matrix units");
    v.field_up_to(kMostFlops, "peak_tf32", peak_tf32, Unit::kFlops,
                  "dense, as all below");
    v.field_up_to(kMostFlops, "peak_bf16", peak_bf16, Unit::kFlops, "");
    v.field_up_to(kMostFlops, "peak_fp16", peak_fp16, Unit::kFlops, "");
    v.field_up_to(kMostFlops, "peak_fp8", peak_fp8, Unit::kFlops, "");
    v.field_up_to(kMostFlops, "peak_fp4", peak_fp4, Unit::kFlops, "");
    v.field_up_to(20e12, "memory", memory_bytes, Unit::kBytes,
                  "what its driver shows");
    v.field_up_to(1e15, "memory_bandwidth", memory_bandwidth,
                  Unit::kBytesPerSecond, "");
    v.field("num_sms", num_sms, "streaming multiprocessors, or threads");
    v.field_up_to(100e3, "power", power_watts, Unit::kWatts, "its limit");
    v.field_up_to(1e14, "nvlink", nvlink_bandwidth, Unit::kBytesPerSecond,
                  "per direction, all links");
    v.field("nvlink_efficiency", nvlink_efficiency, Unit::kShare,
            "of that, what large transfers reach");
    v.field_up_to(1, "nvlink_latency", nvlink_latency, Unit::kSeconds,
                  "of a step of a collective");
    v.field("nvlink_domain", nvlink_domain, "devices that NVLink joins");
    v.field("node", node, "the usual node of it");
  }

  double peak(Precision precision) const;
};

// What stands around the devices of one machine. Bandwidths in bytes/s per
// direction.
struct Node {
  std::string name;
  int64_t num_devices = 1;
  double nic_bandwidth = 0;        // per device, into the training network
  double other_nic_bandwidth = 0;  // per node: storage, control; 0 = not known
  double host_memory_bytes = 0;    // 0 = not known
  std::string network;             // the usual one

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field("gpus", num_devices, "devices in it");
    v.field_up_to(2e13, "nic", nic_bandwidth, Unit::kBytesPerSecond,
                  "per device, into the network between nodes");
    v.field_up_to(1e14, "other_nics", other_nic_bandwidth,
                  Unit::kBytesPerSecond, "per node, beside those");
    v.field_up_to(1e15, "host_memory", host_memory_bytes, Unit::kBytes,
                  "per node");
    v.field("network", network, "the usual network of it");
  }
};

// Switches of one height: devices below one of them reach each other through
// it.
struct NetworkTier {
  std::string name;
  int64_t num_devices = 0;  // below one switch (of all rails); 0 = all
  double bandwidth = 0;     // bytes/s per device and direction; 0 = the NIC's
  double oversubscription = 1;  // that over what goes up from it: 2 = half
  double latency = 0;           // seconds a step of a collective
  double efficiency = 1;        // of the bandwidth, what large transfers reach

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field("gpus", num_devices,
            "that reach each other through one switch of this tier; absent "
            "= all");
    v.field_up_to(2e13, "bandwidth", bandwidth, Unit::kBytesPerSecond,
                  "per device; absent = the node's NIC");
    v.field("oversubscription", oversubscription, Unit::kNumber,
            "1 = full bisection below this tier");
    v.field_up_to(1, "latency", latency, Unit::kSeconds,
                  "of a step of a collective");
    v.field("efficiency", efficiency, Unit::kShare,
            "of the bandwidth, what large transfers reach");
  }

  // Bytes/s per device and direction that large transfers reach when all
  // devices send through this tier.
  double reachable_bandwidth() const {
    return bandwidth / oversubscription * efficiency;
  }
};

struct Network {
  std::string name;
  int64_t num_rails = 1;  // NICs of one position of all nodes share switches
  std::vector<NetworkTier> tiers;  // each contains the one before

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field("rails", num_rails, "separate sets of switches at the bottom");
  }
};

// Faults, and how long a node is away. Rates are per 1,000 node-days of nodes
// of 8 devices. A *tail* is the mean of a log-normal time over its median: 1 =
// it is always the same. data/runs.toml has the defaults.
struct Failures {
  double per_thousand_node_days = 0;
  double spread = 1;
  double burstiness = 0;
  double repair_seconds = 0;
  double repair_tail = 1;
  double silent_per_thousand_node_days = 0;
  double silent_noticed_seconds = 0;
  double slow_per_thousand_node_days = 0;
  double slow_seconds = 0;
  double slow_factor = 1;

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field("per_1000_node_days", per_thousand_node_days, Unit::kNumber,
            "faults that stop a job, of nodes of 8 GPUs");
    v.field("spread", spread, Unit::kNumber,
            "of fleets: 10% are below the rate over this, 10% above the rate "
            "times this");
    v.field_or_zero("burstiness", burstiness, Unit::kNumber,
                    "standard deviation of the rate of 30 days, over its mean");
    v.field("repair_time", repair_seconds, Unit::kSeconds,
            "median, until a faulty node serves again");
    v.field("repair_tail", repair_tail, Unit::kNumber, "its mean over median");
    v.field_or_zero("silent", silent_per_thousand_node_days, Unit::kNumber,
                    "silent corruptions per 1,000 node-days");
    v.field("silent_noticed_after", silent_noticed_seconds, Unit::kSeconds,
            "until one is noticed; what was computed since is thrown away");
    v.field_or_zero("slow", slow_per_thousand_node_days, Unit::kNumber,
                    "nodes that become slow per 1,000 node-days");
    v.field("slow_time", slow_seconds, Unit::kSeconds,
            "until a slow node is replaced");
    v.field("slow_factor", slow_factor, Unit::kNumber,
            "a step's time with a slow node over the usual");
  }
};

// How a job comes back. strategy:
//   restart  all processes, from the newest checkpoint
//   memory   all processes, from copies of the state in the memory of peers,
//            made each step; from the checkpoint where those are lost too
//   heal     the ranks that are left replace a lost one from such copies, and
//            only the step that was under way is made again (Colossus itself)
struct Recovery {
  std::string strategy = "restart";
  double detection_seconds = 0;
  double detection_tail = 1;
  double restart_seconds = 0;
  double restart_tail = 1;
  double heal_seconds = 0;
  double heal_tail = 1;
  double copies_lost = 0;
  double copy_seconds = 0;
  double checkpoint_seconds = 0;
  double checkpoint_bandwidth = 0;
  double planned_stops_per_day = 0;
  double spares_suffice = 0;

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field("strategy", strategy, "restart, memory or heal");
    v.field("detection_time", detection_seconds, Unit::kSeconds,
            "median, from a fault until the job is stopped");
    v.field("detection_tail", detection_tail, Unit::kNumber,
            "its mean over median");
    v.field("restart_time", restart_seconds, Unit::kSeconds,
            "median, from there to the next step, state loaded");
    v.field("restart_tail", restart_tail, Unit::kNumber,
            "its mean over median");
    v.field("heal_time", heal_seconds, Unit::kSeconds,
            "median, from a fault to the next step where ranks heal");
    v.field("heal_tail", heal_tail, Unit::kNumber, "its mean over median");
    v.field_or_zero(
        "copies_lost", copies_lost, Unit::kShare,
        "of faults, those that take all copies in memory with them");
    v.field("copy_time", copy_seconds, Unit::kSeconds,
            "that a copy in memory (strategy memory) holds a step up");
    v.field("checkpoint_time", checkpoint_seconds, Unit::kSeconds,
            "that a checkpoint holds training up");
    v.field("checkpoint_bandwidth", checkpoint_bandwidth, Unit::kBytesPerSecond,
            "at which all nodes together write it behind the next steps");
    v.field_or_zero("planned_stops_per_day", planned_stops_per_day,
                    Unit::kNumber, "of the whole job, each a restart");
    v.field("spares_suffice", spares_suffice, Unit::kShare,
            "of the time, that spare nodes should suffice");
  }
};

struct Power {
  double watts_per_device = 0;  // at the site's meter, all in; 0 = not given
  double site_watts = 0;        // that the grid gives; 0 = not given
  double battery_watts = 0;     // that batteries take over; 0 = not given
  double battery_joules = 0;    // that they hold; 0 = not given
  double compute_share = 0;     // of the device's limit
  double wait_share = 0;
  double idle_share = 0;
  double node_over_devices = 1;
  double swing_seconds = 0;

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field("per_gpu", watts_per_device, Unit::kWatts,
            "at the site's meter, with its share of everything; absent = "
            "node_over_gpus times the GPU's limit");
    v.field("site", site_watts, Unit::kWatts, "what the grid gives");
    v.field("batteries", battery_watts, Unit::kWatts,
            "what batteries can take over");
    v.field("battery_energy", battery_joules, Unit::kJoules,
            "what batteries hold");
    v.field("compute", compute_share, Unit::kShare,
            "of a GPU's limit, what it draws while it computes");
    v.field("wait", wait_share, Unit::kShare,
            "the same while it waits for others");
    v.field("idle", idle_share, Unit::kShare, "the same without a job");
    v.field("node_over_gpus", node_over_devices, Unit::kNumber,
            "power of a node over the limits of its GPUs");
    v.field("swing_time", swing_seconds, Unit::kSeconds,
            "in which power goes from one to the other");
  }
};

struct Prices {
  double dollars_per_device_hour = 0;    // 0 = not given
  double dollars_per_kilowatt_hour = 0;  // 0 = not given

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field("gpu_hour", dollars_per_device_hour, Unit::kDollarsPerHour, "");
    v.field("energy", dollars_per_kilowatt_hour, Unit::kDollarsPerKilowattHour,
            "");
  }
};

// From `day` on, `num_devices` are in service.
struct Delivery {
  int64_t day = 0;  // since 1970-01-01
  int64_t num_devices = 0;
  bool operator==(const Delivery&) const = default;
};

struct Cluster {
  std::string name;
  int64_t num_devices = 0;
  Device device;
  Node node;
  Network network;
  Failures failures;
  Recovery recovery;
  Power power;
  Prices prices;
  std::vector<Delivery> deliveries;  // ascending by day; may be empty

  int64_t num_nodes() const { return num_devices / node.num_devices; }
  // NVLink's domain, where there is one, then the network's tiers up to the
  // first that holds the whole cluster. Each contains the one before; figures
  // are filled in.
  std::vector<NetworkTier> tiers() const;
};

// The first of `tiers` within which `num_devices` neighbours (by rank) lie, if
// they start at a multiple of their number.
const NetworkTier& tier_that_spans(const std::vector<NetworkTier>& tiers,
                                   int64_t num_devices);

// The types that the program knows (data/*.toml), by name; an unknown name is a
// UserError with `where`, the nearest and all others. `inputs`, where given,
// gets the figures with their grades and lines.
Device device_named(const std::string& name, const std::string& where,
                    std::vector<Input>* inputs = nullptr);
Node node_named(const std::string& name, const std::string& where,
                std::vector<Input>* inputs = nullptr);
Network network_named(const std::string& name, const std::string& where,
                      std::vector<Input>* inputs = nullptr);
std::vector<std::string> device_names();

// What data/runs.toml says of faults, recovery and power; `inputs` as above,
// their keys those of a cluster's file ("failures.repair_time").
void read_run_defaults(Cluster& cluster, std::vector<Input>* inputs = nullptr);

// A network's keys below `prefix` ("rails", "tier.NAME.KEY"), tiers in the
// order of the text; any tier there replaces all that `network` has.
void read_network(const std::vector<config::TomlValue>& values,
                  const std::string& prefix, Grade ungraded, Network& network,
                  std::vector<Input>* inputs);

}  // namespace colossus::planner
