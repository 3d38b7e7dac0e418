#include "planner/calibration_file.h"

#include <algorithm>

#include "base/error.h"
#include "base/file_system.h"
#include "config/toml.h"

namespace colossus::planner {
namespace {

constexpr double kMostFactor = 20;
constexpr std::string_view kTierPrefix = "network.tier.";

// "network.tier.leaf.latency" -> "leaf"; "" where the key is none of a tier.
std::string tier_of(const std::string& key) {
  if (!key.starts_with(kTierPrefix)) return "";
  const size_t dot = key.rfind('.');
  if (dot < kTierPrefix.size()) return "";
  return key.substr(kTierPrefix.size(), dot - kTierPrefix.size());
}

TierCalibration& tier_named(const std::string& name,
                            std::vector<TierCalibration>& tiers) {
  const auto at = std::find_if(
      tiers.begin(), tiers.end(),
      [&](const TierCalibration& tier) { return tier.tier == name; });
  if (at != tiers.end()) return *at;
  tiers.push_back({.tier = name});
  return tiers.back();
}

std::vector<QuantityField> number_fields(Calibration& calibration) {
  std::vector<QuantityField> fields;
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    const CalibratedNumber& number = calibrated_numbers()[i];
    fields.push_back({std::string("calibration.") + number.name,
                      &calibrated_value(calibration, i), Unit::kNumber,
                      number.meaning});
  }
  return fields;
}

void check_sizes(const LoadedCalibration& loaded) {
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    const CalibratedNumber& number = calibrated_numbers()[i];
    const double value = calibrated_value(loaded.calibration, i);
    const double ratio = value / number.value;
    if (ratio <= kMostFactor && ratio >= 1 / kMostFactor) continue;
    const std::string key = std::string("calibration.") + number.name;
    const auto input =
        std::find_if(loaded.inputs.begin(), loaded.inputs.end(),
                     [&](const Input& read) { return read.key == key; });
    throw user_error(
        "{}: '{}' = {:g} is {:.3g} times ours, {:g}: no machine differs by "
        "more than {}",
        input->where, key, value, ratio, number.value, kMostFactor);
  }
}

}  // namespace

LoadedCalibration read_calibration(const std::string& text,
                                   const std::string& source) {
  LoadedCalibration loaded;
  const std::vector<config::TomlValue> values =
      config::toml_values(text, source);
  // All tiers first: their fields point into the vector.
  for (const config::TomlValue& value : values) {
    const std::string tier = tier_of(value.key);
    if (!tier.empty()) tier_named(tier, loaded.tiers);
  }
  std::vector<QuantityField> fields = number_fields(loaded.calibration);
  fields.push_back({"nvlink.latency", &loaded.nvlink_latency_seconds,
                    Unit::kSeconds, "of a step of a collective"});
  for (TierCalibration& tier : loaded.tiers) {
    const std::string prefix = std::string(kTierPrefix) + tier.tier;
    fields.push_back({prefix + ".efficiency", &tier.efficiency, Unit::kShare,
                      "of the bandwidth, what large transfers reach"});
    fields.push_back({prefix + ".latency", &tier.latency_seconds,
                      Unit::kSeconds, "of a step of a collective"});
  }
  read_quantities(values, fields, Grade::kGiven, &loaded.inputs);
  check_sizes(loaded);
  return loaded;
}

LoadedCalibration load_calibration(const std::string& path) {
  return read_calibration(read_file(path), path);
}

std::vector<std::string> apply_links(const LoadedCalibration& measured,
                                     Cluster& cluster) {
  if (measured.nvlink_latency_seconds > 0) {
    cluster.device.nvlink_latency = measured.nvlink_latency_seconds;
  }
  std::vector<std::string> unknown;
  for (const TierCalibration& tier : measured.tiers) {
    const auto at = std::find_if(
        cluster.network.tiers.begin(), cluster.network.tiers.end(),
        [&](const NetworkTier& of) { return of.name == tier.tier; });
    if (at == cluster.network.tiers.end()) {
      unknown.push_back(tier.tier);
      continue;
    }
    if (tier.efficiency > 0) at->efficiency = tier.efficiency;
    if (tier.latency_seconds > 0) at->latency = tier.latency_seconds;
  }
  return unknown;
}

}  // namespace colossus::planner
