// `colossus checkpoint`: hash, diff, list: how runs are shown to be the same.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/compare.h"
#include "cli/commands.h"

namespace colossus::cli {
namespace {

struct Options {
  std::string a, b;
  int64_t step = -1;

  std::string folder(const std::string& path) const {
    return checkpoint::resolve_checkpoint(
        path, step < 0 ? std::nullopt : std::optional<int64_t>(step));
  }
};

void add_step(CLI::App& command, Options& options) {
  command
      .add_option("--step", options.step,
                  "of a run, the checkpoint of this step; else the newest")
      ->check(CLI::NonNegativeNumber);
}

void add_hash(CLI::App& parent) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      parent, "hash",
      "Prints one hash over a checkpoint's step, weights and optimizer state.",
      "  colossus checkpoint hash runs/kjv\n"
      "  colossus checkpoint hash runs/kjv --step 500");
  command->add_option("RUN", options->a, "a run or a checkpoint's folder")
      ->required();
  add_step(*command, *options);
  set_action(*command, [options] {
    fmt::print("{}\n",
               checkpoint::hash_checkpoint_text(options->folder(options->a)));
  });
}

void add_diff(CLI::App& parent) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      parent, "diff",
      "Says `identical`, or names the first tensor and element that differ "
      "(exit code 1).",
      "  colossus checkpoint diff runs/a runs/b\n"
      "  colossus checkpoint diff runs/a runs/b --step 500");
  command->add_option("A", options->a, "a run or a checkpoint's folder")
      ->required();
  command->add_option("B", options->b, "the other")->required();
  add_step(*command, *options);
  set_action(*command, [options] {
    const checkpoint::CheckpointDiff diff = checkpoint::diff_checkpoints(
        options->folder(options->a), options->folder(options->b));
    fmt::print("{}\n", checkpoint::diff_text(diff));
    if (!diff.identical()) throw run_error("the checkpoints differ");
  });
}

void add_list(CLI::App& parent) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(parent, "list", "Lists a run's checkpoints by step.",
                  "  colossus checkpoint list runs/kjv");
  command->add_option("RUN", options->a, "a run's folder")->required();
  set_action(*command, [options] {
    for (const int64_t step : checkpoint::list_checkpoints(options->a)) {
      fmt::print("{:>10}  {}\n", step,
                 checkpoint::checkpoint_folder(options->a, step));
    }
  });
}

}  // namespace

void add_checkpoint(CLI::App& app) {
  CLI::App* command = add_command(app, "checkpoint",
                                  "Looks into checkpoints and compares them.",
                                  "  colossus checkpoint hash runs/kjv\n"
                                  "  colossus checkpoint diff runs/a runs/b\n"
                                  "  colossus checkpoint list runs/kjv");
  command->require_subcommand(1);
  add_hash(*command);
  add_diff(*command);
  add_list(*command);
}

}  // namespace colossus::cli
