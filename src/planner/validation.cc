#include "planner/validation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "planner/baseline.h"
#include "planner/error_intervals.h"
#include "planner/measures.h"
#include "planner/memory.h"
#include "planner/step_cost.h"

namespace colossus::planner {
namespace {

constexpr double kGibibyte = 1024.0 * 1024 * 1024;

// A row with all that is computed from it once.
struct Row {
  PublishedRun run;
  RunWorkload workload;
  std::string unit, model;
  bool is_blackwell = false;
};

// "Qwen3-30B (tokendrop)" -> "Qwen3-30B".
std::string model_of_name(const std::string& name) {
  return name.substr(0, name.find(" ("));
}

std::string family_of(const PublishedRun& run) {
  if (!run.family.empty()) return run.family;
  return run.framework.empty() ? "unknown" : run.framework;
}

// A user's own rows have no grade.
bool counts(const PublishedRun& run) {
  return (run.quality.empty() || run.is_first_hand()) && run.step_seconds();
}

// Rows that count, in the order of the table; the rest of those that ought to
// be predicted into `unpredicted`.
std::vector<Row> rows_of(const std::vector<PublishedRun>& runs,
                         std::vector<Unpredicted>* unpredicted) {
  std::vector<Row> rows;
  for (const PublishedRun& run : runs) {
    if (!counts(run)) continue;
    RunWorkload workload = workload_of(run);
    if (workload.why_not) {
      if (unpredicted != nullptr) {
        unpredicted->push_back({run.id, *workload.why_not, run.line});
      }
      continue;
    }
    Row row{run, std::move(workload), "", model_of_name(run.model_name)};
    row.is_blackwell =
        row.workload.machine->generation == Generation::kBlackwell;
    const bool by_model = run.is_moe() || row.is_blackwell;
    row.unit = by_model ? row.model : family_of(run);
    rows.push_back(std::move(row));
  }
  return rows;
}

bool is_left_out(const Row& row, const std::string& unit, bool is_family) {
  return (is_family ? family_of(row.run) : row.model) == unit;
}

bool is_by_model(const Row& row) {
  return row.run.is_moe() || row.is_blackwell;
}

std::string group_of(const Row& row) {
  const int64_t ranks = row.run.tp.value_or(1) * row.run.pp.value_or(1);
  const char* kind = row.is_blackwell   ? "/blackwell"
                     : row.run.is_moe() ? "/experts"
                     : ranks > 1        ? "/split"
                                        : "/whole";
  return family_of(row.run) + kind + (is_by_model(row) ? row.model : "");
}

std::vector<FitRow> step_rows(const std::vector<Row>& table,
                              const std::string* unit, bool is_family) {
  std::vector<FitRow> rows;
  for (const Row& row : table) {
    // A row's page may warn of it (a release with a faulty kernel).
    const bool warned =
        row.run.notes.find("do not calibrate on it") != std::string::npos;
    if (warned || (unit && is_left_out(row, *unit, is_family))) continue;
    rows.push_back({&row.workload, *row.run.step_seconds(), group_of(row)});
  }
  return rows;
}

std::vector<FitRow> memory_rows(const std::vector<Row>& table,
                                const std::string* family) {
  std::vector<FitRow> rows;
  for (const Row& row : table) {
    if (!row.run.mem_gib_per_gpu) continue;
    if (family && family_of(row.run) == *family) continue;
    rows.push_back({&row.workload, *row.run.mem_gib_per_gpu * kGibibyte,
                    family_of(row.run)});
  }
  return rows;
}

ScoredRun scored(const Row& row, const Calibration& calibration) {
  ScoredRun result;
  result.run = row.run;
  result.filled = row.workload.filled;
  result.unit = row.unit;
  result.has_experts = row.run.is_moe();
  result.is_blackwell = row.is_blackwell;
  result.is_tensor_pipeline =
      !result.has_experts && !row.is_blackwell &&
      row.run.tp.value_or(1) * row.run.pp.value_or(1) > 1;
  result.measured_seconds = *row.run.step_seconds();
  result.predicted_seconds =
      step_cost(row.workload.workload, calibration).seconds;
  result.cold = result.predicted_seconds / result.measured_seconds - 1;
  return result;
}

// One factor from the first row that has an error, which is not scored. `unit`
// is sorted by id.
template <typename Error>
void anchor(const std::vector<ScoredRun*>& unit, Error from,
            std::optional<double> ScoredRun::*into) {
  std::optional<double> factor;
  for (ScoredRun* run : unit) {
    const std::optional<double> error = run->*from;
    if (!error) continue;
    const double ratio = *error + 1;
    if (factor) run->*into = ratio / *factor - 1;
    if (!factor) factor = ratio;
  }
}

void anchor_all(std::vector<ScoredRun>& runs) {
  std::map<std::string, std::vector<ScoredRun*>> units;
  for (ScoredRun& run : runs) units[run.unit].push_back(&run);
  for (auto& [name, unit] : units) {
    std::sort(unit.begin(), unit.end(), [](const auto* a, const auto* b) {
      return a->run.id < b->run.id;
    });
    anchor(unit, &ScoredRun::cold, &ScoredRun::anchored);
    anchor(unit, &ScoredRun::baseline_cold, &ScoredRun::baseline_anchored);
  }
}

// `others` predict too.
void add_baseline(const std::vector<Row>& rows, const std::vector<Row>& others,
                  std::vector<ScoredRun>& runs) {
  std::vector<BaselineRow> baseline;
  for (const Row& row : rows) baseline.push_back({&row.run, row.unit});
  for (const Row& row : others) baseline.push_back({&row.run, row.unit});
  const auto seconds = baseline_seconds(baseline);
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!seconds[i]) continue;
    runs[i].baseline_cold = *seconds[i] / runs[i].measured_seconds - 1;
  }
}

