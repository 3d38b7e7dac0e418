// The kernels that memory bounds, each against a copy of as many bytes by as
// many threads, alternated with it: GB/s and the share of the copy's speed.
//
// Bytes are those that must move once: what an operation reads and writes. The
// copy's are counted likewise, so both pay alike for the lines that a store
// fetches first.
#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/state_hash.h"
#include "base/thread_pool.h"
#include "hwy/targets.h"
#include "kernels/cpu/context.h"
#include "kernels/cpu/embedding.h"
#include "kernels/cpu/head.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/norm.h"
#include "kernels/cpu/router.h"
#include "kernels/cpu/update.h"

namespace colossus::bench {
namespace {

using namespace kernels;
using kernels::cpu::Context;

struct Options {
  int num_threads = 2;
  int pairs = 7;
  std::string target = "auto";
};

struct Model {
  std::string name;
  int64_t rows, dim, vocab_size, num_shards;
};
const std::vector<Model> kModels = {{"124M", 1024, 768, 50304, 4},
                                    {"12M", 4096, 384, 4096, 4},
                                    {"kjv", 1024, 256, 2048, 8}};
constexpr int64_t kExperts = 8, kSelected = 2;

// In huge pages, every one of them written to.
struct Free {
  void operator()(float* data) const { std::free(data); }
};
using Memory = std::unique_ptr<float[], Free>;
Memory memory(int64_t floats) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t bytes =
      (static_cast<size_t>(floats) * sizeof(float) / kHugePage + 1) * kHugePage;
  Memory result(static_cast<float*>(std::aligned_alloc(kHugePage, bytes)));
  madvise(result.get(), bytes, MADV_HUGEPAGE);
  for (int64_t i = 0; i < floats; ++i) {
    result[static_cast<size_t>(i)] = static_cast<float>(i * 7919 % 1000) / 1e3f;
  }
  return result;
}

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

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options), pool_(options.num_threads), context_{pool_, {}} {
    for (int thread = 0; thread < options.num_threads; ++thread) {
      scratch_.push_back(memory(cpu::kScratchBytes / 4));
      context_.scratch.push_back(scratch_.back().get());
    }
  }

  const Context& context() const { return context_; }

  // Pairs of (copy, work); each long enough to be timed.
  void measure(const std::string& name, int64_t floats,
               const std::function<void()>& work) {
    const int64_t half = floats / 2;
    const Memory from = memory(half), to = memory(half);
    const double bytes = 4.0 * static_cast<double>(floats);
    const int repeats = static_cast<int>(std::max(1.0, 1e8 / bytes));
    std::vector<double> speeds, ratios;
    for (int pair = 0; pair <= options_.pairs; ++pair) {
      const double copying = seconds_of([&] {
        for (int i = 0; i < repeats; ++i) copy(from, to, half);
      });
      const double own = seconds_of([&] {
        for (int i = 0; i < repeats; ++i) work();
      });
      if (pair == 0) continue;  // the caches' first sight of it
      speeds.push_back(bytes * repeats / own / 1e9);
      ratios.push_back(copying / own);
    }
    fmt::print("{:34s} {:8.2f} MB {:7.1f} GB/s {:6.0f}% of copy\n", name,
               bytes / 1e6, median(speeds), 100 * median(ratios));
  }

 private:
  // In pieces too short for memcpy to go around the cache, as kernels do not.
  void copy(const Memory& from, const Memory& to, int64_t floats) {
    constexpr int64_t kPiece = 16 << 10;
    pool_.run((floats + kPiece - 1) / kPiece, [&](int64_t piece, int) {
      const int64_t begin = piece * kPiece;
      const int64_t count = std::min(kPiece, floats - begin);
      std::memcpy(to.get() + begin, from.get() + begin,
                  static_cast<size_t>(count) * sizeof(float));
    });
  }

  const Options options_;
  ThreadPool pool_;
  std::vector<Memory> scratch_;
  Context context_;
};

