// Measures the matrix products of training shapes, all three forms, as shares
// of the processor's peak, beside BLAS libraries: alternated in one run, the
// peak taken between, medians.
//
//   products_bench [--threads 2] [--target avx2] [--rounds 5] [--model 12M]
//                  [--library /path/libopenblas.so.0]...
#include <fmt/core.h>
#include <sys/mman.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "blas_library.h"
#include "kernels/cpu/peak.h"
#include "hwy/targets.h"
#include "kernels/cpu/linear.h"
#include "product_shapes.h"

namespace colossus::bench {
namespace {

constexpr int64_t kShards = 4;
constexpr double kSeconds = 0.03;  // at least, of one measurement

// Zeroed memory in huge pages.
class Floats {
 public:
  explicit Floats(int64_t count) : bytes_(static_cast<size_t>(count) * 4) {
    bytes_ = (bytes_ + (size_t{2} << 20) - 1) >> 21 << 21;
    data_ = static_cast<float*>(std::aligned_alloc(size_t{2} << 20, bytes_));
    madvise(data_, bytes_, MADV_HUGEPAGE);
    for (size_t i = 0; i < bytes_ / 4; ++i) {
      data_[i] = static_cast<float>(i * 2654435761u % 1024) / 1024.0f - 0.5f;
    }
  }
  ~Floats() { std::free(data_); }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;
  float* get() const { return data_; }

 private:
  size_t bytes_;
  float* data_;
};

// The operands of one shape, and its experts' rows.
struct Problem {
  ProductShape shape;
  std::vector<int32_t> segment_begin;
  Floats x, w, y, dx, dw;

  explicit Problem(const ProductShape& s)
      : shape(s),
        x(s.rows * s.in_dim),
        w(s.num_groups * s.in_dim * s.out_dim),
        y(s.rows * s.out_dim),
        dx(s.rows * s.in_dim),
        dw(s.num_groups * s.in_dim * s.out_dim) {
    // Experts get between 0.7 and 1.3 times their fair part.
    int64_t row = 0;
    for (int64_t g = 0; g < s.num_groups; ++g) {
      const int64_t fair = s.rows / s.num_groups;
      const int64_t part = g == s.num_groups - 1
                               ? s.rows - row
                               : fair * (70 + (g * 37) % 61) / 100;
      for (int64_t i = 0; i < kShards; ++i) {
        segment_begin.push_back(static_cast<int32_t>(row + part * i / kShards));
      }
      row += part;
    }
    segment_begin.push_back(static_cast<int32_t>(s.rows));
  }

