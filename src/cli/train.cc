// `colossus train CONFIG` and `colossus train --resume RUN`.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "checkpoint/checkpoint_reader.h"
#include "cli/commands.h"
#include "cli/generated_samples.h"
#include "cli/network_address.h"
#include "cli/processor_name.h"
#include "cli/run_processes.h"
#include "cli/stop_signal.h"
#include "cli/terminal.h"
#include "cli/trained_model.h"
#include "cli/training_data.h"
#include "config/load_config.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/peak.h"
#include "protocol/client.h"
#include "runtime/report.h"
#include "runtime/run_coordinator.h"
#include "runtime/run_recorder.h"
#include "runtime/trainer.h"

namespace colossus::cli {
namespace {

struct Options {
  std::string config_file;
  std::string resume;
  std::vector<std::string> overrides;
  std::optional<int64_t> ranks;
  std::optional<int64_t> spares;
  std::string listen;  // where other machines join; empty: none do
  std::string host;
  bool insecure_network = false;

  bool shared() const { return ranks || spares || !listen.empty(); }
};

config::Config config_of_new_run(const Options& options) {
  if (options.config_file.empty()) {
    throw user_error(
        "name a config to start a run (colossus train configs/kjv.toml), or "
        "--resume RUN to go on with one");
  }
  config::Config config =
      config::load_config(options.config_file, options.overrides).config;
  if (path_exists(runtime::config_path(config.run.dir))) {
    throw user_error(
        "{}: this run exists; `colossus train --resume {}` goes on with it, "
        "--set run.dir=ANOTHER starts a new one beside it",
        config.run.dir, config.run.dir);
  }
  return config;
}

// The saved config with the overrides; every changed key is named, and one that
// would change the run's bits is refused.
config::Config config_of_old_run(const Options& options) {
  const config::Config before = load_run_config(options.resume, {});
  config::Config after = load_run_config(options.resume, options.overrides);
  const std::vector<int64_t> steps =
      checkpoint::list_checkpoints(options.resume);
  const int64_t step = steps.empty() ? 0 : steps.back();
  std::string refused;
  for (const config::ChangedKey& c :
       config::changed_keys(before, after, step)) {
    fmt::print(stderr, "changed: {} = {} (was {}){}\n", c.key, c.after,
               c.before, c.changes_bits ? "" : ", which changes no bit");
    if (c.changes_bits) refused += (refused.empty() ? "" : ", ") + c.key;
  }
  if (!refused.empty() && step > 0) {
    throw user_error(
        "{}: {} would change what the run computes, at step {}; leave it as it "
        "was, or start a new run with --set run.dir=ANOTHER",
        options.resume, refused, step);
  }
  return after;
}

void print_outcome(const runtime::TrainingSummary& summary,
                   const config::Config& config) {
  if (summary.detached) {
    fmt::print("the run goes on; `colossus status {} --follow` shows it\n",
               config.run.dir);
    return;
  }
  if (!summary.finished) {
    fmt::print(
        "stopped after step {} of {}; go on with: colossus train "
        "--resume {}\n",
        summary.step, config.run.steps, config.run.dir);
    return;
  }
  fmt::print("trained {} steps in {}\n", summary.step,
             human_seconds(summary.seconds));
  if (summary.bits_per_byte > 0) {
    fmt::print("held-out loss: {:.4f} nats per token, {:.4f} bits per byte\n",
               summary.val_loss, summary.bits_per_byte);
  }
  if (!summary.sample.empty()) {
    fmt::print("\nthe model writes:\n{}{}\n\n", config.run.sample_prompt,
               printable(summary.sample));
  }
  fmt::print("checkpoint: {}\n", summary.checkpoint);
}

// The run is done and saved: a report that fails does not fail it.
void print_report(const config::Config& config) {
  try {
    fmt::print("report: {}\n",
               runtime::write_report(real_file_system(), config.run.dir));
  } catch (const std::exception& error) {
    fmt::print(stderr, "colossus train: no report: {}\n", error.what());
  }
}

void check_ranks(const Options& options, const config::Config& config) {
  const int64_t ranks = options.ranks.value_or(1);
  if (ranks <= config.run.num_shards) return;
  throw user_error(
      "{} ranks cannot share {} shards (run.num_shards): at most one rank a "
      "shard; the others would be spares",
      ranks, config.run.num_shards);
}

void set_addresses(const Options& options, RunProcessOptions& process) {
  if (options.listen.empty()) return;
  check_network_address(options.listen, options.insecure_network);
  process.listen = options.listen;
  process.host = options.host.empty() ? host_of(options.listen) : options.host;
  check_host(process.host, options.insecure_network);
  process.insecure_network = options.insecure_network;
  fmt::print("other machines join with: colossus agent {} --join {}\n",
             process.run,
             options.listen.ends_with(":0")
                 ? fmt::format("$(cat {}/coordinator.address)", process.run)
                 : options.listen);
}

// The run's processes, as soon as the user names ranks, or lets machines join.
std::optional<runtime::RunProcesses> run_processes(const Options& options,
                                                   const config::Config& config,
                                                   int threads,
                                                   const StopSignal& stop) {
  if (!options.shared()) return std::nullopt;
  runtime::RunProcesses processes;
  processes.ranks = options.ranks.value_or(1);
  processes.spares = options.spares.value_or(0);
  RunProcessOptions process;
  process.run = config.run.dir;
  process.target = config.kernels.target;
  process.threads = threads;
  set_addresses(options, process);
  processes.start_coordinator = [process](const std::vector<int>& fds) {
    distributed::start_process(coordinator_process(process, fds));
  };
  const std::string run = config.run.dir;
  processes.ask_stop = [run, &stop](bool at_once) {
    protocol::ask(runtime::coordinator_address(run),
                  protocol::StopRequest{stop.reason(), at_once}, 1);
  };
  processes.stops_at_once = [&stop] { return stop.urged(); };
  processes.detaches = [&stop] {
    return std::string_view(stop.reason()) == "SIGHUP";
  };
  return processes;
}

void run(const Options& options) {
  const bool resume = !options.resume.empty();
  if (resume && !options.config_file.empty()) {
    throw user_error(
        "give a config or --resume, not both; --resume takes the "
        "config that the run saved");
  }
  const config::Config config =
      resume ? config_of_old_run(options) : config_of_new_run(options);
  check_ranks(options, config);
  // Of a shared run, a second Ctrl-C ends all its processes, a third this one.
  const StopSignal stop(options.shared() ? 1 : 0);
  const TrainingInputs inputs = open_training_inputs(config);
  const std::unique_ptr<kernels::Backend> backend = kernels::make_cpu_backend(
      static_cast<int>(config.kernels.threads), config.kernels.target);
  GeneratedSamples samples(config, *inputs.tokenizer, *backend);
  const int threads = machine_threads(config);
  const runtime::Surroundings around{
      .fs = real_file_system(),
      .clock = real_clock(),
      .backend = *backend,
      .stop = stop.requested(),
      .stop_reason = [&] { return std::string(stop.reason()); },
      .out = std::cout,
      .progress = progress_options(STDOUT_FILENO),
      .num_threads = threads,
      .peak_flops_per_second = kernels::measure_fma_peak(threads),
      .machine = processor_name() + ", " + backend->description(),
      .text_sampler = &samples,
      .processes = run_processes(options, config, threads, stop)};
  real_file_system().create_directories(config.run.dir);
  write_file_atomically(real_file_system(), run_tokenizer_path(config.run.dir),
                        inputs.tokenizer->model_bytes());
  const runtime::TrainingSummary summary =
      runtime::train(config, inputs.data, around, resume);
  print_outcome(summary, config);
  if (summary.detached) return;
  print_report(config);
  if (!summary.finished) throw Stopped{};
}

}  // namespace

void add_train(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "train", "Trains a model as a config says, or goes on with a run.",
      "  colossus train configs/kjv.toml --set run.steps=2000\n"
      "  colossus train --resume runs/kjv");
  command->add_option("CONFIG", options->config_file, "a TOML config");
  command->add_option("--resume", options->resume,
                      "go on with this run from its newest checkpoint");
  command
      ->add_option("--ranks", options->ranks,
                   "processes that share the work of each step")
      ->check(CLI::Range(1, 16));
  command
      ->add_option("--spares", options->spares,
                   "more processes, that stand by for one that is lost")
      ->check(CLI::Range(0, 15));
  command->add_option("--listen", options->listen,
                      "HOST:PORT where other machines may join (colossus agent "
                      "RUN --join HOST:PORT), which share the run's folder and "
                      "data");
  add_host_option(*command, options->host);
  add_insecure_network_flag(*command, options->insecure_network);
  add_set_flag(*command, options->overrides);
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
