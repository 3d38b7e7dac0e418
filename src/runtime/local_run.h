// A run as several ranks on one machine, each a process: this process is the
// machine's agent, and the coordinator's decisions are made in it.
//
//   ranks --(board, rings)--> agent --report--> core --orders--> agent
//                                                |
//                                                v
//                                             journal
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/machine_memory.h"
#include "coordinator/agent_rules.h"
#include "coordinator/core.h"
#include "distributed/watcher.h"
#include "runtime/journal_event.h"
#include "runtime/machine_report.h"

namespace colossus {
class Clock;
}

namespace colossus::runtime {

struct LocalRunOptions {
  std::string run_folder;
  int64_t num_shards = 1;
  int64_t total_steps = 1;
  int64_t start_step = 0;  // that of a checkpoint; 0: initial values
  int64_t ranks = 1;
  int64_t spares = 0;
  int threads_per_rank = 1;
  int64_t shards_per_rank = 1;  // memory at once; more on adoption
  std::string target = "auto";
  int lock_fd = -1;  // the run's lock, which each rank holds too
};

class LocalRun {
 public:
  // What ranks report, what this machine saw and what was decided is told in
  // order. `clock` outlives it.
  LocalRun(const LocalRunOptions& options, const agent::MachineLayout& layout,
           const Clock& clock,
           std::function<void(const JournalEvent&)> on_event);
  // Ends all ranks that still live.
  ~LocalRun();

  // Asks for an end after a checkpoint; from any thread.
  void stop(const std::string& reason);

  // Returns when all ranks are done. Throws RunError with what a rank said that
  // could not go on.
  void run();

 private:
  struct Process {
    pid_t pid = 0;
    int slot = 0;
  };

  void handle(const coordinator::Event& event);
  void end_spares();
  void obey(const coordinator::AgentOrders& orders);
  void start_rank(int64_t rank);
  void post_orders();
  void look_at_board();
  void look_at_slot(coordinator::RankSlot& slot);
  void note_losses();
  void note_loss(const distributed::Loss& loss);
  void read_reports();
  void hear(int64_t rank, const JournalEvent& event);
  void report_to_core();
  int free_slot() const;
  int64_t now_us() const;

  const LocalRunOptions options_;
  const Clock& clock_;
  const std::function<void(const JournalEvent&)> on_event_;
  agent::MachineMemory machine_;
  std::unique_ptr<coordinator::CoordinatorCore> core_;
  coordinator::Board board_;  // as the rules see it
  int64_t sequence_ = 0;
  int64_t timer_us_ = 0;
  int64_t posted_call_ = 0, posted_view_ = 0;
  CopiesAnswer copies_;
  std::optional<coordinator::RecomputeOrder> recompute_;  // passed on
  int64_t num_losses_ = 0;  // since the last commit
  int64_t newest_commit_ = -1;
  std::map<int64_t, Process> processes_;  // by rank
  std::string failure_;

  std::mutex mutex_;  // guards what follows
  std::deque<distributed::Loss> losses_;
  std::optional<std::string> stop_reason_;

  std::unique_ptr<distributed::Watcher> watcher_;  // ends before all that
};

}  // namespace colossus::runtime