// Half the interval of a unit, from other units of its kind.
double half_interval(const std::vector<ScoredRun>& runs, const ScoredRun& of,
                     bool anchored) {
  const auto kind = [](const ScoredRun& run) {
    return run.has_experts || run.is_blackwell;
  };
  std::vector<UnitError> errors;
  for (const ScoredRun& run : runs) {
    if (run.unit == of.unit || kind(run) != kind(of)) continue;
    const auto error = anchored ? run.anchored : std::optional(run.cold);
    if (error) errors.push_back({run.unit, std::abs(std::log(1 + *error))});
  }
  return half_interval_of(errors);
}

void add_intervals(std::vector<ScoredRun>& runs) {
  std::map<std::string, std::pair<double, double>> by_unit;
  for (ScoredRun& run : runs) {
    const std::string key = run.unit + (run.has_experts ? "/e" : "/d");
    const auto [at, is_new] = by_unit.try_emplace(key);
    if (is_new) {
      at->second = {half_interval(runs, run, false),
                    half_interval(runs, run, true)};
    }
    run.interval = at->second.first;
    run.interval_anchored = at->second.second;
  }
}

void add_memory(const std::vector<Row>& rows, const std::vector<Row>& table,
                const Calibration& start, ThreadPool& pool,
                std::vector<ScoredRun>& runs) {
  std::map<std::string, Calibration> fits;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].run.mem_gib_per_gpu) continue;
    const std::string family = family_of(rows[i].run);
    if (!fits.contains(family)) {
      fits[family] = fit_memory(memory_rows(table, &family), start, pool);
    }
    const double bytes = published_memory(rows[i].workload, fits[family]);
    runs[i].memory = bytes / (*rows[i].run.mem_gib_per_gpu * kGibibyte) - 1;
  }
}

// What a row leaves open, its people chose so that it fitted: where
// recomputation was not printed, both ends of it are tried.
bool does_fit(const RunWorkload& run, const Calibration& calibration) {
  const double capacity = run.machine->memory_bytes;
  if (memory_use(run.workload, calibration).needed() <= capacity) return true;
  const bool is_open = std::find(run.filled.begin(), run.filled.end(),
                                 "recompute") != run.filled.end();
  if (!is_open) return false;
  Workload full = run.workload;
  full.recomputation = Recomputation::kFull;
  return memory_use(full, calibration).needed() <= capacity;
}

