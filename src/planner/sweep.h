// The same request for several values of one key: `--sweep KEY=VALUES`.
//
//   cluster.gpus=8192:262144:x2        from, to, and by what each is multiplied
//   node.nic=100 Gb/s:800 Gb/s:+100 Gb/s   or what is added to it
//   parallel.tensor=1,2,4,8            or a list
//
// Any key of --set, and of the request itself: batch-tokens, seq-len, tokens.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "planner/plan.h"
#include "planner/plan_flags.h"

namespace colossus::planner {

struct SweepValues {
  std::string key;
  std::vector<std::string> texts;  // as --set would take them: "200 Gb/s"
  std::vector<double> numbers;     // without their unit; ascending or not
  std::string unit;                // "Gb/s"; may be empty
  bool is_multiplied = false;      // so their axis is logarithmic
};

// Throws UserError: no key or values, ends of different units, a step that does
// not lead from one end to the other, more than 200 values.
SweepValues parse_sweep(const std::string& text);

struct SweepPoint {
  std::string text;
  double number = 0;
  std::optional<Plan> plan;  // of one layout; none where there is no legal one
  std::string why_not;
};

struct Sweep {
  SweepValues values;
  std::vector<SweepPoint> points;
};

// A value that gives no plan (no legal layout, a batch that cannot be dealt
// out) says why, and the others go on. Throws UserError where none gives one: a
// key that is unknown. `known`: a point that has its plan already, at one of
// the values; may be null.
Sweep run_sweep(const PlanFlags& flags, const SweepValues& values,
                ThreadPool& pool, const SweepPoint* known = nullptr);

}  // namespace colossus::planner
