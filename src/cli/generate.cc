// `colossus generate RUN`: text from a run's model.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/stop_signal.h"
#include "cli/trained_model.h"
#include "serving/generator.h"

namespace colossus::cli {
namespace {

struct Options {
  std::string run;
  int64_t step = -1;
  serving::GenerateOptions generate;
  int64_t seed = 1;
  bool quiet = false;
  std::vector<std::string> overrides;
};

void print_text(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

const char* end_text(serving::Generated::End end) {
  switch (end) {
    case serving::Generated::End::kLength:
      return "length";
    case serving::Generated::End::kStopString:
      return "stop string";
    case serving::Generated::End::kEndOfDocument:
      return "end of document";
    case serving::Generated::End::kInterrupted:
      return "interrupted";
  }
  return "";
}

void run(Options& options) {
  options.generate.sampling.seed = static_cast<uint64_t>(options.seed);
  serving::validate(options.generate.sampling);
  const TrainedModel trained =
      load_trained_model(options.run, options.step, options.overrides);
  const StopSignal stop;
  serving::Generator generator(trained.config.model, trained.config.run.seq_len,
                               *trained.tokenizer, *trained.backend);
  print_text(options.generate.prompt);
  const double begin = real_clock().steady_seconds();
  const serving::Generated result = generator.generate(
      trained.weights, options.generate, print_text, &stop.requested());
  const double seconds = real_clock().steady_seconds() - begin;
  fmt::print("\n");
  std::fflush(stdout);
  if (!options.quiet) {
    fmt::print(stderr, "[{} + {} tokens, {:.0f} tokens/s, ended by {}]\n",
               result.prompt_tokens, result.new_tokens,
               static_cast<double>(result.prompt_tokens + result.new_tokens) /
                   std::max(seconds, 1e-9),
               end_text(result.end));
  }
  if (result.end == serving::Generated::End::kInterrupted) throw Stopped{};
}

}  // namespace

void add_generate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  serving::GenerateOptions& g = options->generate;
  CLI::App* command = add_command(
      app, "generate", "Writes text with a run's model.",
      "  colossus generate runs/my-run --prompt \"In the beginning\" "
      "--temperature 0.8\n"
      "  colossus generate runs/my-run --top-k 40 --seed 7 --stop \"\\n\"");
  command->add_option("RUN", options->run, "the folder of a run")->required();
  command->add_option("--prompt", g.prompt,
                      "what the text starts with; without it, a new document");
  command->add_option("--max-tokens", g.max_tokens, "longest text, in tokens")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--temperature", g.sampling.temperature,
                   "0: always the likeliest token")
      ->capture_default_str();
  command
      ->add_option("--top-k", g.sampling.top_k,
                   "only the k likeliest tokens; 0: all")
      ->capture_default_str();
  command
      ->add_option("--top-p", g.sampling.top_p,
                   "only the likeliest tokens whose probabilities reach p")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "another seed, another text")
      ->capture_default_str();
  command
      ->add_option("--stop", g.stop,
                   "end the text before this string; may be given again")
      ->take_all()
      ->allow_extra_args(false);
  command->add_option("--step", options->step,
                      "the checkpoint of this step; else the newest");
  command->add_flag("--quiet", options->quiet, "print nothing but the text");
  add_set_flag(*command, options->overrides);
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
