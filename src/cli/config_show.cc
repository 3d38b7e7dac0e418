// `colossus config show FILE`: every field with its value, where that came from
// and what it means; then how large and how costly the model is.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/commands.h"
#include "config/load_config.h"
#include "config/model_counts.h"

namespace colossus::cli {
namespace {

struct Options {
  std::string file;
  std::vector<std::string> overrides;
};

struct Row {
  std::string name, value, origin, help;
};

Row row_of(const Field& field, const config::Origins& origins) {
  return {field.name, config::value_text(field), origins.at(field.name),
          field.help};
}

// Columns as wide as their widest cell, within reason.
void print_rows(const std::vector<Row>& rows) {
  size_t name = 0, value = 0, origin = 0;
  for (const Row& row : rows) {
    name = std::max(name, row.name.size());
    value = std::max(value, std::min<size_t>(row.value.size(), 24));
    origin = std::max(origin, std::min<size_t>(row.origin.size(), 32));
  }
  for (const Row& row : rows) {
    fmt::print("{:<{}}  {:<{}}  {:<{}}  {}\n", row.name, name, row.value, value,
               row.origin, origin, row.help);
  }
}

std::string billions(int64_t count) {
  if (count < 1'000'000) return "";
  if (count < 1'000'000'000) {
    return fmt::format(" ({:.1f} million)", static_cast<double>(count) / 1e6);
  }
  return fmt::format(" ({:.1f} billion)", static_cast<double>(count) / 1e9);
}

void print_count(const char* label, int64_t count) {
  fmt::print("  {:<30} {:>21}{}\n", label, with_thousands(count),
             billions(count));
}

void print_bytes(const char* label, int64_t bytes) {
  fmt::print("  {:<30} {:>21} bytes ({})\n", label, with_thousands(bytes),
             human_bytes(static_cast<uint64_t>(bytes)));
}

void print_model_summary(const config::Config& config) {
  const config::ModelCounts counts = config::count_model(config.model);
  fmt::print("\nParameters\n");
  print_count("total", counts.total_parameters);
  print_count("active per token", counts.active_parameters);
  print_count("matrices of a token, with head",
              counts.active_matrix_parameters);
  fmt::print("\nMemory that does not depend on the batch (32-bit floats)\n");
  print_bytes("weights", counts.weight_bytes());
  print_bytes("gradient of one shard", counts.gradient_bytes());
  print_bytes("AdamW's two moments", counts.moment_bytes());
  print_bytes("sum", counts.weight_bytes() + counts.gradient_bytes() +
                         counts.moment_bytes());
}

void print_work_summary(const config::Config& config) {
  const double flops =
      config::training_flops_per_token(config.model, config.run.seq_len);
  const auto tokens = static_cast<double>(config.run.tokens_per_step());
  const double steps = static_cast<double>(config.run.steps);
  fmt::print("\nWork\n");
  fmt::print("  {:<30} {:>21.6g} FLOPs\n", "training on one token", flops);
  fmt::print("  {:<30} {:>21} tokens, {:.4g} FLOPs\n", "one step",
             with_thousands(config.run.tokens_per_step()), flops * tokens);
  fmt::print("  {:<30} {:>21} tokens, {:.4g} FLOPs\n", "the whole run",
             with_thousands(config.run.tokens_per_step() * config.run.steps),
             flops * tokens * steps);
}

void show(const Options& options) {
  config::LoadedConfig loaded =
      config::load_config(options.file, options.overrides);
  std::vector<Row> rows = {{"field", "value", "from", "meaning"}};
  for (const Field& field : fields_of(loaded.config)) {
    rows.push_back(row_of(field, loaded.origins));
  }
  print_rows(rows);
  print_model_summary(loaded.config);
  print_work_summary(loaded.config);
}

}  // namespace

void add_config_show(CLI::App& config) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      config, "show",
      "Prints every field of a config: its value, where that came from and "
      "what it means; then the model's parameters, memory and FLOPs.",
      "  colossus config show configs/grok-1.toml\n"
      "  colossus config show configs/kjv.toml --set run.steps=2000");
  command->add_option("FILE", options->file, "a TOML config")->required();
  add_set_flag(*command, options->overrides);
  set_action(*command, [options] { show(*options); });
}

}  // namespace colossus::cli