  kernels::RowGroups groups() const {
    if (shape.num_groups == 1) return {};
    return {shape.num_groups, segment_begin.data(),
            shape.in_dim * shape.out_dim};
  }
  double flops() const {
    return 2.0 * static_cast<double>(shape.rows * shape.in_dim * shape.out_dim);
  }
};

enum FormOfProduct { kForward, kBackwardInput, kBackwardWeight, kNumForms };
constexpr const char* kFormNames[] = {"forward", "dx", "dw"};

void run_ours(const kernels::cpu::Context& context, const Problem& p,
              int form) {
  const ProductShape& s = p.shape;
  const float *x = p.x.get(), *w = p.w.get(), *y = p.y.get();
  if (form == kForward) {
    linear_forward(context, {.rows = s.rows,
                             .in_dim = s.in_dim,
                             .out_dim = s.out_dim,
                             .x_RI = x,
                             .w_OI = w,
                             .y_RO = p.y.get(),
                             .groups = p.groups(),
                             .num_shards = kShards});
  } else if (form == kBackwardInput) {
    linear_backward_input(context, {.rows = s.rows,
                                    .in_dim = s.in_dim,
                                    .out_dim = s.out_dim,
                                    .dy_RO = y,
                                    .w_OI = w,
                                    .dx_RI = p.dx.get(),
                                    .groups = p.groups(),
                                    .num_shards = kShards});
  } else {
    linear_backward_weight(context, {.rows = s.rows,
                                     .in_dim = s.in_dim,
                                     .out_dim = s.out_dim,
                                     .dy_RO = y,
                                     .x_RI = x,
                                     .dw_OI = p.dw.get(),
                                     .groups = p.groups(),
                                     .shards = {kShards, false}});
  }
}

void run_library(const BlasLibrary& library, const Problem& p, int form) {
  const ProductShape& s = p.shape;
  for (int64_t g = 0; g < s.num_groups; ++g) {
    const size_t first = static_cast<size_t>(g * kShards);
    const int64_t row = p.segment_begin[first];
    const int64_t rows = p.segment_begin[first + kShards] - row;
    const int64_t weight = g * s.in_dim * s.out_dim;
    float* x = p.x.get() + row * s.in_dim;
    float* y = p.y.get() + row * s.out_dim;
    float* dx = p.dx.get() + row * s.in_dim;
    if (form == kForward) {
      library.multiply(false, true, rows, s.out_dim, s.in_dim, x, s.in_dim,
                       p.w.get() + weight, s.in_dim, y, s.out_dim);
    } else if (form == kBackwardInput) {
      library.multiply(false, false, rows, s.in_dim, s.out_dim, y, s.out_dim,
                       p.w.get() + weight, s.in_dim, dx, s.in_dim);
    } else {
      library.multiply(true, false, s.out_dim, s.in_dim, rows, y, s.out_dim, x,
                       s.in_dim, p.dw.get() + weight, s.in_dim);
    }
  }
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// GFLOP/s of `run`: repeated for kSeconds, after one run that warms up.
double measure(const Problem& p, const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  run();
  const auto begin = Clock::now();
  double seconds = 0;
  int count = 0;
  while (seconds < kSeconds) {
    run();
    ++count;
    seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  return p.flops() * count / seconds * 1e-9;
}

struct Options {
  int threads = 2;
  int rounds = 5;
  std::string target, model, form;
  std::vector<std::string> libraries = {
      "/usr/lib/x86_64-linux-gnu/openblas-openmp/libopenblas.so.0",
      "libdnnl.so.2"};
};

struct Contender {
  std::string name;
  std::function<void(const Problem&, int form)> run;
};

// Shares of the peak of each contender, one line; adds them to `all`.
void compare(const Problem& p, int form, const Options& options,
             ThreadPool& pool, const std::vector<Contender>& contenders,
             std::map<std::string, std::vector<double>>* all) {
  std::vector<std::vector<double>> share(contenders.size());
  std::vector<double> peaks;
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      const double peak = 1e-9 * kernels::measure_fma_peak(pool, 0.005);
      const double speed = measure(p, [&] { contenders[i].run(p, form); });
      const double peak_after = 1e-9 * kernels::measure_fma_peak(pool, 0.005);
      peaks.push_back(std::max(peak, peak_after));
      share[i].push_back(speed);
    }
  }
  const double peak = median(peaks);
  fmt::print("{:5} {:21} {:8}", p.shape.model, p.shape.name, kFormNames[form]);
  for (size_t i = 0; i < contenders.size(); ++i) {
    const double percent = 100 * median(share[i]) / peak;
    fmt::print("{:10.1f}", percent);
    (*all)[contenders[i].name].push_back(percent);
    (*all)[contenders[i].name + kFormNames[form]].push_back(percent);
  }
  fmt::print("    peak {:.0f}\n", peak);
  std::fflush(stdout);
}

void run_all(const Options& options) {
  ThreadPool pool(options.threads);
  std::vector<std::unique_ptr<Floats>> blocks;
  kernels::cpu::Context context = {pool, {}};
  for (int t = 0; t < options.threads; ++t) {
    blocks.push_back(std::make_unique<Floats>(kernels::cpu::kScratchBytes / 4));
    context.scratch.push_back(blocks.back()->get());
  }
  std::vector<Contender> contenders = {
      {"colossus",
       [&](const Problem& p, int form) { run_ours(context, p, form); }}};
  std::vector<std::shared_ptr<BlasLibrary>> libraries;
  for (const std::string& path : options.libraries) {
    std::shared_ptr<BlasLibrary> library = BlasLibrary::load(path);
    if (!library) continue;
    contenders.push_back({library->name(), [library](const Problem& p, int f) {
                            run_library(*library, p, f);
                          }});
  }
  fmt::print("{:36}", "share of peak, %");
  for (const Contender& c : contenders) fmt::print("{:>10}", c.name);
  fmt::print("\n");
  std::map<std::string, std::vector<double>> all;
  for (const ProductShape& shape : product_shapes()) {
    if (!options.model.empty() && options.model != shape.model) continue;
    const Problem p(shape);
    for (int form = 0; form < kNumForms; ++form) {
      if (!options.form.empty() && options.form != kFormNames[form]) continue;
      compare(p, form, options, pool, contenders, &all);
    }
  }
  for (const std::string form : {"", "forward", "dx", "dw"}) {
    fmt::print("median {:29}", form);
    for (const Contender& c : contenders) {
      const std::vector<double>& values = all[c.name + form];
      if (!values.empty()) fmt::print("{:10.1f}", median(values));
    }
    fmt::print("\n");
  }
}

}  // namespace
}  // namespace colossus::bench

int main(int argc, char** argv) {
  colossus::bench::Options options;
  CLI::App app("Matrix products, as shares of the processor's peak");
  app.add_option("--threads", options.threads);
  app.add_option("--rounds", options.rounds);
  app.add_option("--target", options.target, "avx2: even where AVX-512 is");
  app.add_option("--model", options.model, "124M, 12M or MoE alone");
  app.add_option("--form", options.form, "forward, dx or dw alone");
  app.add_option("--library", options.libraries, "BLAS to compare with");
  CLI11_PARSE(app, argc, argv);
  setenv("OMP_NUM_THREADS", std::to_string(options.threads).c_str(), 1);
  if (options.target == "avx2") hwy::SetSupportedTargetsForTest(HWY_AVX2);
  colossus::bench::run_all(options);
  return 0;
}
