// `colossus bench peak`: what the machine can do at most.
#include <functional>

#include "base/thread_pool.h"
#include "cli/bench/bench_context.h"
#include "kernels/cpu/memory_speed.h"
#include "kernels/cpu/peak.h"

namespace colossus::cli {
namespace {

double median_of(int repeats, const std::function<double()>& measure) {
  std::vector<double> values;
  for (int i = 0; i < repeats; ++i) values.push_back(measure());
  return median(values);
}

}  // namespace

void bench_peak(const BenchContext& context) {
  context.report.section("peak", "peak of the machine");
  for (int threads = 1; threads <= context.num_threads;
       threads = threads < context.num_threads ? context.num_threads
                                               : threads + 1) {
    ThreadPool pool(threads);
    kernels::MemorySpeed memory(pool);
    const auto add = [&](const std::string& what, const std::string& figure,
                         const std::function<double()>& measure) {
      context.report.row(what,
                         {{"threads", static_cast<double>(threads)},
                          {figure, median_of(context.num_repeats, measure)}});
    };
    add("fused multiply-adds", "flops_per_second",
        [&] { return kernels::measure_fma_peak(pool, 0.05); });
    add("memory read", "bytes_per_second", [&] { return memory.read(); });
    add("memory copy", "bytes_per_second", [&] { return memory.copy(); });
  }
}

}  // namespace colossus::cli
