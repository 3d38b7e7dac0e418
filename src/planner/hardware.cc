#include "planner/hardware.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "base/strings.h"
#include "planner/embedded_data.h"

namespace colossus::planner {
namespace {

using config::TomlValue;

// A file of types, parsed once: "H100-SXM.memory = ...".
const std::vector<TomlValue>& gpu_values() {
  static const std::vector<TomlValue> values =
      config::toml_values(std::string(gpus_toml()), "gpus.toml");
  return values;
}
const std::vector<TomlValue>& node_values() {
  static const std::vector<TomlValue> values =
      config::toml_values(std::string(nodes_toml()), "nodes.toml");
  return values;
}
const std::vector<TomlValue>& network_values() {
  static const std::vector<TomlValue> values =
      config::toml_values(std::string(networks_toml()), "networks.toml");
  return values;
}

const std::vector<TomlValue>& run_values() {
  static const std::vector<TomlValue> values =
      config::toml_values(std::string(runs_toml()), "runs.toml");
  return values;
}

std::string type_of(const TomlValue& value) {
  return value.key.substr(0, value.key.find('.'));
}

std::vector<std::string> types_of(const std::vector<TomlValue>& file) {
  std::vector<std::string> names;
  for (const TomlValue& value : file) {
    const std::string name = type_of(value);
    if (names.empty() || names.back() != name) names.push_back(name);
  }
  return names;
}

// The values of one type, their keys without its name.
std::vector<TomlValue> values_of_type(const std::vector<TomlValue>& file,
                                      const std::string& type,
                                      const std::string& kind,
                                      const std::string& where) {
  std::vector<TomlValue> found;
  for (const TomlValue& value : file) {
    if (type_of(value) != type) continue;
    found.push_back(
        {value.key.substr(type.size() + 1), value.text, value.where});
  }
  if (!found.empty()) return found;
  const std::vector<std::string> names = types_of(file);
  std::string all;
  for (const std::string& name : names) {
    all += (all.empty() ? "" : ", ") + name;
  }
  throw user_error("{}: unknown {} '{}'{}; known: {}", where, kind, type,
                   did_you_mean(type, names), all);
}

NetworkTier nvlink_tier(const Device& device) {
  return {.name = "NVLink",
          .num_devices = device.nvlink_domain,
          .bandwidth = device.nvlink_bandwidth,
          .latency = device.nvlink_latency,
          .efficiency = device.nvlink_efficiency};
}

}  // namespace

std::string precision_name(Precision precision) {
  static const char* const kNames[] = {"fp32", "tf32", "bf16",
                                       "fp16", "fp8",  "fp4"};
  return kNames[static_cast<size_t>(precision)];
}

double bytes_of(Precision precision) {
  static const double kBytes[] = {4, 4, 2, 2, 1, 0.5};
  return kBytes[static_cast<size_t>(precision)];
}

double Device::peak(Precision precision) const {
  switch (precision) {
    case Precision::kFp32:
      return peak_fp32;
    case Precision::kTf32:
      return peak_tf32;
    case Precision::kBf16:
      return peak_bf16;
    case Precision::kFp16:
      return peak_fp16;
    case Precision::kFp8:
      return peak_fp8;
    case Precision::kFp4:
      return peak_fp4;
  }
  COLOSSUS_CHECK(false, "precision {}", static_cast<int>(precision));
}

std::vector<NetworkTier> Cluster::tiers() const {
  std::vector<NetworkTier> result;
  if (device.nvlink_bandwidth > 0 && device.nvlink_domain > 1) {
    result.push_back(nvlink_tier(device));
  }
  for (NetworkTier tier : network.tiers) {
    const bool needed =
        result.empty() || result.back().num_devices < num_devices;
    if (!needed) break;
    if (tier.num_devices == 0) tier.num_devices = num_devices;
    if (tier.bandwidth == 0) tier.bandwidth = node.nic_bandwidth;
    result.push_back(tier);
  }
  return result;
}

const NetworkTier& tier_that_spans(const std::vector<NetworkTier>& tiers,
                                   int64_t num_devices) {
  for (const NetworkTier& tier : tiers) {
    if (tier.num_devices >= num_devices) return tier;
  }
  COLOSSUS_CHECK(false, "no tier of {} spans {} devices", tiers.size(),
                 num_devices);
}

Device device_named(const std::string& name, const std::string& where,
                    std::vector<Input>* inputs) {
  Device device;
  read_quantities(values_of_type(gpu_values(), name, "GPU", where),
                  quantities_of(device, ""), Grade::kPublished, inputs);
  device.name = name;
  return device;
}

std::vector<std::string> device_names() { return types_of(gpu_values()); }

void read_run_defaults(Cluster& cluster, std::vector<Input>* inputs) {
  std::vector<QuantityField> fields =
      quantities_of(cluster.failures, "failures.");
  for (std::vector<QuantityField> more :
       {quantities_of(cluster.recovery, "recovery."),
        quantities_of(cluster.power, "power.")}) {
    std::move(more.begin(), more.end(), std::back_inserter(fields));
  }
  read_quantities(run_values(), fields, Grade::kPublished, inputs);
}

Node node_named(const std::string& name, const std::string& where,
                std::vector<Input>* inputs) {
  Node node;
  read_quantities(values_of_type(node_values(), name, "node", where),
                  quantities_of(node, ""), Grade::kPublished, inputs);
  node.name = name;
  return node;
}

Network network_named(const std::string& name, const std::string& where,
                      std::vector<Input>* inputs) {
  Network network;
  read_network(values_of_type(network_values(), name, "network", where), "",
               Grade::kPublished, network, inputs);
  network.name = name;
  return network;
}

void read_network(const std::vector<TomlValue>& values,
                  const std::string& prefix, Grade ungraded, Network& network,
                  std::vector<Input>* inputs) {
  const std::string tier_prefix = prefix + "tier.";
  std::vector<TomlValue> own;
  std::vector<std::pair<std::string, std::vector<TomlValue>>> tiers;
  for (const TomlValue& value : values) {
    const size_t dot = value.key.find('.', tier_prefix.size());
    if (!value.key.starts_with(tier_prefix) || dot == std::string::npos) {
      own.push_back(value);
      continue;
    }
    const std::string name =
        value.key.substr(tier_prefix.size(), dot - tier_prefix.size());
    const auto known =
        std::find_if(tiers.begin(), tiers.end(),
                     [&](const auto& tier) { return tier.first == name; });
    if (known == tiers.end()) {
      tiers.push_back({name, {value}});
    } else {
      known->second.push_back(value);
    }
  }
  read_quantities(own, quantities_of(network, prefix), ungraded, inputs);
  if (!tiers.empty()) network.tiers.clear();
  for (const auto& [name, tier_values] : tiers) {
    NetworkTier tier{.name = name};
    read_quantities(tier_values, quantities_of(tier, tier_prefix + name + "."),
                    ungraded, inputs);
    network.tiers.push_back(tier);
  }
}

}  // namespace colossus::planner
