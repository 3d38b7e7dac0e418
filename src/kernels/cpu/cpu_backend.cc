#include "kernels/cpu/cpu_backend.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "hwy/aligned_allocator.h"
#include "hwy/highway.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/context.h"
#include "kernels/cpu/embedding.h"
#include "kernels/cpu/head.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/norm.h"
#include "kernels/cpu/router.h"
#include "kernels/cpu/update.h"

namespace colossus::kernels {
namespace {

// An instruction set that kernels are built for.
struct Target {
  std::string name;
  int64_t highway;  // its bit in Highway's masks
  bool fused;       // has fused multiply-add
};

// Best first; the last runs on every processor of the kind.
std::vector<Target> built_targets() {
#if HWY_ARCH_X86
  return {{"avx512", HWY_AVX3, true},
          {"avx2", HWY_AVX2, true},
          {"baseline", HWY_STATIC_TARGET,
           (HWY_STATIC_TARGET & (HWY_AVX3 | HWY_AVX2)) != 0}};
#else
  return {{"baseline", HWY_STATIC_TARGET,
           (HWY_STATIC_TARGET & (HWY_SCALAR | HWY_EMU128)) == 0}};
#endif
}

// What this processor has of them, whatever target is forced now.
std::vector<Target> supported_targets() {
  const int64_t now = hwy::SupportedTargets();
  hwy::SetSupportedTargetsForTest(0);
  const int64_t all = hwy::SupportedTargets();
  if (now != all) hwy::SetSupportedTargetsForTest(now);
  std::vector<Target> targets = built_targets();
  std::erase_if(targets, [&](const Target& target) {
    return target.highway != HWY_STATIC_TARGET && !(target.highway & all);
  });
  return targets;
}

std::vector<std::string> names_of(const std::vector<Target>& targets) {
  std::vector<std::string> names;
  for (const Target& target : targets) names.push_back(target.name);
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) {
    if (!all.empty()) all += ", ";
    all += name;
  }
  return all;
}

Target find_target(const std::string& name) {
  const std::vector<Target> supported = supported_targets();
  if (name == "auto") return supported.front();
  for (const Target& target : supported) {
    if (target.name == name) return target;
  }
  std::vector<std::string> known = names_of(built_targets());
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    known.push_back("auto");
    throw user_error("kernels.target is '{}', which is none of {}{}", name,
                     joined(known), did_you_mean(name, known));
  }
  throw user_error(
      "kernels.target is '{}', which this processor lacks; it has {}, and "
      "'auto' takes the first",
      name, joined(names_of(supported)));
}

int threads_or_one_a_core(int num_threads) {
  COLOSSUS_CHECK(num_threads >= 0, "num_threads is {}", num_threads);
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return num_threads > 0 ? num_threads : std::max(1, cores);
}

class CpuBackend final : public Backend {
 public:
  CpuBackend(int num_threads, Target target)
      : target_(std::move(target)), pool_(num_threads), context_{pool_, {}} {
    for (int thread = 0; thread < num_threads; ++thread) {
      scratch_.push_back(hwy::AllocateAligned<float>(kScratchFloats));
      context_.scratch.push_back(scratch_.back().get());
    }
  }

  std::string numerics_version() const override {
    return target_.fused ? "fma-1" : "nofma-1";
  }
  std::string description() const override {
    const int threads = pool_.num_threads();
    return target_.name + ", " + std::to_string(threads) +
           (threads == 1 ? " thread" : " threads");
  }
  void set_pulse(Pulse* pulse) override { pool_.set_pulse(pulse); }
  void set_num_threads(int num_threads) override {
    COLOSSUS_CHECK(num_threads <= std::ssize(scratch_), "{} threads of {}",
                   num_threads, scratch_.size());
    pool_.resize(num_threads);
  }
  uint64_t workspace_bytes() const override {
    return scratch_.size() * cpu::kScratchBytes;
  }

