// The calibrated numbers of somebody's own machines: from runs that they timed
// and from nccl-tests, with the values that the published runs gave as priors.
// nccl-tests fix what links reach; the rows move the rest, each number as far
// as they speak of it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "planner/calibration.h"
#include "planner/link_fit.h"
#include "planner/published_runs.h"

namespace colossus::planner {

// Errors are predicted / measured - 1.
struct CalibratedRun {
  std::string id;
  double measured_seconds = 0;
  double before = 0, after = 0;
  std::optional<double> left_out;  // the row not in the fit; of 3 rows and more
  std::optional<double> memory_before, memory_after;  // where it was measured
  std::vector<std::string> filled;  // columns that the row left open
};

struct UnusedRun {
  std::string id, why;
  int64_t line = 0;
};

enum class NumberSource {
  kOurs,       // kept: nothing here speaks of it
  kMoved,      // the rows moved it, but leave more than half of its doubt
  kRows,       // the rows determine it
  kNcclTests,  // fixed by them
};

struct UserNumber {
  double before = 0, after = 0;
  NumberSource source = NumberSource::kOurs;
  // What is left of the prior's sigma; the rows (ids, or files of nccl-tests)
  // that speak of the number.
  double remaining = 1;
  std::vector<std::string> from;
};

struct UserCalibration {
  Calibration calibration;
  std::vector<CalibratedRun> runs;
  std::vector<UnusedRun> unused;
  std::array<UserNumber, kNumCalibrated> numbers;
  std::vector<TierFit> links;
  // The error of a row that is left out, if the median ratio of the others is
  // all that is learnt: what a calibration has to beat.
  std::optional<double> one_factor_median;
};

// Rows of any grade but B and C, or without one. `links` of fit_links, may be
// empty; `is_omni_path`: of their network. Throws UserError where neither has
// anything to calibrate on, with the reasons.
UserCalibration calibrate(const std::vector<PublishedRun>& runs,
                          const std::vector<TierFit>& links, bool is_omni_path,
                          ThreadPool& pool);

// The file (calibration_file.h): every number, its grade, and where it is from.
// `sources` stand in its first line.
std::string calibration_toml(const UserCalibration& result,
                             const std::vector<std::string>& sources);

}  // namespace colossus::planner
