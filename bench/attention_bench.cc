// Attention forward and backward against the FMA peak, measured in turn with
// it: GFLOP/s and the share of peak, flops of the causal half alone.
//
// Flops: 4 K a pair of query and key forward, 10 K backward (five products),
// T (T + 1) / 2 pairs a head.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/thread_pool.h"
#include "kernels/cpu/peak.h"
#include "hwy/aligned_allocator.h"
#include "hwy/targets.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/context.h"

namespace colossus::bench {
namespace {

using kernels::AttentionShape;
using kernels::cpu::Context;

struct Case {
  std::string name;
  int64_t b, h, g, t, k;
};
const std::vector<Case> kCases = {
    {"124M", 4, 12, 12, 256, 64},   {"12M", 16, 6, 6, 256, 64},
    {"MoE", 16, 6, 2, 256, 64},     {"kjv K=32", 8, 4, 2, 128, 32},
    {"kjv K=64", 8, 4, 2, 128, 64}, {"long K=128", 1, 8, 2, 2048, 128},
    {"13 x 1", 1, 8, 2, 13, 64}};

class Problem {
 public:
  Problem(const Case& c, float softcap)
      : shape_{c.b, c.t, c.h, c.g, c.k, 0.125f, softcap, {nullptr, nullptr}},
        cos_(size(c.t * c.k / 2), 0.8f),
        sin_(size(c.t * c.k / 2), 0.6f),
        qkv_(size(c.b * c.t * shape_.qkv_dim())),
        dqkv_(qkv_.size()),
        o_(size(c.b * c.t * shape_.q_dim())),
        do_(o_.size()),
        lse_(size(c.b * c.h * c.t)) {
    for (size_t i = 0; i < qkv_.size(); ++i) qkv_[i] = value(i);
    for (size_t i = 0; i < do_.size(); ++i) do_[i] = value(i + 77);
    shape_.rope = {cos_.data(), sin_.data()};
  }

  void forward(const Context& context) {
    attention_forward(context, {shape_, qkv_.data(), o_.data(), lse_.data()});
  }
  void backward(const Context& context) {
    attention_backward(context, {shape_, qkv_.data(), o_.data(), do_.data(),
                                 lse_.data(), dqkv_.data()});
  }
  double pair_flops() const {
    const double t = static_cast<double>(shape_.seq_len);
    return static_cast<double>(shape_.num_sequences * shape_.q_dim()) * t *
           (t + 1) / 2;
  }

 private:
  static size_t size(int64_t n) { return static_cast<size_t>(n); }
  static float value(size_t i) {
    return static_cast<float>(i * 7919 % 1999) / 1000 - 1.0f;
  }

  AttentionShape shape_;
  std::vector<float> cos_, sin_, qkv_, dqkv_, o_, do_, lse_;
};

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const auto end = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(end - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Figures {
  std::vector<double> forward, backward, both;
};

// GFLOP/s of `flops` by `work`, over at least 20 ms.
double gflops(double flops, const std::function<void()>& work) {
  const int repeats = std::max(1, static_cast<int>(2e9 / flops));
  const double seconds = seconds_of([&] {
    for (int i = 0; i < repeats; ++i) work();
  });
  return flops * repeats / seconds / 1e9;
}

void measure(const Context& context, const Case& c, float softcap, int rounds) {
  Problem problem(c, softcap);
  const double flops = problem.pair_flops();
  Figures shares, speeds;
  for (int i = 0; i < rounds; ++i) {
    const double peak = 1e-9 * kernels::measure_fma_peak(context.pool, 0.02);
    const double f = gflops(4 * flops, [&] { problem.forward(context); });
    const double b = gflops(10 * flops, [&] { problem.backward(context); });
    const double both = 14 / (4 / f + 10 / b);
    speeds.forward.push_back(f);
    speeds.backward.push_back(b);
    shares.forward.push_back(f / peak);
    shares.backward.push_back(b / peak);
    shares.both.push_back(both / peak);
  }
  fmt::print(
      "{:<11} cap {:<3} forward {:6.1f} GFLOP/s {:4.1f}%  backward {:6.1f} "
      "{:4.1f}%  both {:4.1f}%\n",
      c.name, softcap, median(speeds.forward), 100 * median(shares.forward),
      median(speeds.backward), 100 * median(shares.backward),
      100 * median(shares.both));
}

int run(int argc, char** argv) {
  int num_threads = 2, rounds = 7;
  std::string target = "auto", only;
  CLI::App app("Attention against the FMA peak");
  app.add_option("--threads", num_threads, "Threads")->capture_default_str();
  app.add_option("--rounds", rounds, "Rounds, of which the median counts")
      ->capture_default_str();
  app.add_option("--target", target, "auto or avx2");
  app.add_option("--only", only, "Cases whose name begins so");
  CLI11_PARSE(app, argc, argv);
#if HWY_ARCH_X86
  if (target == "avx2") hwy::SetSupportedTargetsForTest(HWY_AVX2);
#endif
  ThreadPool pool(num_threads);
  std::vector<hwy::AlignedFreeUniquePtr<float[]>> scratch;
  Context context{pool, {}};
  for (int i = 0; i < num_threads; ++i) {
    scratch.push_back(hwy::AllocateAligned<float>(kernels::cpu::kScratchBytes /
                                                  sizeof(float)));
    context.scratch.push_back(scratch.back().get());
  }
  for (const Case& c : kCases) {
    if (c.name.rfind(only, 0) != 0) continue;
    for (const float softcap : {30.0f, 0.0f}) {
      measure(context, c, softcap, rounds);
    }
  }
  return 0;
}

}  // namespace
}  // namespace colossus::bench

int main(int argc, char** argv) { return colossus::bench::run(argc, argv); }