  void embedding_forward(const EmbeddingForward& args) override {
    cpu::embedding_forward(context_, args);
  }
  void embedding_backward(const EmbeddingBackward& args) override {
    cpu::embedding_backward(context_, args);
  }

  void rms_norm_forward(const RmsNormForward& args) override {
    cpu::rms_norm_forward(context_, args);
  }
  void rms_norm_backward(const RmsNormBackward& args) override {
    cpu::rms_norm_backward(context_, args);
  }
  void residual_norm_forward(const ResidualNormForward& args) override {
    cpu::residual_norm_forward(context_, args);
  }
  void residual_norm_backward(const ResidualNormBackward& args) override {
    cpu::residual_norm_backward(context_, args);
  }

  void linear_forward(const LinearForward& args) override {
    cpu::linear_forward(context_, args);
  }
  void linear_backward_input(const LinearBackwardInput& args) override {
    cpu::linear_backward_input(context_, args);
  }
  void linear_backward_weight(const LinearBackwardWeight& args) override {
    cpu::linear_backward_weight(context_, args);
  }
  void gated_linear_forward(const GatedLinearForward& args) override {
    cpu::gated_linear_forward(context_, args);
  }
  void gated_linear_backward_input(
      const GatedLinearBackwardInput& args) override {
    cpu::gated_linear_backward_input(context_, args);
  }

  void attention_forward(const AttentionForward& args) override {
    cpu::attention_forward(context_, args);
  }
  void attention_backward(const AttentionBackward& args) override {
    cpu::attention_backward(context_, args);
  }
  void attention_decode(const AttentionDecode& args) override {
    cpu::attention_decode(context_, args);
  }

  void router_forward(const RouterForward& args) override {
    cpu::router_forward(context_, args);
  }
  void router_dispatch(const RouterDispatch& args) override {
    cpu::router_dispatch(context_, args);
  }
  void router_backward(const RouterBackward& args) override {
    cpu::router_backward(context_, args);
  }
  void expert_combine_forward(const ExpertCombineForward& args) override {
    cpu::expert_combine_forward(context_, args);
  }
  void expert_combine_backward(const ExpertCombineBackward& args) override {
    cpu::expert_combine_backward(context_, args);
  }
  void expert_input_backward(const ExpertInputBackward& args) override {
    cpu::expert_input_backward(context_, args);
  }

  int64_t head_workspace_floats(int64_t num_tokens, int64_t dim,
                                int64_t vocab_size, int64_t num_shards,
                                bool backward) const override {
    return cpu::head_workspace_floats(num_tokens, dim, vocab_size, num_shards,
                                      backward);
  }
  void head_loss(const HeadLoss& args) override {
    cpu::head_loss(context_, args);
  }
  void head_logits(const HeadLogits& args) override {
    cpu::head_logits(context_, args);
  }

  void add_into(const AddInto& args) override { cpu::add_into(context_, args); }
  double sum_of_squares(const SumOfSquares& args) override {
    return cpu::sum_of_squares(context_, args);
  }
  void adamw_update(const AdamWUpdate& args) override {
    cpu::adamw_update(context_, args);
  }

 private:
  static constexpr size_t kScratchFloats = cpu::kScratchBytes / sizeof(float);

  const Target target_;
  ThreadPool pool_;
  std::vector<hwy::AlignedFreeUniquePtr<float[]>> scratch_;
  cpu::Context context_;
};

}  // namespace

std::string best_cpu_target() { return supported_targets().front().name; }

std::unique_ptr<Backend> make_cpu_backend(int num_threads,
                                          const std::string& target) {
  Target found = find_target(target);
  hwy::SetSupportedTargetsForTest(target == "auto" ? 0 : found.highway);
  return std::make_unique<CpuBackend>(threads_or_one_a_core(num_threads),
                                      std::move(found));
}

}  // namespace colossus::kernels