Fitting fitting_of(const std::vector<Row>& rows, const Calibration& c) {
  Fitting result;
  for (const Row& row : rows) {
    ++result.runs;
    result.fitting += does_fit(row.workload, c);
  }
  for (const PublishedRun& run : shipped_out_of_memory_runs()) {
    ++result.out_of_memory;
    result.not_fitting += !does_fit(workload_of(run), c);
  }
  return result;
}

// Rows of somebody's own file get the intervals that a plan gets: what they
// measured must not set how wide they are.
void add_shipped_intervals(std::vector<ScoredRun>& runs) {
  for (ScoredRun& run : runs) {
    const double half = time_interval({run.has_experts, run.is_blackwell,
                                       run.is_tensor_pipeline})
                            .half;
    run.interval = run.interval_anchored = half;
  }
}

// The same rows, by id.
bool are_same(const std::vector<Row>& a, const std::vector<Row>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Row& x, const Row& y) {
                      return x.run.id == y.run.id &&
                             x.run.step_seconds() == y.run.step_seconds();
                    });
}

// What is computed from predictions, whosever they are. `table` are the shipped
// rows.
void finish(const std::vector<Row>& rows, const std::vector<Row>& table,
            Validation& validation) {
  static const std::vector<Row> none;
  const bool is_shipped = are_same(rows, table);
  add_baseline(rows, is_shipped ? none : table, validation.runs);
  anchor_all(validation.runs);
  if (is_shipped) {
    add_intervals(validation.runs);
  } else {
    add_shipped_intervals(validation.runs);
  }
  validation.fitting = fitting_of(rows, validation.calibration);
  validation.groups = group_errors(validation.runs);
  validation.measures = measures_of(validation);
}

}  // namespace

bool ScoredRun::is_in(RunGroup group) const {
  switch (group) {
    case RunGroup::kExperts:
      return has_experts;
    case RunGroup::kBlackwell:
      return is_blackwell;
    case RunGroup::kTensorPipeline:
      return is_tensor_pipeline;
    case RunGroup::kOtherDense:
      break;
  }
  return !has_experts && !is_blackwell && !is_tensor_pipeline;
}

Validation validate_planner(const std::vector<PublishedRun>& runs,
                            const std::vector<PublishedRun>& table,
                            ThreadPool& pool) {
  Validation validation;
  const std::vector<Row> rows = rows_of(runs, &validation.unpredicted);
  const std::vector<Row> fitted = rows_of(table, nullptr);
  Calibration all =
      fit_step_times(step_rows(fitted, nullptr, false), Calibration(), pool);
  all = fit_memory(memory_rows(fitted, nullptr), all, pool);
  validation.calibration = all;
  std::map<std::string, Calibration> fits;
  for (const Row& row : rows) {
    const auto [at, is_new] = fits.try_emplace(row.unit, all);
    if (is_new) {
      at->second = fit_step_times(
          step_rows(fitted, &row.unit, !is_by_model(row)), all, pool);
    }
    validation.runs.push_back(scored(row, at->second));
  }
  add_memory(rows, fitted, all, pool, validation.runs);
  finish(rows, fitted, validation);
  return validation;
}

Validation validate_calibration(const std::vector<PublishedRun>& runs,
                                const Calibration& calibration) {
  Validation validation;
  validation.calibration = calibration;
  validation.is_left_out = false;
  const std::vector<Row> rows = rows_of(runs, &validation.unpredicted);
  for (const Row& row : rows) {
    validation.runs.push_back(scored(row, calibration));
    if (!row.run.mem_gib_per_gpu) continue;
    const double bytes = published_memory(row.workload, calibration);
    validation.runs.back().memory =
        bytes / (*row.run.mem_gib_per_gpu * kGibibyte) - 1;
  }
  finish(rows, rows_of(shipped_runs(), nullptr), validation);
  return validation;
}

}  // namespace colossus::planner
