// `colossus bench step` and `bench kernels`: the trainer's own steps, and the
// time of every kernel in them.
#include <algorithm>
#include <filesystem>
#include <map>

#include "base/thread_pool.h"
#include "cli/bench/bench_context.h"
#include "cli/bench/step_runner.h"
#include "cli/bench/timing_backend.h"
#include "config/load_config.h"
#include "kernels/cpu/memory_speed.h"
#include "kernels/cpu/peak.h"

namespace colossus::cli {
namespace {

constexpr double kRunSeconds = 0.5;  // of one measurement, at least

std::string model_name(const std::string& config_path) {
  return std::filesystem::path(config_path).stem().string();
}

// Steps that take kRunSeconds, by a run that also warms up.
int64_t steps_per_run(StepRunner& runner) {
  runner.run(1);
  const double seconds = runner.run(1);
  return std::max<int64_t>(1, static_cast<int64_t>(kRunSeconds / seconds + 1));
}

struct StepFigures {
  std::vector<double> seconds, peaks;  // of a step; FLOP/s between the runs
};

StepFigures measure_steps(const BenchContext& context, StepRunner& runner) {
  const int64_t steps = steps_per_run(runner);
  ThreadPool pool(context.num_threads);
  StepFigures figures;
  for (int i = 0; i < context.num_repeats; ++i) {
    figures.peaks.push_back(kernels::measure_fma_peak(pool, 0.02));
    figures.seconds.push_back(runner.run(steps) / static_cast<double>(steps));
  }
  figures.peaks.push_back(kernels::measure_fma_peak(pool, 0.02));
  return figures;
}

// Sums over the shapes of an operation, longest first.
std::vector<std::pair<std::string, KernelTime>> by_operation(
    const std::map<KernelName, KernelTime>& times) {
  std::map<std::string, KernelTime> sums;
  for (const auto& [name, time] : times) {
    KernelTime& sum = sums[name.operation];
    sum.calls += time.calls;
    sum.seconds += time.seconds;
    sum.flops += time.flops;
    sum.bytes += time.bytes;
  }
  std::vector<std::pair<std::string, KernelTime>> sorted(sums.begin(),
                                                         sums.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) {
                     return a.second.seconds > b.second.seconds;
                   });
  return sorted;
}

void add_step_row(const BenchContext& context, const config::Config& config,
                  const std::string& name, StepRunner& runner) {
  const StepFigures figures = measure_steps(context, runner);
  const double seconds = median(figures.seconds);
  const double peak = median(figures.peaks);
  context.report.row(
      name, {{"tokens_per_second",
              static_cast<double>(config.run.tokens_per_step()) / seconds},
             {"mfu", runner.flops_per_step() / seconds / peak},
             {"step_seconds", seconds},
             {"peak_flops_per_second", peak},
             {"memory_bytes", static_cast<double>(runner.memory_bytes())},
             {"loss", runner.loss()}});
}

void add_split(const BenchContext& context, const std::string& name,
               const TimingBackend& timing, double seconds, int64_t steps) {
  context.report.section("step_split", name + ": time of a step");
  const auto add = [&](const std::string& what, double part) {
    context.report.row(name + " " + what,
                       {{"step_seconds", part / static_cast<double>(steps)},
                        {"step_share", part / seconds}});
  };
  double rest = seconds;
  for (const auto& [operation, time] : by_operation(timing.times())) {
    add(operation, time.seconds);
    rest -= time.seconds;
  }
  add("between kernels", rest);
}

// The rates of a kernel against the limit that holds for it.
void add_kernel_row(const BenchContext& context, const KernelName& name,
                    const KernelTime& time, int64_t steps, double peak,
                    double copy_speed) {
  const double calls = static_cast<double>(time.calls);
  const bool computes = time.flops > 0;
  const double rate = (computes ? time.flops : time.bytes) / time.seconds;
  context.report.row(
      name.operation + " " + name.shape,
      {{"calls", calls / static_cast<double>(steps)},
       {"call_seconds", time.seconds / calls},
       {computes ? "flops_per_second" : "bytes_per_second", rate},
       {computes ? "peak_share" : "memory_share",
        rate / (computes ? peak : copy_speed)}});
}

}  // namespace

void bench_step(const BenchContext& context,
                const std::vector<std::string>& configs) {
  for (const std::string& path : configs) {
    const config::Config config = config::load_config(path, {}).config;
    context.report.section("step", model_name(path) + ": whole steps");
    TimingBackend timing(context.backend);
    StepRunner runner(config, timing, context.num_threads);
    add_step_row(context, config, model_name(path), runner);
    const int64_t steps = steps_per_run(runner);
    timing.reset();
    const double seconds = runner.run(steps);
    add_split(context, model_name(path), timing, seconds, steps);
  }
}

void bench_kernels(const BenchContext& context,
                   const std::vector<std::string>& configs) {
  ThreadPool pool(context.num_threads);
  for (const std::string& path : configs) {
    const config::Config config = config::load_config(path, {}).config;
    TimingBackend timing(context.backend);
    StepRunner runner(config, timing, context.num_threads);
    const int64_t steps =
        std::max<int64_t>(context.num_repeats, steps_per_run(runner));
    std::vector<double> peaks, copies;
    kernels::MemorySpeed memory(pool);
    timing.reset();
    for (int64_t i = 0; i < steps; ++i) {
      peaks.push_back(kernels::measure_fma_peak(pool, 0.01));
      copies.push_back(memory.copy());
      runner.run(1);
    }
    context.report.section("kernels", model_name(path) + ": calls of a step");
    for (const auto& [name, time] : timing.times()) {
      add_kernel_row(context, name, time, steps, median(peaks), median(copies));
    }
  }
}

}  // namespace colossus::cli
