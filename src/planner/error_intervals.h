// How far predictions of a kind are off, and the largest runs of each kind that
// were ever timed in public: from the planner's errors on published runs that
// its fit had not seen (validation.h). The fits take a second, so the program
// carries their result as a table, which a test computes again.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "planner/validation.h"

namespace colossus::planner {

// 80% of the errors of published runs, each family or model counting the same,
// lie within predicted * exp(-half) and predicted * exp(half).
struct ErrorInterval {
  double half = 0;    // of the logarithm
  std::string kind;   // "dense, tp x pp > 1"
  int64_t runs = 0;   // published ones of this kind
  int64_t units = 0;  // families or models among them, each left out in turn

  double low(double predicted) const;
  double high(double predicted) const;
};

// Of step times, cold: nothing of the run's family was seen.
struct KindErrors {
  RunGroup group = RunGroup::kOtherDense;
  double half = 0;
  int64_t runs = 0, units = 0;
  // The largest timed runs.
  std::string most_devices_id;
  int64_t most_devices = 0;
  std::string most_parameters_id;
  double most_parameters = 0;
};

struct IntervalTable {
  std::array<KindErrors, 4> kinds;  // in the order of RunGroup
  double memory_half = 0;           // of memory per GPU
  int64_t memory_runs = 0, memory_units = 0;
};

// Half of the 80% interval: the quantile of absolute logarithmic errors, every
// unit with equal weight.
struct UnitError {
  std::string unit;
  double error = 0;  // of the logarithm
};
double half_interval_of(const std::vector<UnitError>& errors);

IntervalTable computed_intervals(const Validation& validation);
const IntervalTable& shipped_intervals();
// As this file's source holds it.
std::string source_of(const IntervalTable& table);

// The kinds that a planned run is of: with experts on Blackwell two.
struct RunKind {
  bool has_experts = false;
  bool is_blackwell = false;
  bool is_split = false;  // tensor x pipeline > 1
};

// Of two kinds, the wider.
ErrorInterval time_interval(const RunKind& kind);
ErrorInterval memory_interval();

// "" or a sentence: beyond the largest timed run of its kind, in GPUs or in
// parameters.
std::string extrapolation(const RunKind& kind, int64_t num_devices,
                          double parameters);

}  // namespace colossus::planner
