// The time of one evaluation of one layout: seconds and memory of a step, over
// all published runs in turn.
//
//   planner_bench [ROUNDS]
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <vector>

#include "planner/memory.h"
#include "planner/run_workload.h"
#include "planner/step_cost.h"

namespace {

using namespace colossus::planner;

double microseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now() - start)
      .count();
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 100;
  std::vector<RunWorkload> runs;
  for (const PublishedRun& run : shipped_runs()) {
    RunWorkload workload = workload_of(run);
    if (!workload.why_not) runs.push_back(std::move(workload));
  }
  const Calibration calibration;
  double sum = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < rounds; ++round) {
    for (const RunWorkload& run : runs) {
      sum += step_cost(run.workload, calibration).seconds;
      sum += memory_use(run.workload, calibration).needed();
    }
  }
  const double evaluations = static_cast<double>(runs.size()) * rounds;
  fmt::print("{} layouts, {:.3f} us an evaluation (checksum {:.6g})\n",
             runs.size(), microseconds_since(start) / evaluations, sum);
  return 0;
}
