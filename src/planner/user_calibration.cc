#include "planner/user_calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "planner/fit.h"
#include "planner/median.h"
#include "planner/step_cost.h"

namespace colossus::planner {
namespace {

constexpr size_t kLeastRows = 3;  // for leaving one out
constexpr size_t kMostFolds = 20;
// A number is determined by rows that halve its doubt.
constexpr double kDetermined = 0.5;
// A row speaks of a number whose change by its sigma moves its time by this.
constexpr double kSpeaks = 0.005;
constexpr double kGibibyte = 1024.0 * 1024 * 1024;
constexpr size_t kMostNames = 4;

struct Row {
  PublishedRun run;
  RunWorkload workload;
};

std::vector<Row> rows_of(const std::vector<PublishedRun>& runs,
                         std::vector<UnusedRun>& unused) {
  std::vector<Row> rows;
  for (const PublishedRun& run : runs) {
    std::string why;
    RunWorkload workload;
    if (!run.quality.empty() && !run.is_first_hand()) {
      why = "quality is " + run.quality;
    } else if (!run.step_seconds()) {
      why =
          "no step_time_s, and no tokens_per_s_per_gpu with num_gpus, "
          "global_batch_sequences and seq_len";
    } else {
      workload = workload_of(run);
      why = workload.why_not.value_or("");
    }
    if (why.empty()) {
      rows.push_back({run, std::move(workload)});
    } else {
      unused.push_back({run.id, why, run.line});
    }
  }
  return rows;
}

// Our fitted values, each with the doubt that it had before any run was seen:
// other machines and software differ by that.
Priors priors_of(const Calibration& start) {
  Priors priors = published_priors();
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    priors.value[i] = calibrated_value(start, i);
  }
  return priors;
}

size_t index_of(const char* name) {
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    if (std::string_view(calibrated_numbers()[i].name) == name) return i;
  }
  COLOSSUS_CHECK(false, "no calibrated number {}", name);
}

std::vector<std::string> sources_of(const TierFit& fit) {
  std::vector<std::string> sources;
  for (const LinkMeasurement& test : fit.tests) {
    sources.push_back(fmt::format("{}:{}", test.test->source, test.test->line));
  }
  return sources;
}

// nvlink_rate from NVLink, network_rate from the highest tier of the network.
void fix_links(const std::vector<TierFit>& links, bool is_omni_path,
               UserCalibration& result, Priors& priors) {
  for (const TierFit& fit : links) {
    if (fit.efficiency == 0) continue;
    const char* name = fit.tier == "NVLink" ? "nvlink_rate"
                       : is_omni_path       ? "omni_path_rate"
                                            : "network_rate";
    const size_t index = index_of(name);
    calibrated_value(result.calibration, index) = fit.efficiency;
    priors.sigma[index] = 0;
    UserNumber& number = result.numbers[index];
    number.source = NumberSource::kNcclTests;
    number.remaining = 0;
    number.from = sources_of(fit);
  }
}

double measured_memory(const Row& row) {
  return *row.run.mem_gib_per_gpu * kGibibyte;
}

// Rows whose index is not `fold` modulo `folds`; each weighs one.
std::vector<FitRow> step_rows(const std::vector<Row>& rows, size_t fold,
                              size_t folds) {
  std::vector<FitRow> result;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i % folds == fold) continue;
    result.push_back(
        {&rows[i].workload, *rows[i].run.step_seconds(), rows[i].run.id});
  }
  return result;
}

std::vector<FitRow> all_step_rows(const std::vector<Row>& rows) {
  return step_rows(rows, rows.size(), rows.size() + 1);
}

std::vector<FitRow> memory_rows(const std::vector<Row>& rows) {
  std::vector<FitRow> result;
  for (const Row& row : rows) {
    if (!row.run.mem_gib_per_gpu) continue;
    result.push_back({&row.workload, measured_memory(row), row.run.id});
  }
  return result;
}

double step_error(const Row& row, const Calibration& calibration) {
  return step_cost(row.workload.workload, calibration).seconds /
             *row.run.step_seconds() -
         1;
}

