// A run event by event: faults, their detection, restarts, checkpoints that are
// still being written, repairs that go on for days, spares that run out, silent
// corruptions, slow nodes. It checks the closed form of goodput.h, and says
// what that leaves out: tails, bursts, and what comes together.
//
// Deterministic: the same job, options and seed give the same run.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "planner/goodput.h"

namespace colossus::planner {

struct SimulationOptions {
  double useful_seconds = 0;  // of all steps
  double interval = 0;        // between checkpoints, as of goodput()
  int64_t spare_nodes = -1;   // below 0: there is always one
  int64_t num_runs = 100;
  uint64_t seed = 1;
};

struct SimulatedRun {
  bool finished = false;  // all of its useful time; else it gave up
  double seconds = 0;     // elapsed
  int64_t faults = 0;
  GoodputParts parts;  // of the elapsed time
};

// One run. It ends early at a thousand times its useful time, or after 300,000
// faults; its parts are then those of what it had reached.
SimulatedRun simulate_run(const JobFaults& job,
                          const SimulationOptions& options, uint64_t run);

struct Simulation {
  std::vector<SimulatedRun> runs;  // the greatest goodput first
  GoodputParts mean;               // of the runs' parts
  double standard_error = 0;       // of mean.useful
  double low = 0, high = 0;        // 10% of runs have a goodput below, above

  int64_t num_given_up() const;
};

Simulation simulate_goodput(const JobFaults& job,
                            const SimulationOptions& options, ThreadPool& pool);

}  // namespace colossus::planner
