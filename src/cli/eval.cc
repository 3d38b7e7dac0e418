// `colossus eval RUN`: loss and bits per byte of a run's model, on its held-out
// documents or on texts of the user's.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/stop_signal.h"
#include "cli/terminal.h"
#include "cli/trained_model.h"
#include "cli/training_data.h"
#include "model/grok.h"
#include "runtime/evaluate.h"

namespace colossus::cli {
namespace {

struct Options {
  std::string run;
  std::vector<std::string> texts;
  std::string text_field = "text";
  int64_t step = -1;
  int64_t batch = 16;
  bool json = false;
  std::vector<std::string> overrides;
};

EvalInputs inputs_of(const Options& options, const TrainedModel& trained) {
  if (options.texts.empty()) return open_validation(trained.config);
  return open_texts(options.texts, options.text_field, *trained.tokenizer,
                    trained.config.run.seq_len);
}

void print_result(const Options& options, const TrainedModel& trained,
                  const EvalInputs& inputs, const runtime::EvalResult& result,
                  double seconds) {
  if (options.json) {
    fmt::print(
        "{{\"step\": {}, \"loss\": {:.9g}, \"bits_per_byte\": {:.9g}, "
        "\"tokens\": {}, \"bytes\": {}}}\n",
        trained.step, result.loss, result.bits_per_byte, result.tokens,
        inputs.set.total_bytes);
    return;
  }
  fmt::print("step {}: loss {:.4f} nats per token, {:.4f} bits per byte\n",
             trained.step, result.loss, result.bits_per_byte);
  fmt::print("{} documents, {} bytes, {} tokens in {:.1f} s\n",
             with_thousands(inputs.num_documents),
             with_thousands(inputs.set.total_bytes),
             with_thousands(result.tokens), seconds);
}

void run(const Options& options) {
  const TrainedModel trained =
      load_trained_model(options.run, options.step, options.overrides);
  const EvalInputs inputs = inputs_of(options, trained);
  if (inputs.set.num_windows == 0) {
    throw user_error(
        "{}: there is no text to evaluate; name files, as in "
        "`colossus eval {} my-text.txt`",
        options.run, options.run);
  }
  const model::BatchShape shape{
      .micro_batch_size = std::min(options.batch, inputs.set.num_windows),
      .seq_len = trained.config.run.seq_len};
  constexpr auto kMode = model::Grok::Mode::kForwardOnly;
  tensor::Arena plan;
  const model::Grok planned(trained.config.model, shape, kMode,
                            *trained.backend, plan);
  tensor::Arena arena(plan.high_water_bytes());
  model::Grok model(trained.config.model, shape, kMode, *trained.backend,
                    arena);
  const StopSignal stop;
  runtime::ProgressLine progress(std::cerr, progress_options(STDERR_FILENO));
  const double begin = real_clock().steady_seconds();
  const runtime::EvalResult result = runtime::evaluate(
      model, trained.weights, inputs.set, 0, [&](double fraction) {
        progress.update(real_clock().steady_seconds(),
                        {.label = "evaluate",
                         .fraction = fraction,
                         .done = fmt::format("{:.0f}%", 100 * fraction),
                         .facts = {}});
        return !stop.requested().load();
      });
  progress.finish();
  if (result.stopped) throw Stopped{};
  print_result(options, trained, inputs, result,
               real_clock().steady_seconds() - begin);
}

}  // namespace

void add_eval(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "eval",
      "Loss and bits per byte of a run's model, on its held-out documents or "
      "on the texts named: every token scored once, a document from its start, "
      "in windows of the training length without overlap.",
      "  colossus eval runs/kjv\n"
      "  colossus eval runs/kjv my-texts/ more.txt --json");
  command->add_option("RUN", options->run, "the folder of a run")->required();
  command->add_option("TEXT", options->texts,
                      "files, folders, globs, or - for standard input");
  command
      ->add_option("--text-field", options->text_field,
                   "the field of .jsonl files that holds the text")
      ->capture_default_str();
  command->add_option("--step", options->step,
                      "the checkpoint of this step; else the newest");
  command->add_option("--batch", options->batch, "windows at a time")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_flag("--json", options->json, "one JSON object");
  add_set_flag(*command, options->overrides);
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
