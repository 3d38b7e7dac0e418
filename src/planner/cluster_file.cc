#include "planner/cluster_file.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>

#include "base/error.h"
#include "base/file_system.h"
#include "base/strings.h"
#include "config/rules.h"
#include "planner/bench_device.h"

namespace colossus::planner {
namespace {

using config::require;
using config::TomlValue;

constexpr int64_t kMaxDevices = 100'000'000;

// The keys of [cluster].
struct Header {
  std::string name, device, node, network;
  int64_t num_devices = 0;

  template <typename Visitor>
  void visit_quantities(Visitor& v) {
    v.field("name", name, "what people call it");
    v.field("gpu", device,
            "a known type, or a file of `colossus bench --json`");
    v.field("gpus", num_devices, "devices in it");
    v.field("node", node, "a known type; absent = the GPU's usual one");
    v.field("network", network, "a known one; absent = the node's usual one");
  }
};

// A value of the file, or one more of a flag.
void apply(const std::string& assignment, std::vector<TomlValue>& values) {
  const size_t equals = assignment.find('=');
  require(equals != std::string::npos && equals > 0,
          "--set {}: write it as key=value", assignment);
  TomlValue value = {assignment.substr(0, equals),
                     assignment.substr(equals + 1), "--set"};
  const bool quoted = value.text.size() >= 2 && value.text.front() == '"' &&
                      value.text.back() == '"';
  if (quoted) value.text = value.text.substr(1, value.text.size() - 2);
  const auto at =
      std::find_if(values.begin(), values.end(),
                   [&](const TomlValue& old) { return old.key == value.key; });
  if (at == values.end()) {
    values.push_back(std::move(value));
  } else {
    *at = std::move(value);
  }
}

class ClusterReader {
 public:
  ClusterReader(std::vector<TomlValue> values, const std::string& source)
      : values_(std::move(values)), source_(source) {}

  LoadedCluster read() {
    refuse_other_sections();
    read_header();
    read_device();
    read_node();
    read_the_network();
    Cluster& c = loaded_.cluster;
    read_run_defaults(c, &of_types_);
    read_section("failures.", c.failures);
    read_section("recovery.", c.recovery);
    read_section("power.", c.power);
    read_section("price.", c.prices);
    read_deliveries();
    add_inputs_of_types();
    validate(c, source_);
    return std::move(loaded_);
  }

 private:
  void refuse_other_sections() const {
    const std::vector<std::string> known = {"cluster", "gpu",      "node",
                                            "network", "failures", "recovery",
                                            "power",   "price",    "delivery"};
    for (const TomlValue& value : values_) {
      const size_t dot = value.key.find('.');
      const std::string section = value.key.substr(0, dot);
      const bool fits =
          dot != std::string::npos &&
          std::find(known.begin(), known.end(), section) != known.end();
      if (fits) continue;
      throw user_error("{}: unknown key '{}'{}", value.where, value.key,
                       dot == std::string::npos
                           ? "; keys stand in a section, such as [cluster]"
                           : did_you_mean(section, known));
    }
  }

  // The values whose keys begin so.
  std::vector<TomlValue> take(const std::string& prefix) {
    std::vector<TomlValue> taken, rest;
    for (TomlValue& value : values_) {
      (value.key.starts_with(prefix) ? taken : rest)
          .push_back(std::move(value));
    }
    values_ = std::move(rest);
    return taken;
  }

  template <typename Struct>
  void read_section(const std::string& prefix, Struct& component) {
    read_quantities(take(prefix), quantities_of(component, prefix),
                    Grade::kGiven, &loaded_.inputs);
  }

  std::string where(const std::string& key) const {
    for (const Input& input : loaded_.inputs) {
      if (input.key == key) return input.where;
    }
    return source_;
  }

  void read_header() {
    read_section("cluster.", header_);
    require(!header_.device.empty(), "{}: 'cluster.gpu' is missing", source_);
    require(header_.num_devices > 0, "{}: 'cluster.gpus' is missing", source_);
    const std::filesystem::path path(source_);
    loaded_.cluster.name =
        header_.name.empty() ? path.stem().string() : header_.name;
    loaded_.cluster.num_devices = header_.num_devices;
  }

