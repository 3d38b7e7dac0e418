#include "planner/plan_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/fields.h"
#include "base/strings.h"

namespace colossus::planner {
namespace {

constexpr double kDay = 86400;        // seconds
constexpr double kLastDay = 2932896;  // 9999-12-31, since 1970-01-01

void add_text(const std::string& name, const std::string& before,
              const std::string& after, std::vector<Change>& changes) {
  if (before == after) return;
  changes.push_back({name, before, after, 0, 0});
}

void add_figure(const std::string& name, double before, double after,
                const std::string& before_text, const std::string& after_text,
                std::vector<Change>& changes) {
  if (before == after) return;
  const double relative = before == 0 ? 0 : after / before - 1;
  changes.push_back({name, before_text, after_text, after - before, relative});
}

void add_quantity(const std::string& name, double before, double after,
                  Unit unit, std::vector<Change>& changes) {
  add_figure(name, before, after, quantity_text(before, unit),
             quantity_text(after, unit), changes);
}

void add_count(const std::string& name, int64_t before, int64_t after,
               std::vector<Change>& changes) {
  add_figure(name, static_cast<double>(before), static_cast<double>(after),
             with_thousands(before), with_thousands(after), changes);
}

std::string start_text(const PlanRequest& request) {
  return request.start_day ? day_text(*request.start_day) : "";
}

void add_requests(const Plan& before, const Plan& after,
                  std::vector<Change>& changes) {
  const PlanRequest &a = before.request, &b = after.request;
  add_text("model", a.model.name, b.model.name, changes);
  add_count("parameters", before.total_parameters, after.total_parameters,
            changes);
  add_text("model from", a.model_source, b.model_source, changes);
  add_text("cluster", a.cluster.cluster.name, b.cluster.cluster.name, changes);
  add_count("GPUs", a.cluster.cluster.num_devices,
            b.cluster.cluster.num_devices, changes);
  add_count("sequences a step", a.global_batch_sequences,
            b.global_batch_sequences, changes);
  add_count("tokens of a sequence", a.seq_len, b.seq_len, changes);
  add_quantity("tokens of the run", a.num_tokens, b.num_tokens, Unit::kCount,
               changes);
  add_text("first day", start_text(a), start_text(b), changes);
  add_text("precision", precision_name(a.precision),
           precision_name(b.precision), changes);
  add_text("framework", a.framework, b.framework, changes);
  add_text("framework's version", a.framework_version, b.framework_version,
           changes);
  add_text("calibration from", a.calibration_source, b.calibration_source,
           changes);
  std::string rules_a, rules_b;
  for (const std::string& rule : a.rules.texts) rules_a += rule + " ";
  for (const std::string& rule : b.rules.texts) rules_b += rule + " ";
  add_text("rules", rules_a, rules_b, changes);
}

// Figures that have a list of their own here.
bool is_listed_elsewhere(const Input& input) {
  return input.key.starts_with("calibration.") || input.key == "model" ||
         input.key == "precision";
}

// Where a figure comes from is part of it: a measured one that was assumed is a
// change.
std::map<std::string, std::string> texts_of(const std::vector<Input>& inputs) {
  std::map<std::string, std::string> texts;
  for (const Input& input : inputs) {
    if (is_listed_elsewhere(input)) continue;
    texts[input.key] =
        fmt::format("{} ({})", input.text, grade_name(input.grade));
  }
  return texts;
}

void add_inputs(const std::vector<Input>& a, const std::vector<Input>& b,
                std::vector<Change>& changes) {
  const auto before = texts_of(a), after = texts_of(b);
  for (const auto& [key, text] : before) {
    const auto at = after.find(key);
    add_text(key, text, at == after.end() ? "" : at->second, changes);
  }
  for (const auto& [key, text] : after) {
    if (!before.contains(key)) add_text(key, "", text, changes);
  }
}

void add_calibrations(const Calibration& a, const Calibration& b,
                      std::vector<Change>& changes) {
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    const double before = calibrated_value(a, i);
    const double after = calibrated_value(b, i);
    add_figure(calibrated_numbers()[i].name, before, after,
               fmt::format("{:.5g}", before), fmt::format("{:.5g}", after),
               changes);
  }
}

std::string text_of(const Field& field) {
  if (const auto* const* number = std::get_if<int64_t*>(&field.value)) {
    return with_thousands(**number);
  }
  if (const auto* const* flag = std::get_if<bool*>(&field.value)) {
    return **flag ? "yes" : "no";
  }
  return *std::get<std::string*>(field.value);
}

void add_layouts(const Layout& a, const Layout& b,
                 std::vector<Change>& changes) {
  Layout before = a, after = b;
  const std::vector<Field> old_fields = fields_of(before);
  const std::vector<Field> new_fields = fields_of(after);
  for (size_t i = 0; i < old_fields.size(); ++i) {
    add_text(old_fields[i].name, text_of(old_fields[i]), text_of(new_fields[i]),
             changes);
  }
}

std::string percent(double share) {
  return fmt::format("{:.2f}%", 100 * share);
}

void add_results(const PlannedLayout& a, const PlannedLayout& b,
                 std::vector<Change>& changes) {
  add_quantity("step time", a.cost.seconds, b.cost.seconds, Unit::kSeconds,
               changes);
  add_quantity("tokens/s", a.tokens_per_second, b.tokens_per_second,
               Unit::kCount, changes);
  add_quantity("FLOP/s a GPU", a.flops_per_device, b.flops_per_device,
               Unit::kFlops, changes);
  add_figure("MFU", a.mfu, b.mfu, percent(a.mfu), percent(b.mfu), changes);
  add_quantity("memory a GPU", a.memory.needed(), b.memory.needed(),
               Unit::kBytes, changes);
  add_text("fits", a.fits ? "yes" : "no", b.fits ? "yes" : "no", changes);
  add_text("extrapolates", a.extrapolates, b.extrapolates, changes);
}

void sort_by_difference(std::vector<Change>& changes) {
  std::stable_sort(changes.begin(), changes.end(),
                   [](const Change& a, const Change& b) {
                     return std::abs(a.difference) > std::abs(b.difference);
                   });
}

void add_times(const StepCost& a, const StepCost& b,
               std::vector<Change>& changes) {
  for (size_t i = 0; i < kNumTerms; ++i) {
    add_quantity(term_name(static_cast<Term>(i)), a.terms[i], b.terms[i],
                 Unit::kSeconds, changes);
  }
  sort_by_difference(changes);
}

void add_memories(const MemoryUse& a, const MemoryUse& b,
                  std::vector<Change>& changes) {
  for (const auto& [name, bytes] : kMemoryParts) {
    add_quantity(name, a.*bytes, b.*bytes, Unit::kBytes, changes);
  }
  sort_by_difference(changes);
}

void add_runs(const std::optional<RunForecast>& a,
              const std::optional<RunForecast>& b,
              std::vector<Change>& changes) {
  if (!a || !b) {
    add_text("run", a ? "forecast" : "", b ? "forecast" : "", changes);
    return;
  }
  RunForecast before = *a, after = *b;
  const auto old_fields = quantities_of(before, "");
  const auto new_fields = quantities_of(after, "");
  for (size_t i = 0; i < old_fields.size(); ++i) {
    add_quantity(old_fields[i].name, *std::get<double*>(old_fields[i].value),
                 *std::get<double*>(new_fields[i].value), old_fields[i].unit,
                 changes);
  }
}

// A day beyond the calendar of four digits stands as its last.
std::string end_text(const Growth& growth) {
  if (!growth.ends) return "never";
  return day_text(
      static_cast<int64_t>(std::clamp(growth.end_day, 0.0, kLastDay)));
}

void add_growth(const std::optional<Growth>& a, const std::optional<Growth>& b,
                std::vector<Change>& changes) {
  if (!a || !b) {
    add_text("growing run ends", a ? end_text(*a) : "", b ? end_text(*b) : "",
             changes);
    return;
  }
  const double later = a->ends && b->ends ? b->end_day - a->end_day : 0;
  if (later != 0 || a->ends != b->ends) {
    changes.push_back(
        {"growing run ends", end_text(*a), end_text(*b), later, 0});
  }
  add_quantity("spent growing", kDay * a->resize_days, kDay * b->resize_days,
               Unit::kSeconds, changes);
}

std::string signed_text(double value, Unit unit) {
  return (value < 0 ? "-" : "+") + quantity_text(std::abs(value), unit);
}

// `unit`: of the differences, which are then shown.
std::string section_text(const std::string& title,
                         const std::vector<Change>& changes,
                         std::optional<Unit> unit) {
  if (changes.empty()) return "";
  std::string text = "\n" + title + "\n";
  for (const Change& change : changes) {
    std::string line = fmt::format("  {:32} {:>18} -> {:18}", change.name,
                                   change.before.empty() ? "-" : change.before,
                                   change.after.empty() ? "-" : change.after);
    if (unit)
      line += fmt::format(" {:>10}", signed_text(change.difference, *unit));
    if (change.relative != 0) {
      line += fmt::format(" {:>+8.1f}%", 100 * change.relative);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

double sum_of(const std::vector<Change>& changes) {
  double sum = 0;
  for (const Change& change : changes) sum += change.difference;
  return sum;
}

}  // namespace

bool PlanDiff::is_empty() const {
  return request.empty() && inputs.empty() && calibration.empty() &&
         layout.empty() && results.empty() && time.empty() && memory.empty() &&
         run.empty();
}

PlanDiff diff_plans(const Plan& before, const Plan& after) {
  PlanDiff diff;
  const PlannedLayout& a = shown_layout(before);
  const PlannedLayout& b = shown_layout(after);
  add_requests(before, after, diff.request);
  add_inputs(before.inputs, after.inputs, diff.inputs);
  add_calibrations(before.request.calibration, after.request.calibration,
                   diff.calibration);
  add_layouts(a.layout, b.layout, diff.layout);
  add_results(a, b, diff.results);
  add_times(a.cost, b.cost, diff.time);
  add_memories(a.memory, b.memory, diff.memory);
  add_runs(before.run, after.run, diff.run);
  add_growth(before.growth, after.growth, diff.run);
  return diff;
}

std::string diff_text(const PlanDiff& diff, const std::string& before,
                      const std::string& after) {
  if (diff.is_empty()) {
    return fmt::format("{} and {} say the same\n", before, after);
  }
  std::string text = fmt::format("{} -> {}\n", before, after);
  text += section_text("Asked for", diff.request, {});
  text += section_text("Figures that it rests on", diff.inputs, {});
  text += section_text("Calibrated numbers", diff.calibration, {});
  text += section_text("Layout", diff.layout, {});
  text += section_text("Results", diff.results, {});
  text +=
      section_text(fmt::format("Time of a step: {} in all",
                               signed_text(sum_of(diff.time), Unit::kSeconds)),
                   diff.time, Unit::kSeconds);
  text +=
      section_text(fmt::format("Memory of the heaviest GPU: {} in all",
                               signed_text(sum_of(diff.memory), Unit::kBytes)),
                   diff.memory, Unit::kBytes);
  text += section_text("Run", diff.run, {});
  return text;
}

}  // namespace colossus::planner
