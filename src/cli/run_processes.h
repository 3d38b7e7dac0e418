// How the processes of a run start each other: every one of them is this
// program, and is told the same few things.
//
//   train -> coordinator -> agent -> ranks; agent -> coordinator and
//   ranks -> agent where one was lost
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "distributed/process.h"

namespace CLI {
class App;
}
namespace colossus::config {
struct Config;
}

namespace colossus::cli {

// What each process of a local run passes on to those that it starts.
struct RunProcessOptions {
  std::string run;     // its folder
  std::string target;  // of the machine; empty: the config's
  int threads = 0;     // of the machine; 0: as the config says
  std::string join;    // the coordinator's address; empty: this machine's
  std::string listen = "127.0.0.1:0";  // of this machine's coordinator
  std::string host = "127.0.0.1";      // of this machine, for ranks elsewhere
  bool insecure_network = false;       // addresses may be beyond loopback
  bool inherits = false;  // the machine's memory and, here, the run's lock
};

// The flags of a process that the user does not start by hand; hidden from
// help.
void add_run_process_flags(CLI::App& command, RunProcessOptions& options);

// The descriptors that it inherited: the machine's memory, then, unless it
// joined a coordinator elsewhere, the run's lock.
std::vector<int> inherited_fds(const RunProcessOptions& options);
// Of the lock alone: what an agent's ranks get behind the memory.
std::vector<int> inherited_lock(const RunProcessOptions& options);

distributed::ProcessStart coordinator_process(const RunProcessOptions& options,
                                              std::vector<int> fds);
distributed::ProcessStart agent_process(const RunProcessOptions& options,
                                        std::vector<int> fds);
// Without descriptors, which the agent adds.
distributed::ProcessStart rank_process(const RunProcessOptions& options,
                                       int64_t rank, int slot,
                                       int64_t hosting_ranks,
                                       int64_t num_shards);

// As the config says, else one a core.
int machine_threads(const config::Config& config);

// What the run's processes print; people look there when one died.
std::string process_log(const std::string& run);

}  // namespace colossus::cli
