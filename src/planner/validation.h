// The planner against published runs that its calibration has not seen.
//
// In turn each family (dense runs on A100 and Hopper), or each model where only
// one family exists (experts, Blackwell), is left out of the fit and predicted:
// *cold*, and *anchored*: times one factor from its first row by id, which is
// then not scored. shared/data/README.md has the families and the baseline.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "planner/fit.h"

namespace colossus::planner {

enum class RunGroup { kTensorPipeline, kOtherDense, kExperts, kBlackwell };
const char* group_name(RunGroup group);  // "dense, tp x pp > 1"

// Errors are predicted / measured - 1.
struct ScoredRun {
  PublishedRun run;
  std::vector<std::string> filled;
  std::string unit;  // what was left out: a family, or a model
  bool has_experts = false;
  bool is_blackwell = false;
  bool is_tensor_pipeline = false;
  double measured_seconds = 0;
  double predicted_seconds = 0;  // cold
  double cold = 0;
  std::optional<double> anchored;  // not of the first row
  std::optional<double> baseline_cold, baseline_anchored;
  // The 80% interval, from left-out rows of other units of its kind (of rows
  // that are not the shipped ones, all shipped rows of it): measured lies
  // within predicted times exp(+-this).
  double interval = 0, interval_anchored = 0;
  // Where its source printed memory.
  std::optional<double> memory;  // error, its family left out

  // A row with experts on Blackwell is of two groups.
  bool is_in(RunGroup group) const;
};

struct Unpredicted {
  std::string id, why;
  int64_t line = 0;
};

struct Errors {
  double median = 0, p90 = 0, bias = 0;  // of absolute errors; bias: median of
                                         // signed ones
};
// Nearest rank. At least one value.
Errors errors_of(std::vector<double> values);

struct GroupErrors {
  RunGroup group = RunGroup::kOtherDense;
  std::string unit;
  int64_t rows = 0;
  Errors cold;
  std::optional<Errors> anchored, baseline_cold, baseline_anchored;
};

// One line of the table of measures.
struct Measure {
  std::string name;
  std::string value, reach, aim;
};

// What the planner says of memory where it is known what happened.
struct Fitting {
  int64_t runs = 0, fitting = 0;               // published: all ran
  int64_t out_of_memory = 0, not_fitting = 0;  // of out_of_memory.csv
};

struct Validation {
  std::vector<ScoredRun> runs;  // in the order of the table
  std::vector<Unpredicted> unpredicted;
  std::vector<GroupErrors> groups;
  std::vector<Measure> measures;
  Fitting fitting;
  Calibration calibration;  // fitted to all rows of the table fitted to
  bool is_left_out = true;  // no row was seen by the fit that predicted it
};

// Scores the timed first-hand rows of `runs`, and those without a grade; fits
// on those of `table` (the shipped runs; `runs` may be the same rows).
Validation validate_planner(const std::vector<PublishedRun>& runs,
                            const std::vector<PublishedRun>& table,
                            ThreadPool& pool);

// The same rows under one calibration, which may have seen them.
Validation validate_calibration(const std::vector<PublishedRun>& runs,
                                const Calibration& calibration);

}  // namespace colossus::planner
