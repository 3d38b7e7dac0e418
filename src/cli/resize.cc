// colossus resize: grows or shrinks a run while it goes.
#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "checkpoint/run_lock.h"
#include "cli/commands.h"
#include "cli/trained_model.h"
#include "runtime/coordinator_request.h"
#include "runtime/history.h"
#include "runtime/journal.h"
#include "runtime/run_coordinator.h"

namespace colossus::cli {
namespace {

// A coordinator that is lost at its disk is replaced after half a minute.
constexpr double kAskSeconds = 60;
constexpr double kWaitSeconds = 60;

struct Options {
  std::string run;
  int64_t ranks = 1;
  std::optional<int64_t> spares;
};

// Of the newest request.
int64_t spares_now(const std::string& run) {
  int64_t spares = 0;
  runtime::read_journal(
      runtime::journal_path(run), [&](const runtime::JournalRecord& record) {
        const auto* e = std::get_if<coordinator::SizeAsked>(&record.event);
        if (e != nullptr) spares = e->spares;
      });
  return spares;
}

int64_t hosting_ranks(const coordinator::ViewBegun& view) {
  return std::ssize(config::hosting_ranks({view.owners, view.backups}));
}

// Until a view has that many; prints it.
void await_view(const Options& options) {
  const double deadline = real_clock().steady_seconds() + kWaitSeconds;
  for (;;) {
    const runtime::RunHistory history = runtime::load_history(options.run);
    if (history.view && hosting_ranks(*history.view) == options.ranks) {
      fmt::print("{}: {} ranks since step {}, view {}\n", options.run,
                 options.ranks, history.view->start_step, history.view->number);
      return;
    }
    if (history.state != "open") {
      throw run_error("{}: the run has ended ({}) meanwhile", options.run,
                      history.state);
    }
    if (real_clock().steady_seconds() > deadline) {
      throw run_error(
          "{}: asked for {} ranks, and none such view began within {} s; "
          "`colossus status {}` shows who is there",
          options.run, options.ranks, kWaitSeconds, options.run);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void run(const Options& options) {
  if (!checkpoint::run_holder(options.run)) {
    throw user_error(
        "{}: nobody works on it; start it with `colossus train --resume {} "
        "--ranks {}`",
        options.run, options.run, options.ranks);
  }
  if (runtime::coordinator_address(options.run).empty()) {
    throw user_error(
        "{}: it runs as one process, which cannot grow; stop it (colossus stop "
        "{}) and go on with `colossus train --resume {} --ranks {}`",
        options.run, options.run, options.run, options.ranks);
  }
  const int64_t spares = options.spares.value_or(spares_now(options.run));
  const bool kept = runtime::ask_run(
      options.run,
      protocol::ResizeRequest{
          options.ranks, spares,
          fmt::format("{} ranks and {} spares were asked for", options.ranks,
                      spares)},
      kAskSeconds,
      [&options] { return checkpoint::run_holder(options.run).has_value(); });
  if (!kept) throw run_error("{}: the run has ended meanwhile", options.run);
  await_view(options);
}

}  // namespace

void add_resize(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "resize",
      "Changes the number of ranks of a run while it goes; its bits stay.",
      "  colossus resize runs/kjv --ranks 4\n"
      "  colossus resize runs/kjv --ranks 2 --spares 1");
  command->add_option("RUN", options->run, "the run's folder")->required();
  command->add_option("--ranks", options->ranks, "that share the work")
      ->required()
      ->check(CLI::Range(1, 16));
  command
      ->add_option("--spares", options->spares,
                   "that stand by; as they were, if not given")
      ->check(CLI::Range(0, 15));
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
