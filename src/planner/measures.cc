#include "planner/measures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "planner/median.h"

namespace colossus::planner {
namespace {

constexpr int64_t kLeastRows = 5;  // of a unit that counts in a mean
constexpr RunGroup kGroups[] = {RunGroup::kTensorPipeline,
                                RunGroup::kOtherDense, RunGroup::kExperts,
                                RunGroup::kBlackwell};

std::optional<Errors> errors_if_any(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  return errors_of(values);
}

void append(const std::optional<double>& value, std::vector<double>& values) {
  if (value) values.push_back(*value);
}

GroupErrors errors_of_unit(RunGroup group, const std::string& unit,
                           const std::vector<const ScoredRun*>& runs) {
  std::vector<double> cold, anchored, baseline_cold, baseline_anchored;
  for (const ScoredRun* run : runs) {
    cold.push_back(run->cold);
    append(run->anchored, anchored);
    append(run->baseline_cold, baseline_cold);
    append(run->baseline_anchored, baseline_anchored);
  }
  return {group,
          unit,
          static_cast<int64_t>(runs.size()),
          errors_of(cold),
          errors_if_any(anchored),
          errors_if_any(baseline_cold),
          errors_if_any(baseline_anchored)};
}

std::string percent(double share) {
  return fmt::format("{:.1f}%", 100 * share);
}
std::string percents(double a, double b) {
  return percent(a) + " / " + percent(b);
}

// Over units of at least five rows.
struct Mean {
  double median = 0, p90 = 0, worst_median = 0, worst_p90 = 0;
  int units = 0;

