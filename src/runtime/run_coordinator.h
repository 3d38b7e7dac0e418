// A run's coordinator as a process: the pure core (coordinator/core.h), with a
// server, a clock and the run's journal around it.
//
//   agents --(gRPC)--> inbox --> core --> journal, then orders --(gRPC)-->
//   agents
//
// All that it knows is in the journal: a successor replays it, and hears the
// rest from the agents. Steps go on meanwhile.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "config/config.h"
#include "coordinator/core.h"
#include "protocol/server.h"
#include "runtime/run_recorder.h"

namespace colossus::runtime {

struct RunCoordinatorOptions {
  std::string listen = "127.0.0.1:0";
  // Of the run: an agent whose ranks would compute other bits is refused.
  // Empty: that of the first agent.
  std::string numerics;
  int64_t silence_us = 2'000'000;
  // In every turn of the loop, at least some ten times a second.
  std::function<void()> beat = [] {};
  // Before and after work at the disk, which may stall.
  std::function<void(bool away)> set_away = [](bool /*away*/) {};
  // The user's wish to stop: "" or "SIGTERM".
  std::function<std::string()> stop_reason = [] { return std::string(); };
};

// Where agents and commands find the coordinator; "" if it left no address.
std::string coordinator_address(const std::string& run_folder);
// That of a run which has ended is of no use.
void forget_coordinator(FileSystem& fs, const std::string& run_folder);

class RunCoordinator {
 public:
  // The journal's last run_started and what follows it are what it goes on
  // with. All outlives it. Throws UserError if it cannot listen.
  RunCoordinator(const config::Config& config, FileSystem& fs,
                 const Clock& clock, RunCoordinatorOptions options);
  ~RunCoordinator();

  // Until the run has ended and no rank is left anywhere. Throws RunError with
  // the reason if the run failed.
  void run();

 private:
  struct Lines {
    int64_t machine = 0;
    protocol::RankLines lines;
  };
  struct Came {
    int64_t machine = 0;
    int64_t pid = 0;
    std::string host;
  };
  struct Gone {
    int64_t machine = 0;
  };
  struct Asked {
    coordinator::Event wish;
    protocol::Answer answer;
  };
  using Word = std::variant<protocol::AgentReport, Lines, Came, Gone, Asked>;

  protocol::ServerHandlers handlers();
  // In the server's threads.
  protocol::Welcome welcome(const protocol::Hello& hello);
  void check_numerics(const protocol::Hello& hello);
  void check_size(const protocol::ResizeRequest& request) const;
  void push(Word word);

  // In the loop's.
  void read_journal();
  std::deque<Word> wait_for_words();
  void take(const protocol::AgentReport& report);
  void take(const Lines& lines);
  void take(const Came& came);
  void take(const Gone& gone);
  void take(const Asked& asked);
  void handle(const coordinator::Event& event);
  void note_started_ranks(const protocol::AgentReport& report);
  void note_ended_ranks(const protocol::AgentReport& report);
  bool has_left(int64_t machine) const;
  bool is_over() const;
  int64_t now_us() const;

  const config::Config& config_;
  FileSystem& fs_;
  const Clock& clock_;
  RunCoordinatorOptions options_;
  const Hash128 run_;
  RunRecorder recorder_;
  std::unique_ptr<coordinator::CoordinatorCore> core_;
  int64_t timer_us_ = 0;
  bool stop_asked_ = false;
  std::string failure_;
  std::map<int64_t, int64_t> agents_;  // by machine: the process
  std::map<int64_t, int64_t> kept_;    // by rank: what of its ring is written
  std::set<int64_t> started_, ended_;  // ranks whose process is in the journal
  std::set<int64_t> busy_machines_;    // whose agents have not left
  double ended_seconds_ = -1;

  struct Attending {
    uint64_t memory_id = 0;
    int64_t incarnation = 0;
  };
  std::mutex mutex_;  // guards what follows
  std::condition_variable has_words_;
  std::deque<Word> words_;
  std::map<int64_t, Attending> attending_;  // by machine
  int64_t next_machine_ = 0;
  int64_t next_incarnation_ = 1;

  std::unique_ptr<protocol::Server> server_;  // ends before all that
};

}  // namespace colossus::runtime
