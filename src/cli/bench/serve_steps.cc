// `colossus bench step --serve`: training steps on command, for bench/run.py.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/fields.h"
#include "base/thread_pool.h"
#include "cli/bench/bench_context.h"
#include "cli/bench/step_runner.h"
#include "config/load_config.h"
#include "config/model_counts.h"
#include "kernels/backend.h"
#include "kernels/cpu/peak.h"

namespace colossus::cli {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kMaxSteps = 1'000'000;

template <typename Struct>
ordered_json as_json(Struct component) {
  ordered_json json;
  for (const Field& field : fields_of(component)) {
    std::visit([&](auto* value) { json[field.name] = *value; }, field.value);
  }
  return json;
}

void answer(const ordered_json& json) {
  fmt::print("{}\n", json.dump());
  std::fflush(stdout);
}

void describe(const BenchContext& context, const config::Config& config) {
  answer({{"kernels", context.backend.description()},
          {"threads", context.num_threads},
          {"model", as_json(config.model)},
          {"run", as_json(config.run)},
          {"optimizer", as_json(config.optimizer)},
          {"tokens_per_step", config.run.tokens_per_step()},
          {"model_flops_per_token", config::training_flops_per_token(
                                        config.model, config.run.seq_len)}});
}

int64_t parse_steps(std::istream& words, const std::string& line) {
  int64_t steps = 0;
  if (!(words >> steps) || steps < 1 || steps > kMaxSteps) {
    throw user_error("'{}': say how many steps, 1 to {}: run 5", line,
                     kMaxSteps);
  }
  return steps;
}

}  // namespace

void serve_steps(const BenchContext& context, const std::string& path) {
  const config::Config config = config::load_config(path, {}).config;
  StepRunner runner(config, context.backend, context.num_threads);
  ThreadPool pool(context.num_threads);
  describe(context, config);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "quit") return;
    if (command == "run") {
      const double seconds = runner.run(parse_steps(words, line));
      answer({{"seconds", seconds}, {"loss", runner.loss()}});
    } else if (command == "peak") {
      answer({{"flops_per_second", kernels::measure_fma_peak(pool, 0.05)}});
    } else {
      throw user_error("unknown command '{}'; there are: run N, peak, quit",
                       line);
    }
  }
}

}  // namespace colossus::cli
