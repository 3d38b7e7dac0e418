#include "planner/error_intervals.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/strings.h"
#include "planner/run_inputs.h"
#include "planner/transformer_counts.h"
#include "planner/units.h"

namespace colossus::planner {
namespace {

// A little less, since weights are rounded: of ten equal ones eight add up to
// 0.7999999999999999.
constexpr double kLevel = 0.8 - 1e-9;
constexpr RunGroup kGroups[] = {RunGroup::kTensorPipeline,
                                RunGroup::kOtherDense, RunGroup::kExperts,
                                RunGroup::kBlackwell};

int64_t num_units(const std::vector<UnitError>& errors) {
  std::map<std::string, int> units;
  for (const UnitError& error : errors) ++units[error.unit];
  return static_cast<int64_t>(units.size());
}

double absolute_log(double error) { return std::abs(std::log(1 + error)); }

void take_largest(const PublishedRun& run, KindErrors& kind) {
  const RunInputs inputs = inputs_of(run);
  const auto parameters =
      static_cast<double>(count_parameters(inputs.model).total());
  if (inputs.cluster.num_devices > kind.most_devices) {
    kind.most_devices = inputs.cluster.num_devices;
    kind.most_devices_id = run.id;
  }
  if (parameters > kind.most_parameters) {
    kind.most_parameters = parameters;
    kind.most_parameters_id = run.id;
  }
}

KindErrors errors_of_kind(const Validation& validation, RunGroup group) {
  KindErrors kind;
  kind.group = group;
  std::vector<UnitError> errors;
  for (const ScoredRun& run : validation.runs) {
    if (!run.is_in(group)) continue;
    errors.push_back({run.unit, absolute_log(run.cold)});
    take_largest(run.run, kind);
  }
  kind.half = half_interval_of(errors);
  kind.runs = static_cast<int64_t>(errors.size());
  kind.units = num_units(errors);
  return kind;
}

// The rows of the table that a run of this kind belongs to.
std::vector<const KindErrors*> kinds_of(const RunKind& kind) {
  const auto& kinds = shipped_intervals().kinds;
  std::vector<const KindErrors*> found;
  if (kind.has_experts) found.push_back(&kinds[2]);
  if (kind.is_blackwell) found.push_back(&kinds[3]);
  if (found.empty()) found.push_back(&kinds[kind.is_split ? 0 : 1]);
  return found;
}

}  // namespace

double ErrorInterval::low(double predicted) const {
  return predicted * std::exp(-half);
}
double ErrorInterval::high(double predicted) const {
  return predicted * std::exp(half);
}

double half_interval_of(const std::vector<UnitError>& errors) {
  std::map<std::string, double> sizes;
  for (const UnitError& error : errors) ++sizes[error.unit];
  std::vector<std::pair<double, double>> weighted;  // error, weight
  for (const UnitError& error : errors) {
    weighted.emplace_back(
        error.error, 1 / sizes[error.unit] / static_cast<double>(sizes.size()));
  }
  std::sort(weighted.begin(), weighted.end());
  double sum = 0;
  for (const auto& [error, weight] : weighted) {
    sum += weight;
    if (sum >= kLevel) return error;
  }
  return weighted.empty() ? 0 : weighted.back().first;
}

IntervalTable computed_intervals(const Validation& validation) {
  IntervalTable table;
  for (size_t i = 0; i < table.kinds.size(); ++i) {
    table.kinds[i] = errors_of_kind(validation, kGroups[i]);
  }
  std::vector<UnitError> memory;
  for (const ScoredRun& run : validation.runs) {
    if (!run.memory) continue;
    memory.push_back({run.unit, absolute_log(*run.memory)});
  }
  table.memory_half = half_interval_of(memory);
  table.memory_runs = static_cast<int64_t>(memory.size());
  table.memory_units = num_units(memory);
  return table;
}

const IntervalTable& shipped_intervals() {
  // clang-format off
  static const IntervalTable table = {{{
      {RunGroup::kTensorPipeline, 0.1090, 222, 5, "mbridge-023", 1024, "kort-007", 1.008e+12},
      {RunGroup::kOtherDense, 0.1076, 248, 4, "mpt-001", 512, "titan-035", 7.0554e+10},
      {RunGroup::kExperts, 0.1268, 88, 5, "mbridge-001", 256, "mbridge-037", 1.0264e+12},
      {RunGroup::kBlackwell, 0.0920, 125, 8, "mbridge-001", 256, "mbridge-037", 1.0264e+12},
  }}, 0.0821, 103, 2};
  // clang-format on
  return table;
}

std::string source_of(const IntervalTable& table) {
  static constexpr const char* kNames[] = {"kTensorPipeline", "kOtherDense",
                                           "kExperts", "kBlackwell"};
  std::string text;
  for (size_t i = 0; i < table.kinds.size(); ++i) {
    const KindErrors& k = table.kinds[i];
    text += fmt::format(
        "      {{RunGroup::{}, {:.4f}, {}, {}, \"{}\", {}, \"{}\", {:.5g}}},\n",
        kNames[i], k.half, k.runs, k.units, k.most_devices_id, k.most_devices,
        k.most_parameters_id, k.most_parameters);
  }
  return text + fmt::format("  }}}}, {:.4f}, {}, {}}};\n", table.memory_half,
                            table.memory_runs, table.memory_units);
}

ErrorInterval time_interval(const RunKind& kind) {
  ErrorInterval widest;
  for (const KindErrors* row : kinds_of(kind)) {
    if (row->half < widest.half) continue;
    widest = {row->half, group_name(row->group), row->runs, row->units};
  }
  return widest;
}

ErrorInterval memory_interval() {
  const IntervalTable& table = shipped_intervals();
  return {table.memory_half, "memory", table.memory_runs, table.memory_units};
}

std::string extrapolation(const RunKind& kind, int64_t num_devices,
                          double parameters) {
  for (const KindErrors* row : kinds_of(kind)) {
    const std::string of = fmt::format("the largest timed run in public ({})",
                                       group_name(row->group));
    if (num_devices > row->most_devices) {
      return fmt::format("{} GPUs: {} had {} ({})", with_thousands(num_devices),
                         of, with_thousands(row->most_devices),
                         row->most_devices_id);
    }
    if (parameters > row->most_parameters) {
      return fmt::format("{:.0f} billion parameters: {} had {:.0f} ({})",
                         parameters / 1e9, of, row->most_parameters / 1e9,
                         row->most_parameters_id);
    }
  }
  return "";
}

}  // namespace colossus::planner
