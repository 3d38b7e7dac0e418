// A machine's agent: starts and watches its ranks, posts the coordinator's
// orders on the board, and tells the coordinator what the machine's memory
// holds. What it knows stands in that memory, so a successor goes on where it
// stopped; ranks go on without either.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/agent_rules.h"
#include "agent/machine_memory.h"
#include "agent/machine_report.h"
#include "distributed/life.h"
#include "distributed/watcher.h"
#include "protocol/client.h"

namespace colossus {
class Clock;
}

namespace colossus::distributed {
struct ProcessStart;
}

namespace colossus::agent {

struct RankStart {
  int64_t rank = 0;
  int slot = 0;
  int64_t hosting_ranks = 1;  // of the run: its share of the machine
};

// How the work of an agent ended.
enum class AgentEnd {
  kRunOver,  // the coordinator said that the run has ended
  kLeft,     // the run goes on without this machine, which left as asked
  // Asked to leave, it ended the ranks here; the run loses the machine:
  kUnreachable,  // the coordinator could not be told
  kAtOnce,       // nor was to be
};

struct AgentOptions {
  Hash128 run;           // of what changes its bits
  std::string numerics;  // version of the bits that its ranks compute
  std::string host;
  // The coordinator's present address; "": not known.
  std::function<std::string()> find_coordinator;
  // The rank's program and arguments; the agent adds what it inherits.
  std::function<distributed::ProcessStart(const RankStart&)> rank_start;
  std::vector<int> more_fds;  // that ranks inherit, behind the machine's
  // The user's wish to take this machine out of the run; and to do so at once,
  // whatever the run loses. Asked some fifty times a second.
  std::function<bool()> leaves = [] { return false; };
  std::function<bool()> leaves_at_once = [] { return false; };
  distributed::WatcherOptions watcher;
  // A process that was started takes its seat on the board within that time;
  // from then on it gives beats.
  double seat_seconds = 20;
};

class Agent {
 public:
  // `memory` may be fresh, or that of a predecessor, whose ranks are adopted.
  // `office`: this process is the machine's agent. All outlives it.
  Agent(AgentOptions options, MachineMemory& memory,
        const distributed::OfficeHolder& office, const Clock& clock);
  ~Agent();

  // Until the run is over, for this machine at least, and no rank is left here.
  // Throws UserError with the coordinator's refusal.
  AgentEnd run();

 private:
  struct RankProcess {
    pid_t pid = 0;
    int slot = 0;
    bool is_child = false;
    double since = 0;           // when this agent met it
    std::string given_up = {};  // why this agent ended it
  };
  // What the connection's and the watcher's threads say.
  struct Inbox {
    std::vector<distributed::Loss> losses;
    std::vector<protocol::ToAgent> words;
    bool connection_ended = false;
    std::string refusal;
  };

  void adopt_ranks();
  void adopt_rank(int slot, const distributed::SlotReport& report);
  void end_late_ranks();
  void end_strays() const;

  Inbox take_inbox();
  void stay_connected();
  void connect(const std::string& address);
  void hear(const protocol::ToAgent& word);
  void obey(const protocol::AgentOrders& orders);
  void start_rank(int64_t rank, int64_t hosting_ranks);
  std::optional<int> free_slot() const;
  void post_orders();

  void note_loss(const distributed::Loss& loss);
  void forget_rank(const protocol::RankEnd& end);
  void look_at_board();
  void look_at_slot(protocol::RankSlot& slot);
  void note_saved(const distributed::SlotReport& report);
  void send_report();
  void send_lines();
  bool has_lines() const;
  void look_at_wishes();
  void abandon(AgentEnd end);
  bool is_done();

  const AgentOptions options_;
  MachineMemory& memory_;
  const distributed::OfficeHolder& office_;
  const Clock& clock_;
  protocol::Board board_;                     // as the rules see it
  std::map<int64_t, RankProcess> processes_;  // by rank
  std::deque<protocol::RankEnd> ends_;
  std::optional<AgentEnd> end_;  // the way it ends, once that is known
  double end_seconds_ = -1;
  bool leaves_ = false;         // as its user asked
  double reached_seconds_ = 0;  // when the coordinator was, or that was asked
  bool abandoned_ = false;
  int64_t posted_call_ = 0, posted_view_ = 0;
  CopiesAnswer copies_;
  std::optional<protocol::RecomputeOrder> recompute_;  // passed on

  std::unique_ptr<protocol::AgentConnection> connection_;
  std::optional<protocol::Welcome> welcome_;  // of this connection
  double connected_seconds_ = -1;             // when it was tried last
  int64_t sequence_ = 0;
  std::string sent_report_;
  double sent_seconds_ = -1;
  std::map<int64_t, uint64_t> sent_lines_;  // by rank: up to this position

  std::mutex mutex_;
  Inbox inbox_;  // guarded by mutex_

  std::unique_ptr<distributed::Watcher> watcher_;  // ends before all that
};

}  // namespace colossus::agent