  void read_device() {
    Device& device = loaded_.cluster.device;
    const std::string place = where("cluster.gpu");
    if (header_.device.ends_with(".json")) {
      const std::filesystem::path folder =
          std::filesystem::path(source_).parent_path();
      const std::string path = (folder / header_.device).string();
      device = read_bench_device(read_file(path), path);
    } else {
      std::vector<Input> inputs;
      device = device_named(header_.device, place + ": 'cluster.gpu'", &inputs);
      keep("gpu.", std::move(inputs));
    }
    read_section("gpu.", device);
  }

  void read_node() {
    Cluster& c = loaded_.cluster;
    const std::string node =
        header_.node.empty() ? c.device.node : header_.node;
    std::vector<Input> inputs;
    c.node =
        node_named(node, where("cluster.node") + ": 'cluster.node'", &inputs);
    keep("node.", std::move(inputs));
    read_section("node.", c.node);
  }

  void read_the_network() {
    Cluster& c = loaded_.cluster;
    const std::string network =
        header_.network.empty() ? c.node.network : header_.network;
    std::vector<Input> inputs;
    c.network = network_named(
        network, where("cluster.network") + ": 'cluster.network'", &inputs);
    keep("network.", std::move(inputs));
    const std::vector<TomlValue> values = take("network.");
    file_has_tiers_ =
        std::any_of(values.begin(), values.end(), [](const TomlValue& value) {
          return value.key.starts_with("network.tier.");
        });
    read_network(values, "network.", Grade::kGiven, c.network, &loaded_.inputs);
  }

  void read_deliveries() {
    const std::string prefix = "delivery.";
    for (const TomlValue& value : take(prefix)) {
      Delivery delivery;
      delivery.day = parse_day(value.key.substr(prefix.size()), value.where);
      const QuantityField field = {value.key, &delivery.num_devices,
                                   Unit::kCount, ""};
      read_quantities({value}, {field}, Grade::kGiven, &loaded_.inputs);
      loaded_.cluster.deliveries.push_back(delivery);
    }
    std::sort(
        loaded_.cluster.deliveries.begin(), loaded_.cluster.deliveries.end(),
        [](const Delivery& a, const Delivery& b) { return a.day < b.day; });
  }

  // Figures of known types, under the keys that would replace them.
  void add_inputs_of_types() {
    for (Input& input : of_types_) {
      const bool tier = input.key.starts_with("network.tier.");
      const bool replaced =
          where(input.key) != source_ || (tier && file_has_tiers_);
      if (!replaced) loaded_.inputs.push_back(std::move(input));
    }
  }

  void keep(const std::string& prefix, std::vector<Input> inputs) {
    for (Input& input : inputs) {
      input.key = prefix + input.key;
      of_types_.push_back(std::move(input));
    }
  }

