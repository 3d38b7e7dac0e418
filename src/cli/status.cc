// colossus status: what the journal of a run says of it now.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/strings.h"
#include "checkpoint/run_lock.h"
#include "cli/commands.h"
#include "config/placement.h"
#include "runtime/history.h"

namespace colossus::cli {
namespace {

using runtime::RankStarted;
using runtime::RunHistory;

struct Options {
  std::string run;
  bool follow = false;
  bool json = false;
};

// What is known of one rank.
struct RankRow {
  RankStarted process;
  std::vector<int64_t> owned, backed_up;
};

struct Status {
  RunHistory history;
  bool in_use = false;  // some process holds the run
  runtime::TimeUse time;
  std::vector<RankRow> ranks;

  int64_t step() const {
    return history.steps.empty() ? 0 : history.steps.back().step;
  }
  int64_t total_steps() const {
    return history.starts.empty() ? 0 : history.starts.back().total_steps;
  }
  // "running", or how it ended.
  std::string state() const {
    if (history.state != "open") return history.state;
    return in_use ? "running" : "ended without notice";
  }
};

Status read_status(const std::string& run) {
  Status status;
  status.in_use = checkpoint::run_holder(run).has_value();
  status.history = runtime::load_history(run);
  if (!status.in_use) status.history.ranks.clear();
  status.time = status.history.time_book.use(
      status.in_use ? real_clock().wall_seconds() : 0);
  for (const RankStarted& process : status.history.ranks) {
    RankRow row{process, {}, {}};
    if (status.history.view) {
      const config::Placement placement{status.history.view->owners,
                                        status.history.view->backups};
      row.owned = config::owned_shards(placement, process.rank);
      row.backed_up = config::backed_up_slices(placement, process.rank);
    }
    status.ranks.push_back(std::move(row));
  }
  return status;
}

// {0, 1, 2, 5} -> "0-2 5"
std::string ranges(const std::vector<int64_t>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    if (!text.empty()) text += " ";
    text += std::to_string(numbers[i]);
    if (end - i > 1) text += fmt::format("-{}", numbers[end - 1]);
    i = end;
  }
  return text;
}

std::string text_of(const Status& status, const std::string& run) {
  const RunHistory& history = status.history;
  std::string text = fmt::format("{}: {}, step {} of {}", run, status.state(),
                                 with_thousands(status.step()),
                                 with_thousands(status.total_steps()));
  if (!history.steps.empty()) {
    const runtime::StepMetrics& last = history.steps.back();
    text += fmt::format(
        ", loss {:.3f}, {} tokens/s", last.loss,
        with_thousands(static_cast<int64_t>(last.tokens_per_second)));
  }
  if (history.view) text += fmt::format(", view {}", history.view->number);
  text += "\n";
  if (history.num_steps_redone > 0) {
    text += fmt::format("redone: {} steps, {}\n", history.num_steps_redone,
                        human_seconds(history.seconds_redone));
  }
  if (!history.starts.empty()) text += text_of(status.time) + "\n";
  if (status.in_use && history.coordinator) {
    text += fmt::format("coordinator: process {} at {}\n",
                        history.coordinator->pid, history.coordinator->address);
    for (const runtime::AgentStarted& agent : history.agents) {
      text += fmt::format("agent of machine {} ({}): process {}\n",
                          agent.machine, agent.host, agent.pid);
    }
  }
  if (status.ranks.empty()) return text;
  text += fmt::format("{:>6} {:>9} {:>8}  {:<14} {}\n", "rank", "process",
                      "machine", "shards", "backs up");
  for (const RankRow& row : status.ranks) {
    const bool spare = row.owned.empty() && row.backed_up.empty();
    text +=
        fmt::format("{:>6} {:>9} {:>8}  {:<14} {}\n", row.process.rank,
                    row.process.pid, row.process.machine,
                    spare ? "spare" : ranges(row.owned), ranges(row.backed_up));
  }
  return text;
}

std::string json_of(const Status& status, const std::string& run) {
  nlohmann::ordered_json json;
  json["run"] = run;
  json["state"] = status.state();
  json["step"] = status.step();
  json["total_steps"] = status.total_steps();
  if (!status.history.steps.empty()) {
    const runtime::StepMetrics& last = status.history.steps.back();
    json["loss"] = last.loss;
    json["tokens_per_second"] = last.tokens_per_second;
    json["mfu"] = last.mfu;
  }
  json["view"] = status.history.view ? status.history.view->number : 0;
  json["steps_redone"] = status.history.num_steps_redone;
  json["seconds_redone"] = status.history.seconds_redone;
  json["seconds"] = status.time.seconds;
  json["goodput"] = status.time.goodput;
  for (int i = 0; i < coordinator::kNumLosses; ++i) {
    const auto loss = static_cast<coordinator::Loss>(i);
    json["lost_seconds"][name_of(loss)] = status.time.lost(loss);
  }
  if (status.in_use && status.history.coordinator) {
    json["coordinator"] = {{"pid", status.history.coordinator->pid},
                           {"address", status.history.coordinator->address}};
    json["agents"] = nlohmann::ordered_json::array();
    for (const runtime::AgentStarted& agent : status.history.agents) {
      json["agents"].push_back({{"machine", agent.machine},
                                {"pid", agent.pid},
                                {"host", agent.host}});
    }
  }
  json["ranks"] = nlohmann::ordered_json::array();
  for (const RankRow& row : status.ranks) {
    json["ranks"].push_back({{"rank", row.process.rank},
                             {"pid", row.process.pid},
                             {"machine", row.process.machine},
                             {"shards", row.owned},
                             {"backups", row.backed_up}});
  }
  return json.dump() + "\n";
}

void run(const Options& options) {
  for (;;) {
    const Status status = read_status(options.run);
    fmt::print("{}", options.json ? json_of(status, options.run)
                                  : text_of(status, options.run));
    if (!options.follow || status.state() != "running") return;
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

}  // namespace

void add_status(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "status", "Says how a run is getting on, and who works on it.",
      "  colossus status runs/kjv\n"
      "  colossus status runs/kjv --follow");
  command->add_option("RUN", options->run, "the run's folder")->required();
  command->add_flag("--follow", options->follow,
                    "again every second, until the run ends");
  command->add_flag("--json", options->json, "one JSON object a line");
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