void bench_norms(Bench& bench, const Model& m) {
  const int64_t size = m.rows * m.dim;
  const Memory x = memory(size), branch = memory(size), x_out = memory(size);
  const Memory y = memory(size), dx = memory(size), scale = memory(m.dim);
  const Memory inv = memory(m.rows), inv2 = memory(m.rows);
  const Memory dscale = memory(m.dim), dscale2 = memory(m.dim);
  const Memory workspace =
      memory(norm_backward_workspace_floats(m.rows, m.dim, m.num_shards));
  const Context& context = bench.context();
  bench.measure(m.name + " rms_norm_forward", 2 * size, [&] {
    cpu::rms_norm_forward(context, {m.rows, m.dim, 1e-5f, x.get(), scale.get(),
                                    y.get(), inv.get()});
  });
  bench.measure(m.name + " rms_norm_backward", 3 * size, [&] {
    cpu::rms_norm_backward(context, {m.rows,
                                     m.dim,
                                     y.get(),
                                     x.get(),
                                     scale.get(),
                                     inv.get(),
                                     dx.get(),
                                     dscale.get(),
                                     {m.num_shards},
                                     workspace.get()});
  });
  bench.measure(m.name + " residual_norm_forward", 4 * size, [&] {
    cpu::residual_norm_forward(
        context, {m.rows, m.dim, 1e-5f, x.get(), branch.get(), scale.get(),
                  scale.get(), x_out.get(), y.get(), inv.get(), inv2.get()});
  });
  const Memory dbranch = memory(size);
  bench.measure(m.name + " residual_norm_backward", 6 * size, [&] {
    cpu::residual_norm_backward(context, {m.rows,
                                          m.dim,
                                          dx.get(),
                                          y.get(),
                                          x_out.get(),
                                          branch.get(),
                                          scale.get(),
                                          scale.get(),
                                          inv.get(),
                                          inv2.get(),
                                          dx.get(),
                                          dbranch.get(),
                                          dscale.get(),
                                          dscale2.get(),
                                          {m.num_shards},
                                          workspace.get()});
  });
}

void bench_embedding(Bench& bench, const Model& m) {
  const int64_t size = m.rows * m.dim;
  const Memory w = memory(m.vocab_size * m.dim), x = memory(size);
  std::vector<int32_t> tokens;
  for (int64_t n = 0; n < m.rows; ++n) {
    tokens.push_back(static_cast<int32_t>(n * 7919 % m.vocab_size));
  }
  bench.measure(m.name + " embedding_forward", 2 * size, [&] {
    cpu::embedding_forward(bench.context(), {m.rows, m.dim, 1.5f, tokens.data(),
                                             w.get(), x.get()});
  });
  bench.measure(m.name + " embedding_backward", 3 * size, [&] {
    cpu::embedding_backward(
        bench.context(),
        {m.rows, m.dim, 1.5f, tokens.data(), x.get(), w.get(), 1, {}});
  });
}