  std::vector<TomlValue> values_;
  const std::string& source_;
  Header header_;
  LoadedCluster loaded_;
  std::vector<Input> of_types_;
  bool file_has_tiers_ = false;
};

void check_device(const Cluster& c, const std::string& source) {
  const Device& d = c.device;
  require(d.memory_bytes > 0,
          "{}: 'gpu.memory' is missing: {} does not say how much it has",
          source, d.name);
  require(d.memory_bandwidth > 0, "{}: 'gpu.memory_bandwidth' is missing",
          source);
  require(d.peak_fp32 > 0 || d.peak_bf16 > 0 || d.peak_fp16 > 0,
          "{}: 'gpu.peak_bf16' is missing, and so are fp16 and fp32", source);
  require(d.nvlink_bandwidth > 0 || d.nvlink_domain == 1,
          "{}: 'gpu.nvlink' is missing, since 'gpu.nvlink_domain' = {}", source,
          d.nvlink_domain);
}

void check_counts(const Cluster& c, const std::string& source) {
  require(c.num_devices >= 1 && c.num_devices <= kMaxDevices,
          "{}: 'cluster.gpus' = {} must be from 1 to {}", source, c.num_devices,
          kMaxDevices);
  const int64_t per_node = c.node.num_devices;
  require(per_node >= 1, "{}: 'node.gpus' = {} must be at least 1", source,
          per_node);
  require(c.num_devices % per_node == 0,
          "{}: 'cluster.gpus' = {} must be a multiple of 'node.gpus' = {}",
          source, c.num_devices, per_node);
  require(c.num_nodes() == 1 || c.node.nic_bandwidth > 0,
          "{}: 'node.nic' is missing, and there are {} nodes", source,
          c.num_nodes());
}

void check_tiers(const Cluster& c, const std::string& source) {
  const std::vector<NetworkTier>& tiers = c.network.tiers;
  require(!tiers.empty(), "{}: the network has no tier", source);
  int64_t below = 1;
  for (size_t i = 0; i < tiers.size(); ++i) {
    const NetworkTier& tier = tiers[i];
    const bool last = i + 1 == tiers.size();
    require(tier.num_devices > 0 || last,
            "{}: 'network.tier.{}.gpus' is missing; only the last tier holds "
            "all",
            source, tier.name);
    require(tier.num_devices == 0 || tier.num_devices % below == 0,
            "{}: 'network.tier.{}.gpus' = {} must be a multiple of the tier's "
            "below, {}",
            source, tier.name, tier.num_devices, below);
    require(tier.num_devices == 0 || tier.num_devices > below || i == 0,
            "{}: 'network.tier.{}.gpus' = {} must be above the tier's below, "
            "{}",
            source, tier.name, tier.num_devices, below);
    require(tier.oversubscription >= 1,
            "{}: 'network.tier.{}.oversubscription' = {} must be at least 1",
            source, tier.name, tier.oversubscription);
    below = tier.num_devices;
  }
  require(below == 0 || below >= c.num_devices,
          "{}: the network's last tier holds {} GPUs, and 'cluster.gpus' = {}",
          source, below, c.num_devices);
}

void check_failures(const Cluster& c, const std::string& source) {
  const Failures& f = c.failures;
  const Recovery& r = c.recovery;
  require(f.spread >= 1, "{}: 'failures.spread' = {} must be at least 1",
          source, f.spread);
  require(f.burstiness == 0 || (f.burstiness >= 0.01 && f.burstiness <= 10),
          "{}: 'failures.burstiness' = {} must be 0 (a steady rate) or from "
          "0.01 to 10",
          source, f.burstiness);
  require(f.slow_factor >= 1,
          "{}: 'failures.slow_factor' = {} must be at least 1", source,
          f.slow_factor);
  require(
      r.strategy == "restart" || r.strategy == "memory" || r.strategy == "heal",
      "{}: 'recovery.strategy' = \"{}\" must be restart, memory or heal",
      source, r.strategy);
  require(r.spares_suffice < 1,
          "{}: 'recovery.spares_suffice' = {} must be below 1: no number of "
          "spares suffices always",
          source, r.spares_suffice);
  const double away = f.per_thousand_node_days / 1000 *
                      static_cast<double>(c.node.num_devices) / 8 *
                      f.repair_seconds * f.repair_tail / 86400;
  require(away < 1,
          "{}: with 'failures.per_1000_node_days' = {} and a mean repair of {} "
          "each node would have {:.3g} faults while it is repaired; it must be "
          "below 1",
          source, f.per_thousand_node_days,
          quantity_text(f.repair_seconds * f.repair_tail, Unit::kSeconds),
          away);
  const std::pair<const char*, double> tails[] = {
      {"failures.repair_tail", f.repair_tail},
      {"recovery.detection_tail", r.detection_tail},
      {"recovery.restart_tail", r.restart_tail},
      {"recovery.heal_tail", r.heal_tail}};
  for (const auto& [key, tail] : tails) {
    require(tail >= 1 && tail <= 1000,
            "{}: '{}' = {} must be from 1 (always the same time) to 1000",
            source, key, tail);
  }
}

void check_power(const Cluster& c, const std::string& source) {
  const Power& p = c.power;
  require(p.idle_share <= p.wait_share && p.wait_share <= p.compute_share,
          "{}: 'power.idle' = {}, 'wait' = {} and 'compute' = {} must ascend",
          source, p.idle_share, p.wait_share, p.compute_share);
  require(p.node_over_devices >= 1,
          "{}: 'power.node_over_gpus' = {} must be at least 1", source,
          p.node_over_devices);
}

void check_deliveries(const Cluster& c, const std::string& source) {
  const int64_t reach = c.network.tiers.back().num_devices;  // 0 = all
  for (const Delivery& delivery : c.deliveries) {
    require(delivery.num_devices <= kMaxDevices,
            "{}: 'delivery.{}' = {} must be from 1 to {}", source,
            day_text(delivery.day), delivery.num_devices, kMaxDevices);
    require(reach == 0 || delivery.num_devices <= reach,
            "{}: 'delivery.{}' = {}, and the network's last tier holds {} GPUs",
            source, day_text(delivery.day), delivery.num_devices, reach);
  }
  for (size_t i = 1; i < c.deliveries.size(); ++i) {
    const Delivery& before = c.deliveries[i - 1];
    const Delivery& after = c.deliveries[i];
    require(before.day < after.day, "{}: two deliveries on {}", source,
            day_text(after.day));
    require(before.num_devices <= after.num_devices,
            "{}: 'delivery' falls from {} to {} GPUs on {}", source,
            before.num_devices, after.num_devices, day_text(after.day));
  }
}

}  // namespace

void validate(const Cluster& cluster, const std::string& source) {
  check_device(cluster, source);
  check_counts(cluster, source);
  check_tiers(cluster, source);
  check_failures(cluster, source);
  check_power(cluster, source);
  check_deliveries(cluster, source);
}

LoadedCluster read_cluster(const std::string& text, const std::string& source,
                           const std::vector<std::string>& overrides) {
  std::vector<TomlValue> values = config::toml_values(text, source);
  for (const std::string& assignment : overrides) apply(assignment, values);
  return ClusterReader(std::move(values), source).read();
}

LoadedCluster load_cluster(const std::string& path,
                           const std::vector<std::string>& overrides) {
  return read_cluster(read_file(path), path, overrides);
}

Cluster make_cluster(const std::string& device, int64_t num_devices) {
  Cluster cluster;
  cluster.name = fmt::format("{} {}", num_devices, device);
  cluster.num_devices = num_devices;
  cluster.device = device_named(device, "the cluster");
  cluster.node = node_named(cluster.device.node, "the cluster");
  cluster.node.num_devices = std::min(cluster.node.num_devices, num_devices);
  cluster.network = network_named(cluster.node.network, "the cluster");
  read_run_defaults(cluster);
  validate(cluster, cluster.name);
  return cluster;
}

int64_t parse_day(const std::string& text, const std::string& where) {
  unsigned year = 0, month = 0, day = 0;
  const char* at = text.data();
  const char* end = at + text.size();
  const auto number = [&](auto& value, size_t digits) {
    if (static_cast<size_t>(end - at) < digits) return false;
    const auto result = std::from_chars(at, at + digits, value);
    at += digits;
    return result.ec == std::errc() && result.ptr == at;
  };
  const auto dash = [&] { return at != end && *at++ == '-'; };
  const bool written = number(year, 4) && dash() && number(month, 2) &&
                       dash() && number(day, 2) && at == end;
  const std::chrono::year_month_day date{
      std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
      std::chrono::day(day)};
  require(written && date.ok(), "{}: '{}' is no day; write it as in 2024-09-01",
          where, text.substr(0, 40));
  return std::chrono::sys_days(date).time_since_epoch().count();
}

std::string day_text(int64_t day) {
  const std::chrono::year_month_day date{
      std::chrono::sys_days(std::chrono::days(day))};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

}  // namespace colossus::planner