  void add(const Errors& errors) {
    median += (errors.median - median) / (units + 1);
    p90 += (errors.p90 - p90) / (units + 1);
    worst_median = std::max(worst_median, errors.median);
    worst_p90 = std::max(worst_p90, errors.p90);
    ++units;
  }
};

template <typename Get>
Mean mean_of(const std::vector<GroupErrors>& groups, RunGroup group, Get get) {
  Mean mean;
  for (const GroupErrors& errors : groups) {
    if (errors.group != group || errors.rows < kLeastRows) continue;
    const std::optional<Errors> one = get(errors);
    if (one) mean.add(*one);
  }
  return mean;
}

std::optional<Errors> cold(const GroupErrors& g) { return g.cold; }
std::optional<Errors> anchored(const GroupErrors& g) { return g.anchored; }
std::optional<Errors> baseline(const GroupErrors& g) { return g.baseline_cold; }

void add_group_measures(const std::vector<GroupErrors>& groups,
                        std::vector<Measure>& measures) {
  const auto split = RunGroup::kTensorPipeline;
  const auto add = [&](const char* name, const Mean& mean, const char* reach,
                       const char* aim) {
    if (mean.units == 0) return;
    measures.push_back({name, percents(mean.median, mean.p90), reach, aim});
    measures.push_back({"  the worst of them",
                        percents(mean.worst_median, mean.worst_p90), "", ""});
  };
  add("dense, tp x pp > 1, cold: median / p90", mean_of(groups, split, cold),
      "15% / 35%", "9% / 20%");
  add("the same, anchored", mean_of(groups, split, anchored), "10% / 25%",
      "5% / 12%");
  add("other dense, anchored", mean_of(groups, RunGroup::kOtherDense, anchored),
      "10%", "5%");
  add("experts, anchored", mean_of(groups, RunGroup::kExperts, anchored), "15%",
      "8%");
  add("Blackwell, anchored", mean_of(groups, RunGroup::kBlackwell, anchored),
      "12%", "6%");
}

void add_baseline_measure(const std::vector<GroupErrors>& groups,
                          std::vector<Measure>& measures) {
  const Mean ours = mean_of(groups, RunGroup::kTensorPipeline, cold);
  const Mean theirs = mean_of(groups, RunGroup::kTensorPipeline, baseline);
  if (ours.units == 0 || theirs.units == 0) return;
  int worse = 0;
  for (const GroupErrors& errors : groups) {
    const bool is_worse = errors.group == RunGroup::kTensorPipeline &&
                          errors.baseline_cold &&
                          errors.cold.median > errors.baseline_cold->median;
    worse += is_worse;
  }
  measures.push_back(
      {"error over the baseline's, cold, tp x pp > 1; families worse than it",
       fmt::format("{:.2f}; {}", ours.median / theirs.median, worse), "0.33; 0",
       "0.20"});
}

// Mean and worst of all anchored rows of a family.
void add_family_measure(const std::vector<ScoredRun>& runs,
                        const std::string& family, const char* reach,
                        const char* aim, std::vector<Measure>& measures) {
  double sum = 0, worst = 0;
  int count = 0;
  for (const ScoredRun& run : runs) {
    if (run.unit != family || !run.anchored) continue;
    sum += std::abs(*run.anchored);
    worst = std::max(worst, std::abs(*run.anchored));
    ++count;
  }
  if (count == 0) return;
  measures.push_back({family + ", anchored: mean / worst",
                      percents(sum / count, worst), reach, aim});
}

void add_memory_measure(const std::vector<ScoredRun>& runs,
                        std::vector<Measure>& measures) {
  std::map<std::string, std::vector<double>> families;
  for (const ScoredRun& run : runs) {
    if (!run.memory) continue;
    families["all"].push_back(*run.memory);
    families[run.run.family].push_back(*run.memory);
  }
  for (const auto& [family, values] : families) {
    const Errors errors = errors_of(values);
    measures.push_back({fmt::format("memory, {} ({} rows): median / p90",
                                    family, values.size()),
                        percents(errors.median, errors.p90), "8% / 15%",
                        "5% / 10%"});
  }
}

void add_fitting_measures(const Fitting& fitting,
                          std::vector<Measure>& measures) {
  if (fitting.runs == 0) return;
  const double share =
      static_cast<double>(fitting.fitting) / static_cast<double>(fitting.runs);
  measures.push_back(
      {"published runs that fit their memory", percent(share), "98%", ""});
  measures.push_back(
      {"runs out of memory that do not fit",
       fmt::format("{} of {}", fitting.not_fitting, fitting.out_of_memory),
       "5 of 6", ""});
}

void add_interval_measure(const std::vector<ScoredRun>& runs, bool is_anchored,
                          std::vector<Measure>& measures) {
  std::vector<double> widths;
  double inside = 0;
  for (const ScoredRun& run : runs) {
    const std::optional<double> error =
        is_anchored ? run.anchored : std::optional<double>(run.cold);
    if (!error) continue;
    const double half = is_anchored ? run.interval_anchored : run.interval;
    inside += std::abs(std::log(1 + *error)) <= half;
    widths.push_back(std::exp(half) - std::exp(-half));
  }
  if (widths.empty()) return;
  const double share = inside / static_cast<double>(widths.size());
  measures.push_back({fmt::format("80% interval, {}: holds / median width",
                                  is_anchored ? "anchored" : "cold"),
                      percents(share, median(widths)), "70-90%", ""});
}

}  // namespace

const char* group_name(RunGroup group) {
  switch (group) {
    case RunGroup::kTensorPipeline:
      return "dense, tp x pp > 1, A100 and H100";
    case RunGroup::kOtherDense:
      return "other dense";
    case RunGroup::kExperts:
      return "experts";
    case RunGroup::kBlackwell:
      break;
  }
  return "Blackwell";
}

Errors errors_of(std::vector<double> values) {
  Errors errors;
  errors.bias = median(values);
  for (double& value : values) value = std::abs(value);
  errors.median = median(values);
  std::sort(values.begin(), values.end());
  const auto rank =
      static_cast<size_t>(std::ceil(0.9 * static_cast<double>(values.size())));
  errors.p90 = values[std::max<size_t>(rank, 1) - 1];
  return errors;
}

std::vector<GroupErrors> group_errors(const std::vector<ScoredRun>& runs) {
  std::vector<GroupErrors> groups;
  for (const RunGroup group : kGroups) {
    std::map<std::string, std::vector<const ScoredRun*>> units;
    for (const ScoredRun& run : runs) {
      if (run.is_in(group)) units[run.unit].push_back(&run);
    }
    for (const auto& [unit, members] : units) {
      groups.push_back(errors_of_unit(group, unit, members));
    }
  }
  return groups;
}

std::vector<Measure> measures_of(const Validation& validation) {
  std::vector<Measure> measures;
  add_group_measures(validation.groups, measures);
  add_baseline_measure(validation.groups, measures);
  add_family_measure(validation.runs, "kort", "5% / 10%", "3% / 7%", measures);
  add_family_measure(validation.runs, "vtrain", "14.7%", "8%", measures);
  add_memory_measure(validation.runs, measures);
  add_fitting_measures(validation.fitting, measures);
  add_interval_measure(validation.runs, false, measures);
  add_interval_measure(validation.runs, true, measures);
  return measures;
}

}  // namespace colossus::planner
