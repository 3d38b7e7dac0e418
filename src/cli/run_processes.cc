#include "cli/run_processes.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <thread>
#include <utility>

#include "base/file_system.h"
#include "config/config.h"
#include "cli/network_address.h"

namespace colossus::cli {
namespace {

// Of the machine's memory (agent/machine_memory.h).
constexpr int kNumMemories = 4;

distributed::ProcessStart start_of(const std::string& command,
                                   const RunProcessOptions& options,
                                   std::vector<int> fds) {
  distributed::ProcessStart start;
  start.program = "/proc/self/exe";
  start.name = "colossus";
  start.arguments = {command,     options.run,
                     "--target",  options.target,
                     "--threads", std::to_string(options.threads)};
  if (!options.join.empty()) {
    start.arguments.insert(start.arguments.end(), {"--join", options.join});
  }
  start.arguments.insert(start.arguments.end(),
                         {"--listen", options.listen, "--host", options.host});
  if (options.insecure_network) {
    start.arguments.emplace_back("--insecure-network");
  }
  start.arguments.emplace_back("--inherits");
  start.fds = std::move(fds);
  start.output_path = process_log(options.run);
  start.own_session = true;
  return start;
}

}  // namespace

int machine_threads(const config::Config& config) {
  if (config.kernels.threads > 0) {
    return static_cast<int>(config.kernels.threads);
  }
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

std::string process_log(const std::string& run) {
  return join_path(run, "processes.log");
}

void add_run_process_flags(CLI::App& command, RunProcessOptions& options) {
  command.add_option("RUN", options.run, "the run's folder")->required();
  command.add_option("--target", options.target)->group("");
  command.add_option("--threads", options.threads)->group("");
  command.add_option("--join", options.join,
                     "the coordinator's address, if it is on another machine");
  command.add_option("--listen", options.listen)->group("");
  add_host_option(command, options.host);
  add_insecure_network_flag(command, options.insecure_network);
  command.add_flag("--inherits", options.inherits)->group("");
}

std::vector<int> inherited_lock(const RunProcessOptions& options) {
  if (!options.join.empty()) return {};
  return {distributed::kFirstInherited + kNumMemories};
}

std::vector<int> inherited_fds(const RunProcessOptions& options) {
  std::vector<int> fds = inherited_lock(options);
  for (int i = kNumMemories; i-- > 0;) {
    fds.insert(fds.begin(), distributed::kFirstInherited + i);
  }
  return fds;
}

distributed::ProcessStart coordinator_process(const RunProcessOptions& options,
                                              std::vector<int> fds) {
  return start_of("coordinator", options, std::move(fds));
}

distributed::ProcessStart agent_process(const RunProcessOptions& options,
                                        std::vector<int> fds) {
  return start_of("agent", options, std::move(fds));
}

distributed::ProcessStart rank_process(const RunProcessOptions& options,
                                       int64_t rank, int slot,
                                       int64_t hosting_ranks,
                                       int64_t num_shards) {
  distributed::ProcessStart start = start_of("rank", options, {});
  const auto option = [&start](const std::string& name, int64_t value) {
    start.arguments.push_back("--" + name);
    start.arguments.push_back(std::to_string(value));
  };
  option("slot", slot);
  option("rank", rank);
  const auto part =
      static_cast<uint64_t>(std::max<int64_t>(1, num_shards / hosting_ranks));
  option("shards", static_cast<int64_t>(std::bit_floor(part)));
  if (rank == 0) start.arguments.emplace_back("--chief");
  return start;
}

}  // namespace colossus::cli
