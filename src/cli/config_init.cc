// `colossus config init`: a commented config for a data folder, to start from.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "config/config.h"
#include "config/model_counts.h"
#include "config/toml.h"

namespace colossus::cli {
namespace {

struct Options {
  std::string data;
  std::string size = "small";
  bool dense = false;
};

// What tells one size from another; the rest follows.
struct Size {
  int64_t model_dim, num_layers, num_q_heads, num_kv_heads, head_dim;
  int64_t expert_ffn_dim, num_experts, seq_len, steps;
  double learning_rate;
};

const std::map<std::string, Size>& sizes() {
  static const std::map<std::string, Size> kSizes = {
      {"tiny", {128, 4, 4, 2, 32, 256, 4, 128, 1000, 4e-3}},
      {"small", {256, 6, 4, 2, 64, 512, 4, 256, 3000, 3e-3}},
      {"medium", {512, 8, 8, 2, 64, 1024, 8, 512, 10000, 1.5e-3}},
      {"large", {768, 12, 12, 4, 64, 2048, 8, 512, 50000, 8e-4}}};
  return kSizes;
}

const Size& find_size(const std::string& name) {
  const auto at = sizes().find(name);
  if (at != sizes().end()) return at->second;
  std::vector<std::string> names;
  for (const auto& [known, size] : sizes()) names.push_back(known);
  throw user_error("--size {} must be tiny, small, medium or large{}", name,
                   did_you_mean(name, names));
}

int64_t vocab_size_of(const std::string& data) {
  const std::string path = join_path(data, "dataset.json");
  if (!path_exists(path)) {
    throw user_error(
        "{}: no such file; `colossus data prepare TEXTS --out {}` writes it",
        path, data);
  }
  try {
    return nlohmann::json::parse(read_file(path)).at("vocab_size");
  } catch (const nlohmann::json::exception& error) {
    throw corrupt_file("{}: {}", path, error.what());
  }
}

config::ModelConfig model_of(const Size& size, int64_t vocab_size, bool dense) {
  config::ModelConfig model;
  model.vocab_size = vocab_size;
  model.model_dim = size.model_dim;
  model.num_layers = size.num_layers;
  model.num_q_heads = size.num_q_heads;
  model.num_kv_heads = size.num_kv_heads;
  model.head_dim = size.head_dim;
  model.embedding_multiplier = std::sqrt(static_cast<double>(size.model_dim));
  model.attn_output_multiplier =
      1 / std::sqrt(static_cast<double>(size.head_dim));
  model.expert_ffn_dim = dense ? 0 : size.expert_ffn_dim;
  model.num_experts = dense ? 0 : size.num_experts;
  model.num_selected_experts = dense ? 0 : 2;
  model.dense_ffn_dim = dense ? 2 * size.expert_ffn_dim : 0;
  return model;
}

config::Config config_of(const Options& options, const Size& size) {
  config::Config config;
  config.model = model_of(size, vocab_size_of(options.data), options.dense);
  config.data.path = options.data;
  config.run.seq_len = size.seq_len;
  config.run.steps = size.steps;
  config.run.sample_every = config.run.val_every;
  config.optimizer.learning_rate = size.learning_rate;
  config.optimizer.min_learning_rate = size.learning_rate / 10;
  return config;
}

void init(const Options& options) {
  config::Config config = config_of(options, find_size(options.size));
  config::validate(config);
  const config::ModelCounts counts = config::count_model(config.model);
  fmt::print(
      "# Written by `colossus config init --data {} --size {}{}`.\n"
      "# {} parameters, {} active per token. Everything here may be changed;\n"
      "# `colossus config show FILE` explains and checks it. The run's folder "
      "is\n"
      "# runs/NAME for NAME.toml, unless run.dir names another.\n\n",
      options.data, options.size, options.dense ? " --dense" : "",
      with_thousands(counts.total_parameters),
      with_thousands(counts.active_parameters));
  std::vector<Field> fields = fields_of(config);
  std::erase_if(fields, [](const Field& f) { return f.name == "run.dir"; });
  fmt::print("{}", config::write_toml_with_help(fields));
}

}  // namespace

void add_config_init(CLI::App& config) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      config, "init",
      "Prints a commented config for a folder that `colossus data prepare` "
      "wrote.",
      "  colossus config init --data data/mine --size small > mine.toml");
  command->add_option("--data", options->data, "the prepared folder")
      ->required();
  command->add_option("--size", options->size, "tiny, small, medium or large")
      ->capture_default_str();
  command->add_flag("--dense", options->dense,
                    "one feed-forward instead of experts");
  set_action(*command, [options] { init(*options); });
}

}  // namespace colossus::cli
