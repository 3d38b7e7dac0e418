// `colossus bench`: what this machine, the kernels and whole steps reach.
// Beside PyTorch: `make bench` (bench/run.py).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "cli/bench/bench_context.h"
#include "cli/commands.h"
#include "cli/processor_name.h"
#include "kernels/cpu/cpu_backend.h"

namespace colossus::cli {
namespace {

struct Options {
  bool json = false;
  bool serve = false;
  int threads = 0;
  int repeats = 5;
  std::string target = "auto";
  std::vector<std::string> configs = {
      "configs/dense-124m.toml", "configs/dense-12m.toml",
      "configs/moe-12m.toml", "configs/kjv.toml"};
  std::string decode_config = "configs/dense-124m.toml";
  std::string checkpoint_config = "configs/dense-12m.toml";
  std::string checkpoint_folder = ".";
  std::string text;
};
using Part = std::function<void(const BenchContext&, const Options&)>;

void run(const Options& options, const std::vector<Part>& parts) {
  const int threads =
      options.threads > 0
          ? options.threads
          : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const std::unique_ptr<kernels::Backend> backend =
      kernels::make_cpu_backend(threads, options.target);
  Report report(options.json || options.serve);
  report.fact("processor", processor_name());
  report.fact("kernels", backend->description());
  const BenchContext context = {threads, options.repeats, *backend, report};
  for (const Part& part : parts) part(context, options);
  if (!options.serve) report.finish();
}

void part_peak(const BenchContext& context, const Options&) {
  bench_peak(context);
}
void part_step(const BenchContext& context, const Options& options) {
  if (!options.serve) return bench_step(context, options.configs);
  if (options.configs.size() != 1) {
    throw user_error("--serve takes one config, and here are {}",
                     options.configs.size());
  }
  serve_steps(context, options.configs.front());
}
void part_kernels(const BenchContext& context, const Options& options) {
  bench_kernels(context, options.configs);
}
void part_decode(const BenchContext& context, const Options& options) {
  bench_decode(context, options.decode_config);
}
void part_tokenize(const BenchContext& context, const Options& options) {
  bench_tokenize(context, options.text);
}
void part_checkpoint(const BenchContext& context, const Options& options) {
  bench_checkpoint(context, options.checkpoint_config,
                   options.checkpoint_folder);
}

void add_common_flags(CLI::App& command, Options& options) {
  command.add_flag("--json", options.json,
                   "print one JSON object instead of tables (docs/bench.md)");
  command.add_option("--threads", options.threads, "0: one a core")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--target", options.target,
                     "instruction set: auto, avx512, avx2 or baseline");
  command
      .add_option("--repeats", options.repeats,
                  "measurements of which the median counts")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
}

using SharedOptions = std::shared_ptr<Options>;

CLI::App* add_part(CLI::App& bench, const SharedOptions& options,
                   const std::string& name, const std::string& purpose,
                   const std::string& example, Part part) {
  CLI::App* command = add_command(bench, name, purpose, example);
  add_common_flags(*command, *options);
  set_action(*command, [options, part] { run(*options, {part}); });
  return command;
}

void add_configs(CLI::App& command, Options& options) {
  command.add_option("CONFIG", options.configs,
                     "TOML configs; without any, those that ship");
}

void add_step_parts(CLI::App& bench, const SharedOptions& options) {
  CLI::App* step = add_part(
      bench, options, "step",
      "Whole training steps with made-up tokens: tokens/s, MFU, and where the "
      "time goes.",
      "  colossus bench step configs/dense-12m.toml --repeats 9", part_step);
  add_configs(*step, *options);
  step->add_flag("--serve", options->serve,
                 "do steps as standard input says (run N, peak, quit)");
  CLI::App* kernels = add_part(
      bench, options, "kernels",
      "Every kernel of a step against the FMA peak or the memory's speed.",
      "  colossus bench kernels configs/moe-12m.toml", part_kernels);
  add_configs(*kernels, *options);
}

void add_other_parts(CLI::App& bench, const SharedOptions& options) {
  add_part(bench, options, "peak",
           "The machine's limits: fused multiply-adds, memory read and copy.",
           "  colossus bench peak --threads 2 --json", part_peak);
  CLI::App* decode =
      add_part(bench, options, "decode",
               "One token after another, against the memory's read speed.",
               "  colossus bench decode configs/dense-124m.toml", part_decode);
  decode->add_option("CONFIG", options->decode_config, "a TOML config")
      ->capture_default_str();
  CLI::App* tokenize = add_part(
      bench, options, "tokenize", "Text to tokens, in bytes of text a second.",
      "  colossus bench tokenize --text my-texts/a.txt", part_tokenize);
  tokenize->add_option("--text", options->text,
                       "a text file; without one, made-up words");
  CLI::App* checkpoint = add_part(
      bench, options, "checkpoint",
      "Writing a checkpoint, beside a plain file of the same size.",
      "  colossus bench checkpoint configs/dense-12m.toml --folder runs",
      part_checkpoint);
  checkpoint->add_option("CONFIG", options->checkpoint_config, "a TOML config")
      ->capture_default_str();
  checkpoint
      ->add_option("--folder", options->checkpoint_folder,
                   "where to write; the files are removed")
      ->capture_default_str();
}

}  // namespace

void add_bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "bench",
      "Measures this machine, the kernels and whole steps; without a part's "
      "name, all parts. `make bench` adds PyTorch.",
      "  colossus bench --json\n"
      "  colossus bench step configs/dense-12m.toml");
  add_common_flags(*command, *options);
  add_step_parts(*command, options);
  add_other_parts(*command, options);
  set_action(*command, [options, command] {
    if (!command->get_subcommands().empty()) return;  // the part did it
    run(*options, {part_peak, part_step, part_kernels, part_decode,
                   part_tokenize, part_checkpoint});
  });
}

}  // namespace colossus::cli
