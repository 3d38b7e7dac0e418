#include "cli/trained_model.h"

#include <optional>

#include "base/error.h"
#include "base/file_system.h"
#include "checkpoint/checkpoint_reader.h"
#include "config/load_config.h"
#include "kernels/cpu/cpu_backend.h"
#include "model/parameters.h"
#include "runtime/run_recorder.h"

namespace colossus::cli {
namespace {

checkpoint::VerifiedCheckpoint find_checkpoint(const std::string& run_folder,
                                               int64_t step) {
  constexpr auto kParts = checkpoint::Parts::kWeights;
  if (step >= 0) {
    return {checkpoint::resolve_checkpoint(run_folder, step), kParts};
  }
  std::vector<checkpoint::SkippedCheckpoint> skipped;
  std::optional<checkpoint::VerifiedCheckpoint> found =
      checkpoint::newest_good_checkpoint(run_folder, kParts, skipped);
  for (const checkpoint::SkippedCheckpoint& s : skipped) {
    fmt::print(stderr,
               "the checkpoint of step {} is damaged, using the one "
               "before it: {}\n",
               s.step, s.reason);
  }
  if (!found) {
    throw user_error("{}: there is no checkpoint in this run yet", run_folder);
  }
  return std::move(*found);
}

}  // namespace

std::string run_tokenizer_path(const std::string& run_folder) {
  return join_path(run_folder, "tokenizer.model");
}

config::Config load_run_config(const std::string& run_folder,
                               const std::vector<std::string>& overrides) {
  const std::string path = runtime::config_path(run_folder);
  if (!path_exists(path)) {
    throw user_error(
        "{}: not the folder of a run ('{}' is missing); `colossus train` makes "
        "one",
        run_folder, path);
  }
  config::Config config = config::load_config(path, overrides).config;
  config.run.dir = run_folder;  // it may have been moved
  return config;
}

TrainedModel load_trained_model(const std::string& path, int64_t step,
                                const std::vector<std::string>& overrides) {
  for (const std::string& assignment : overrides) {
    if (!assignment.starts_with("kernels.")) {
      throw user_error(
          "--set {}: of a trained model only kernels.* can be changed",
          assignment);
    }
  }
  TrainedModel t;
  t.config = load_run_config(path, overrides);
  const checkpoint::VerifiedCheckpoint found = find_checkpoint(path, step);
  t.step = found.info().step;
  const model::ParameterList parameters(t.config.model);
  const auto count = parameters.padded_count(t.config.run.num_shards);
  t.weights_arena = std::make_unique<tensor::Arena>(
      static_cast<uint64_t>(count) * sizeof(float));
  float* weights = t.weights_arena->take<float>(count, "weights");
  found.read_weights(parameters.layout(),
                     {weights, static_cast<size_t>(count)});
  t.weights = weights;
  t.tokenizer = std::make_unique<data::Tokenizer>(
      data::Tokenizer::from_file(run_tokenizer_path(path)));
  t.backend = kernels::make_cpu_backend(
      static_cast<int>(t.config.kernels.threads), t.config.kernels.target);
  return t;
}

}  // namespace colossus::cli