void bench_experts(Bench& bench, const Model& m) {
  const int64_t size = m.rows * m.dim, choices = m.rows * kSelected;
  const Memory x = memory(size), slots = memory(size * kSelected);
  const Memory y = memory(size), w = memory(kExperts * m.dim);
  const Memory logits = memory(m.rows * kExperts),
               probs = memory(m.rows * kExperts);
  const Memory weight = memory(choices), dweight = memory(choices);
  const Memory share = memory(kExperts * m.num_shards);
  const Memory balance = memory(m.num_shards), z_loss = memory(m.num_shards);
  std::vector<int32_t> expert(static_cast<size_t>(choices)), slot = expert,
                                                             row = expert;
  std::vector<int32_t> begin(static_cast<size_t>(kExperts * m.num_shards + 1));
  const Context& context = bench.context();
  bench.measure(m.name + " router_forward", size, [&] {
    cpu::router_forward(
        context, {m.rows, m.dim, kExperts, kSelected, 0, false, m.num_shards,
                  x.get(), w.get(), logits.get(), probs.get(), expert.data(),
                  weight.get(), share.get(), balance.get(), z_loss.get()});
  });
  bench.measure(m.name + " router_dispatch", 4 * choices, [&] {
    cpu::router_dispatch(
        context, {m.rows, kExperts, kSelected, m.num_shards, expert.data(),
                  begin.data(), row.data(), slot.data()});
  });
  bench.measure(m.name + " expert_combine_forward", (kSelected + 1) * size,
                [&] {
                  cpu::expert_combine_forward(
                      context, {m.rows, m.dim, kSelected, 1.0f, slots.get(),
                                slot.data(), weight.get(), nullptr, y.get()});
                });
  bench.measure(
      m.name + " expert_combine_backward", (2 * kSelected + 1) * size, [&] {
        cpu::expert_combine_backward(
            context,
            {m.rows, m.dim, kSelected, 1.0f, y.get(), slots.get(), slot.data(),
             weight.get(), slots.get(), dweight.get(), nullptr});
      });
  bench.measure(m.name + " expert_input_backward", (kSelected + 1) * size, [&] {
    cpu::expert_input_backward(
        context, {m.rows, m.dim, kExperts, kSelected, slots.get(), slot.data(),
                  logits.get(), w.get(), nullptr, y.get()});
  });
  bench.measure(m.name + " router_backward", 4 * m.rows * kExperts, [&] {
    cpu::router_backward(
        context, {m.rows, kExperts, kSelected, 0, false, m.num_shards, 0.01f,
                  0.001f, logits.get(), probs.get(), expert.data(),
                  weight.get(), dweight.get(), share.get(), probs.get()});
  });
}

// The head's data of one model.
struct Head {
  explicit Head(const Model& model)
      : m(model),
        h(memory(m.rows * m.dim)),
        dh(memory(m.rows * m.dim)),
        w(memory(m.vocab_size * m.dim)),
        dw(memory(m.vocab_size * m.dim)),
        logits(memory(m.rows * m.vocab_size)),
        losses(memory(m.rows)),
        targets(static_cast<size_t>(m.rows), 1) {}

  // The products alone, over all logits in one piece.
  void products(const Context& context) const {
    LinearForward forward = {};
    forward.rows = m.rows;
    forward.in_dim = m.dim;
    forward.out_dim = m.vocab_size;
    forward.x_RI = h.get();
    forward.w_OI = w.get();
    forward.y_RO = logits.get();
    cpu::linear_forward(context, forward);
    LinearBackwardInput input = {};
    input.rows = m.rows;
    input.in_dim = m.dim;
    input.out_dim = m.vocab_size;
    input.dy_RO = logits.get();
    input.w_OI = w.get();
    input.dx_RI = dh.get();
    cpu::linear_backward_input(context, input);
    LinearBackwardWeight weight = {};
    weight.rows = m.rows;
    weight.in_dim = m.dim;
    weight.out_dim = m.vocab_size;
    weight.dy_RO = logits.get();
    weight.x_RI = h.get();
    weight.dw_OI = dw.get();
    weight.shards.num_shards = m.num_shards;
    cpu::linear_backward_weight(context, weight);
  }
  void loss(const Context& context, float softcap) const {
    HeadLoss args = {};
    args.num_tokens = m.rows;
    args.dim = m.dim;
    args.vocab_size = m.vocab_size;
    args.multiplier = 0.5f;
    args.softcap = softcap;
    args.h_ND = h.get();
    args.w_VD = w.get();
    args.targets_N = targets.data();
    args.losses_N = losses.get();
    args.grad_scale = 1;
    args.dh_ND = dh.get();
    args.dw_VD = dw.get();
    args.shards.num_shards = m.num_shards;
    args.workspace = logits.get();
    cpu::head_loss(context, args);
  }

  Model m;
  Memory h, dh, w, dw, logits, losses;
  std::vector<int32_t> targets;
};

