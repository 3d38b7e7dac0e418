#include "kernels/cpu/peak.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/peak.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Twelve chains hide the latency of two units of any x86 processor. They are
// variables, not an array: one that GCC keeps in memory reads a third of the
// peak. Their values differ, or they might be taken for one. Returns the
// floating-point operations done.
int64_t run_chains(int64_t steps, float* sink) {
  const hn::CappedTag<float, 16> d;
  const auto start = hn::Set(d, *sink), one = hn::Set(d, 1.0f);
  const auto scale = hn::Set(d, 0.999f), shift = hn::Set(d, 0.001f);
  auto a = start, b = hn::Add(a, one), c = hn::Add(b, one);
  auto e = hn::Add(c, one), f = hn::Add(e, one), g = hn::Add(f, one);
  auto h = hn::Add(g, one), i = hn::Add(h, one), j = hn::Add(i, one);
  auto k = hn::Add(j, one), l = hn::Add(k, one), m = hn::Add(l, one);
  for (int64_t step = 0; step < steps; ++step) {
    a = hn::MulAdd(a, scale, shift);
    b = hn::MulAdd(b, scale, shift);
    c = hn::MulAdd(c, scale, shift);
    e = hn::MulAdd(e, scale, shift);
    f = hn::MulAdd(f, scale, shift);
    g = hn::MulAdd(g, scale, shift);
    h = hn::MulAdd(h, scale, shift);
    i = hn::MulAdd(i, scale, shift);
    j = hn::MulAdd(j, scale, shift);
    k = hn::MulAdd(k, scale, shift);
    l = hn::MulAdd(l, scale, shift);
    m = hn::MulAdd(m, scale, shift);
  }
  const auto sum = hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, e)),
                           hn::Add(hn::Add(f, g), hn::Add(h, i)));
  *sink = hn::GetLane(hn::Add(hn::Add(sum, hn::Add(j, k)), hn::Add(l, m)));
  return steps * 12 * 2 * static_cast<int64_t>(hn::Lanes(d));
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels {

HWY_EXPORT(run_chains);

double measure_fma_peak(ThreadPool& pool, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kSteps = 1 << 12;  // some 20 microseconds
  constexpr size_t kLine = 16;         // a cache line a thread
  std::vector<int64_t> flops(static_cast<size_t>(pool.num_threads()) * kLine);
  std::vector<float> sink(flops.size());
  const auto begin = Clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  // A piece a thread; each works until the time is over.
  pool.run(pool.num_threads(), [&](int64_t piece, int) {
    const size_t place = static_cast<size_t>(piece) * kLine;
    while (elapsed() < seconds) {
      flops[place] += HWY_DYNAMIC_DISPATCH(run_chains)(kSteps, &sink[place]);
    }
  });
  int64_t total = 0;
  for (const int64_t f : flops) total += f;
  return static_cast<double>(total) / elapsed();
}

double measure_fma_peak(int num_threads) {
  ThreadPool pool(num_threads);
  std::array<double, 5> peaks;
  for (double& peak : peaks) peak = measure_fma_peak(pool, 0.02);
  std::sort(peaks.begin(), peaks.end());
  return peaks[peaks.size() / 2];
}

}  // namespace colossus::kernels
#endif  // HWY_ONCE
