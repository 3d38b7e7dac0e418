#include "planner/bench_device.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "config/rules.h"
#include "config/strict_json.h"

namespace colossus::planner {
namespace {

using config::require;
using nlohmann::json;

constexpr config::JsonLimits kLimits = {.bytes = size_t{4} << 20, .depth = 8};

struct Best {
  double value = 0;
  int64_t threads = 0;
};

// A row's figure, which must be finite and above 0.
double figure(const json& row, const char* name, const std::string& source) {
  const auto at = row.find(name);
  require(at != row.end() && at->is_number(), "{}: '{}' of '{}' is no number",
          source, name, row.value("subject", ""));
  const auto value = at->get<double>();
  require(std::isfinite(value) && value > 0,
          "{}: '{}' of '{}' = {} must be above 0", source, name,
          row.value("subject", ""), value);
  return value;
}

Best best_of(const json& rows, const std::string& subject, const char* name,
             const std::string& source) {
  Best best;
  for (const json& row : rows) {
    require(row.is_object(), "{}: a row of 'peak' is no object", source);
    const auto at = row.find("subject");
    if (at == row.end() || *at != subject) continue;
    const double value = figure(row, name, source);
    const double threads = figure(row, "threads", source);
    require(threads <= 1e6, "{}: {} threads", source, threads);
    if (value > best.value) best = {value, static_cast<int64_t>(threads)};
  }
  require(best.value > 0,
          "{}: 'peak' has no row '{}'; make the file with `colossus bench "
          "--json`",
          source, subject);
  return best;
}

}  // namespace

Device read_bench_device(const std::string& text, const std::string& source) {
  const json root = config::parse_strict_json(text, source, kLimits);
  const bool has_peak =
      root.is_object() && root.contains("peak") && root["peak"].is_array();
  require(has_peak,
          "{}: no table 'peak'; make the file with `colossus bench --json`",
          source);
  const Best peak =
      best_of(root["peak"], "fused multiply-adds", "flops_per_second", source);
  const Best copy =
      best_of(root["peak"], "memory copy", "bytes_per_second", source);
  Device device;
  device.name = "processor";
  if (const auto machine = root.find("machine");
      machine != root.end() && machine->is_object() &&
      machine->contains("processor") && (*machine)["processor"].is_string()) {
    device.name = (*machine)["processor"].get<std::string>().substr(0, 80);
  }
  device.peak_fp32 = peak.value;
  device.memory_bandwidth = copy.value;
  device.num_sms = peak.threads;
  device.node = "machine";
  return device;
}

}  // namespace colossus::planner