void add_errors(const std::vector<Row>& rows, const Calibration& before,
                UserCalibration& result) {
  for (const Row& row : rows) {
    CalibratedRun run;
    run.id = row.run.id;
    run.measured_seconds = *row.run.step_seconds();
    run.before = step_error(row, before);
    run.after = step_error(row, result.calibration);
    run.filled = row.workload.filled;
    if (row.run.mem_gib_per_gpu) {
      const double bytes = measured_memory(row);
      run.memory_before = published_memory(row.workload, before) / bytes - 1;
      run.memory_after =
          published_memory(row.workload, result.calibration) / bytes - 1;
    }
    result.runs.push_back(std::move(run));
  }
}

// Each row by a fit without it (of many rows, without a twentieth of them), and
// by nothing but one factor from the others.
void add_left_out(const std::vector<Row>& rows, const Calibration& start,
                  const Priors& priors, ThreadPool& pool,
                  UserCalibration& result) {
  if (rows.size() < kLeastRows) return;
  const size_t folds = std::min(rows.size(), kMostFolds);
  for (size_t fold = 0; fold < folds; ++fold) {
    const Calibration without =
        fit_step_times(step_rows(rows, fold, folds), start, pool, priors);
    for (size_t i = fold; i < rows.size(); i += folds) {
      result.runs[i].left_out = step_error(rows[i], without);
    }
  }
  std::vector<double> errors;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::vector<double> others;
    for (size_t k = 0; k < rows.size(); ++k) {
      if (k != i) others.push_back(1 + result.runs[k].before);
    }
    errors.push_back(
        std::abs((1 + result.runs[i].before) / median(others) - 1));
  }
  result.one_factor_median = median(errors);
}

using Predict = double (*)(const RunWorkload&, const Calibration&);

double seconds_of(const RunWorkload& run, const Calibration& c) {
  return step_cost(run.workload, c).seconds;
}

// Whether a change of the number by its sigma changes what is predicted.
bool speaks_of(const RunWorkload& run, Predict predict, size_t number,
               double sigma, const Calibration& at) {
  Calibration moved = at;
  calibrated_value(moved, number) *= std::exp(sigma);
  return std::abs(std::log(predict(run, moved) / predict(run, at))) > kSpeaks;
}

void describe(FittedTo what, Predict predict, const std::vector<FitRow>& rows,
              const Priors& priors, ThreadPool& pool, UserCalibration& result) {
  if (rows.empty()) return;
  const auto remaining =
      remaining_sigmas(what, rows, result.calibration, priors, pool);
  for (const size_t i : numbers_fitted_to(what)) {
    UserNumber& number = result.numbers[i];
    if (number.source == NumberSource::kNcclTests) continue;
    for (const FitRow& row : rows) {
      if (!speaks_of(*row.run, predict, i, priors.sigma[i],
                     result.calibration)) {
        continue;
      }
      number.from.push_back(row.group);
    }
    if (number.from.empty()) continue;
    number.remaining = remaining[i];
    number.source =
        remaining[i] < kDetermined ? NumberSource::kRows : NumberSource::kMoved;
  }
}

std::string names_text(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMostNames); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kMostNames) {
    text += fmt::format(", and {} more", names.size() - kMostNames);
  }
  return text;
}

std::string origin_of(const UserNumber& number) {
  switch (number.source) {
    case NumberSource::kNcclTests:
      return "nccl-tests: " + names_text(number.from);
    case NumberSource::kRows:
      return fmt::format("{} rows: {}", number.from.size(),
                         names_text(number.from));
    case NumberSource::kMoved:
      return fmt::format(
          "moved by {} rows that do not determine it alone ({:.0f}% of its "
          "doubt is left): {}",
          number.from.size(), 100 * number.remaining, names_text(number.from));
    case NumberSource::kOurs:
      break;
  }
  return "ours; nothing measured speaks of it";
}

bool is_measured(const UserNumber& number) {
  return number.source == NumberSource::kRows ||
         number.source == NumberSource::kNcclTests;
}