void bench_head(const Bench& bench, const Model& model, int pairs) {
  const Context& context = bench.context();
  const Head head(model);
  head.loss(context, 0);
  for (const float softcap : {0.0f, 30.0f}) {
    std::vector<double> own, ratios;
    for (int pair = 0; pair < pairs; ++pair) {
      const double products = seconds_of([&] { head.products(context); });
      own.push_back(seconds_of([&] { head.loss(context, softcap); }));
      ratios.push_back(own.back() / products);
    }
    fmt::print("{:34s} {:8.2f} ms, {:.3f} x its products alone\n",
               fmt::format("{} head_loss, cap {}", model.name, softcap),
               1e3 * median(own), median(ratios));
  }
}

void bench_updates(Bench& bench) {
  const int64_t count = 12'000'000;
  const Memory w = memory(count), g = memory(count), m = memory(count),
               v = memory(count);
  const Context& context = bench.context();
  bench.measure("add_into", 3 * count, [&] {
    cpu::add_into(context, {count, w.get(), g.get()});
  });
  bench.measure("sum_of_squares", count, [&] {
    cpu::sum_of_squares(context, {count, g.get()});
  });
  bench.measure("adamw_update", 7 * count, [&] {
    cpu::adamw_update(
        context, {count, g.get(), w.get(), m.get(), v.get(), w.get(), m.get(),
                  v.get(), 1.0f, 1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 1.0f, 1.0f});
  });
}

// The update as ranks do it, from the state of one step beside that of the
// next: with the hash of what it writes against without, in turns. Then the
// hash of what lies in memory, by one thread.
void bench_hash(const Bench& bench, int pairs) {
  const int64_t count = 12'000'000;
  const Memory from = memory(4 * count), to = memory(3 * count);
  StateHash hash;
  const auto update = [&](StateHash* made) {
    const float* in = from.get();
    float* out = to.get();
    cpu::adamw_update(bench.context(),
                      {count, in, in + count, in + 2 * count, in + 3 * count,
                       out, out + count, out + 2 * count, 1.0f, 1e-3f, 0.9f,
                       0.95f, 1e-8f, 0.1f, 1.0f, 1.0f, 0, made});
  };
  std::vector<double> plain, ratios, reads;
  for (int pair = 0; pair <= pairs; ++pair) {
    plain.push_back(seconds_of([&] { update(nullptr); }));
    ratios.push_back(seconds_of([&] { update(&hash); }) / plain.back());
    reads.push_back(seconds_of([&] {
      hash.add(0, count, to.get(), to.get() + count, to.get() + 2 * count);
    }));
  }
  const double bytes = 12.0 * static_cast<double>(count);
  fmt::print("{:34s} {:8.2f} ms, {:.3f} x with the hash of what it writes\n",
             "adamw_update to other memory", 1e3 * median(plain),
             median(ratios));
  fmt::print("{:34s} {:8.2f} ms, {:7.1f} GB/s by one thread\n",
             "hash of a state at rest", 1e3 * median(reads),
             bytes / median(reads) / 1e9);
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Row kernels against a copy of as many bytes");
  app.add_option("--threads", options.num_threads);
  app.add_option("--pairs", options.pairs);
  app.add_option("--target", options.target)
      ->check(CLI::IsMember({"auto", "avx2"}));
  CLI11_PARSE(app, argc, argv);
#if HWY_ARCH_X86
  if (options.target == "avx2") hwy::SetSupportedTargetsForTest(HWY_AVX2);
#endif
  Bench bench(options);
  bench_updates(bench);
  bench_hash(bench, options.pairs);
  for (const Model& model : kModels) {
    bench_norms(bench, model);
    bench_embedding(bench, model);
    bench_experts(bench, model);
  }
  for (const Model& model : kModels) bench_head(bench, model, options.pairs);
  return 0;
}

}  // namespace
}  // namespace colossus::bench

int main(int argc, char** argv) { return colossus::bench::run(argc, argv); }
