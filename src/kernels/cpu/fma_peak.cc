#include "kernels/cpu/fma_peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/fma_peak.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace colossus::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Twelve chains hide the latency of two units of any x86 processor. They are
// variables, not an array: one that GCC keeps in memory reads a third of the
// peak. Returns the floating-point operations done.
int64_t run_chains(int64_t steps, float* sink) {
  const hn::CappedTag<float, 16> d;
  const auto scale = hn::Set(d, 0.999f), shift = hn::Set(d, 0.001f);
  auto a = hn::Set(d, 1.0f), b = a, c = a, e = a, f = a, g = a;
  auto h = a, i = a, j = a, k = a, l = a, m = a;
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
    // Twelve equal chains may be taken for one; no longer.
#if HWY_ARCH_X86
    asm volatile(""
                 : "+v"(a.raw), "+v"(b.raw), "+v"(c.raw), "+v"(e.raw),
                   "+v"(f.raw), "+v"(g.raw), "+v"(h.raw), "+v"(i.raw),
                   "+v"(j.raw), "+v"(k.raw), "+v"(l.raw), "+v"(m.raw));
#endif
  }
  const auto sum = hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, e)),
                           hn::Add(hn::Add(f, g), hn::Add(h, i)));
  *sink = hn::GetLane(hn::Add(hn::Add(sum, hn::Add(j, k)), hn::Add(l, m)));
  return steps * 12 * 2 * static_cast<int64_t>(hn::Lanes(d));
}

}  // namespace HWY_NAMESPACE
}  // namespace colossus::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace colossus::kernels::cpu {

HWY_EXPORT(run_chains);

double fma_peak_gflops(ThreadPool& pool, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kSteps = 1 << 13;
  std::vector<int64_t> flops(static_cast<size_t>(pool.num_threads()) * 16);
  std::vector<float> sink(flops.size());
  const auto begin = Clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  // A piece a thread; each works until the time is over.
  pool.run(pool.num_threads(), [&](int64_t piece, int) {
    const size_t place = static_cast<size_t>(piece) * 16;
    while (elapsed() < seconds) {
      flops[place] += HWY_DYNAMIC_DISPATCH(run_chains)(kSteps, &sink[place]);
    }
  });
  int64_t total = 0;
  for (const int64_t f : flops) total += f;
  return static_cast<double>(total) / elapsed() * 1e-9;
}

}  // namespace colossus::kernels::cpu
#endif  // HWY_ONCE