void require_something(const std::vector<Row>& rows,
                       const std::vector<TierFit>& links,
                       const std::vector<UnusedRun>& unused) {
  if (!rows.empty() || !links.empty()) return;
  std::string why;
  for (const UnusedRun& run : unused) {
    why += fmt::format("\n  line {}, {}: {}", run.line, run.id, run.why);
  }
  throw user_error("no row and no table of nccl-tests to calibrate on{}{}",
                   why.empty() ? "" : ":", why);
}

// Fit for a comment of TOML: a line's end in a name would end the comment.
std::string comment_text(std::string text) {
  for (char& c : text) {
    const bool is_control = (c >= 0 && c < 0x20) || c == 0x7f;
    if (is_control) c = '?';
  }
  return text;
}

// The text of a line's value, and what it is from behind it.
std::string line_of(const std::string& key, const std::string& value,
                    bool measured, const std::string& from) {
  const std::string text = fmt::format("{} = \"{} ({})\"", key, value,
                                       measured ? "measured" : "assumed");
  return fmt::format("{:<46} # {}\n", text, comment_text(from));
}

std::string links_toml(const std::vector<TierFit>& links) {
  std::string text;
  for (const TierFit& fit : links) {
    const bool is_nvlink = fit.tier == "NVLink";
    const bool has_figure =
        fit.latency_seconds > 0 || (!is_nvlink && fit.efficiency > 0);
    if (!has_figure) continue;
    const std::string from = "nccl-tests: " + names_text(sources_of(fit));
    text += is_nvlink ? "\n[nvlink]\n"
                      : fmt::format("\n[network.tier.{}]\n", fit.tier);
    if (!is_nvlink && fit.efficiency > 0) {
      text += line_of("efficiency", fmt::format("{:.4g}", fit.efficiency), true,
                      from);
    }
    if (fit.latency_seconds > 0) {
      text +=
          line_of("latency", quantity_text(fit.latency_seconds, Unit::kSeconds),
                  true, from);
    }
  }
  return text;
}

}  // namespace

UserCalibration calibrate(const std::vector<PublishedRun>& runs,
                          const std::vector<TierFit>& links, bool is_omni_path,
                          ThreadPool& pool) {
  UserCalibration result;
  const Calibration ours;
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    result.numbers[i].before = calibrated_value(ours, i);
  }
  result.links = links;
  const std::vector<Row> rows = rows_of(runs, result.unused);
  require_something(rows, links, result.unused);
  Priors priors = priors_of(ours);
  fix_links(links, is_omni_path, result, priors);
  const Calibration start = result.calibration;
  const std::vector<FitRow> times = all_step_rows(rows);
  const std::vector<FitRow> memory = memory_rows(rows);
  if (!times.empty()) {
    result.calibration = fit_step_times(times, start, pool, priors);
  }
  if (!memory.empty()) {
    result.calibration = fit_memory(memory, result.calibration, pool, priors);
  }
  describe(FittedTo::kStepTime, seconds_of, times, priors, pool, result);
  describe(FittedTo::kMemory, published_memory, memory, priors, pool, result);
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    UserNumber& number = result.numbers[i];
    if (number.source == NumberSource::kOurs) {
      calibrated_value(result.calibration, i) = number.before;
    }
    number.after = calibrated_value(result.calibration, i);
  }
  add_errors(rows, ours, result);
  add_left_out(rows, start, priors, pool, result);
  return result;
}

std::string calibration_toml(const UserCalibration& result,
                             const std::vector<std::string>& sources) {
  std::string text = fmt::format(
      "# Calibration of the planner, by `colossus plan calibrate`, from {}.\n"
      "# For `colossus plan --calibration` and `plan validate --calibration`.\n"
      "# A number that is not determined by what was measured is \"assumed\".\n"
      "\n[calibration]\n",
      comment_text(names_text(sources)));
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    const UserNumber& number = result.numbers[i];
    text += line_of(calibrated_numbers()[i].name,
                    fmt::format("{:.6g}", number.after), is_measured(number),
                    origin_of(number));
  }
  return text + links_toml(result.links);
}

}  // namespace colossus::planner
