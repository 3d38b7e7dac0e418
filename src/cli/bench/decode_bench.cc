// `colossus bench decode`: tokens one by one, against the memory's read speed.
#include <array>
#include <filesystem>
#include <span>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "cli/bench/bench_context.h"
#include "config/load_config.h"
#include "config/model_counts.h"
#include "kernels/backend.h"
#include "kernels/cpu/memory_speed.h"
#include "model/decoder.h"
#include "model/parameters.h"
#include "tensor/arena.h"

namespace colossus::cli {
namespace {

constexpr int64_t kTokens = 16;  // of one measurement
constexpr int64_t kCapacity = 256;

// A decoder with initial weights, all in huge pages.
class DecodeRunner {
 public:
  DecodeRunner(const config::ModelConfig& config, kernels::Backend& backend,
               int num_threads)
      : config_(config),
        parameters_(config),
        arena_(bytes(config, backend, parameters_)),
        weights_(arena_.take<float>(parameters_.padded_count(1), "weights")),
        decoder_(config, kCapacity, backend, arena_) {
    ThreadPool pool(num_threads);
    model::initialize(
        parameters_, 1, 0,
        {weights_, static_cast<size_t>(parameters_.padded_count(1))}, pool);
  }

  // Seconds a token, over kTokens.
  double run() {
    if (decoder_.position() + kTokens > kCapacity) decoder_.reset();
    const double begin = real_clock().steady_seconds();
    for (int64_t i = 0; i < kTokens; ++i) {
      const std::array<int32_t, 1> token = {
          static_cast<int32_t>(decoder_.position() % config_.vocab_size)};
      decoder_.append(weights_, token);
    }
    return (real_clock().steady_seconds() - begin) / kTokens;
  }

  // What a token must read: its weights and, of the cache, half its capacity.
  double bytes_per_token() const {
    const auto cache =
        static_cast<double>(config_.num_layers * config_.kv_dim() * kCapacity);
    const auto weights =
        static_cast<double>(config::count_model(config_).active_parameters);
    return sizeof(float) * (weights + cache);
  }

 private:
  static uint64_t bytes(const config::ModelConfig& config,
                        kernels::Backend& backend,
                        const model::ParameterList& parameters) {
    tensor::Arena plan;
    plan.take<float>(parameters.padded_count(1), "weights");
    const model::Decoder planned(config, kCapacity, backend, plan);
    return plan.high_water_bytes();
  }

  const config::ModelConfig config_;
  const model::ParameterList parameters_;
  tensor::Arena arena_;
  float* weights_;
  model::Decoder decoder_;
};

}  // namespace

void bench_decode(const BenchContext& context, const std::string& path) {
  const config::Config config = config::load_config(path, {}).config;
  DecodeRunner runner(config.model, context.backend, context.num_threads);
  ThreadPool pool(context.num_threads);
  kernels::MemorySpeed memory(pool);
  runner.run();
  std::vector<double> seconds, reads;
  for (int i = 0; i < context.num_repeats; ++i) {
    reads.push_back(memory.read());
    seconds.push_back(runner.run());
  }
  const double token = median(seconds), read = median(reads);
  context.report.section("decode", "decoding, fp32, one sequence");
  context.report.row(std::filesystem::path(path).stem().string(),
                     {{"tokens_per_second", 1 / token},
                      {"bytes_per_second", runner.bytes_per_token() / token},
                      {"read_bytes_per_second", read},
                      {"read_share", runner.bytes_per_token() / token / read}});
}

}  // namespace colossus::cli
