// One history: a small cluster under a fake clock, whose every decision is made
// by the production rules (coordinator/), while its network, processes and
// memory misbehave as the seed says. The same seed, the same history.
//
// First faults, and invariants after every event (safety); then a part of the
// cluster is healed for good, the rest is dead, and steps must commit within a
// bounded time (liveness).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/agent_rules.h"
#include "coordinator/core.h"
#include "coordinator/rank_rules.h"
#include "simulate/cluster.h"
#include "simulate/event_queue.h"
#include "simulate/function.h"
#include "simulate/invariants.h"
#include "simulate/random_stream.h"
#include "simulate/scenario.h"

namespace colossus::simulate {

struct HistoryResult {
  uint64_t seed = 0;
  std::string failure;       // empty: all invariants held, and it went on
  int64_t num_ranks = 0;     // the most that lived at once
  int64_t num_messages = 0;  // delivered
  int64_t num_faults = 0;
  int64_t num_views = 0;
  int64_t num_steps = 0;   // the greatest one committed
  int64_t num_broken = 0;  // connections of which a rank heard that they ended
  bool gave_up = false;    // at the limit of losses
  int64_t simulated_us = 0;
};

class Simulator {
 public:
  Simulator(const Scenario& scenario, bool trace);

  HistoryResult run();

 private:
  enum class Stage { kFaults, kHealed, kOver };

  // The loop (simulator.cc).
  void start();
  void handle(const Occurrence& occurrence);
  void go_on_to_next_stage();
  void note(const std::string& what) const;
  std::string describe_coordinator() const;
  template <typename Make>
  void trace(const Make& make) const {
    if (trace_) note(make());
  }

  // The network (simulator.cc).
  void send(int64_t from_machine, int64_t to_machine, EventKind kind, int64_t a,
            int64_t b, std::shared_ptr<const void> payload);
  bool is_cut(int64_t from_machine, int64_t to_machine) const;
  bool is_link_cut(int64_t one, int64_t two) const;  // or one way of it

  // Connections between ranks of different machines (fake_links.cc).
  void note_view_change(FakeRank& rank);
  void open_connections(FakeRank& rank);
  void close_connections(FakeRank& rank, int64_t after_us);
  void connection_ends(FakeRank& rank, int64_t peer, int64_t view);
  void link_times_out(int64_t one, int64_t two);
  void peer_times_out(FakeRank& rank, const FakeRank& peer, int64_t view);
  bool reaches(FakeRank& rank, int64_t slice, int64_t source);
  const FakeRank* giver_of(const FakeRank& rank, int64_t slice, int64_t source);

  // The coordinator (fake_coordinator.cc).
  void coordinator_hears(const coordinator::Event& event);
  void perform(const std::vector<coordinator::Action>& actions);
  void write_record(const coordinator::Decision& decision);
  void check_record(const coordinator::Decision& decision);
  void check_checkpoint(const coordinator::CheckpointCommitted& checkpoint);
  void check_release(const coordinator::RankReleased& released) const;
  void check_loss(const coordinator::RankLost& lost);
  bool is_excused(const coordinator::RankLost& lost);
  int64_t losses_without_step() const;
  bool is_hopeless() const;
  void coordinator_dies(int64_t returns_after_us);
  void coordinator_returns();

  // Agents (fake_agent.cc).
  FakeMachine& add_machine();
  void agent_gets_orders(FakeMachine& machine,
                         const coordinator::AgentOrders& orders);
  void perform(FakeMachine& machine,
               const std::vector<agent::AgentAction>& actions);
  void leave(FakeMachine& machine);
  void agent_ticks(FakeMachine& machine, int64_t incarnation);
  void agent_looks(FakeMachine& machine);
  void agent_returns(FakeMachine& machine);
  void agent_reports(FakeMachine& machine);
  void add_copies(FakeMachine& machine, coordinator::AgentReport& report) const;
  void wake_agent(FakeMachine& machine);
  void board_changed(FakeMachine& machine);
  bool agent_runs(const FakeMachine& machine) const;

  // Ranks (fake_rank.cc; their tasks: fake_heal.cc, fake_step.cc).
  void start_rank(FakeMachine& machine, int64_t rank);
  void kill_rank(FakeRank& rank, int64_t notice_after_us);
  void advance(FakeRank& rank);
  void start_task(FakeRank& rank, coordinator::Task task);
  void finish_task(FakeRank& rank, int64_t generation);
  bool perform_task(FakeRank& rank, coordinator::Task task);
  int64_t duration_of(const FakeRank& rank, coordinator::Task task);
  void say_word(FakeRank& rank);
  void hear_word(FakeRank& rank, int64_t from,
                 const std::shared_ptr<const PeerData>& data);
  void resend(FakeRank& rank);
  void update_slot(FakeRank& rank);
  void recompute(FakeRank& rank);
  void report_difference(FakeRank& rank, coordinator::DifferenceKind kind,
                         int64_t shard, int64_t other, uint64_t first,
                         uint64_t second);

  bool heal(FakeRank& rank);
  bool heal_slice(FakeRank& rank, int64_t slice, Role role, int64_t source);
  bool copy_here(FakeRank& rank, int64_t slice, Role role, int64_t source);
  bool gather(FakeRank& rank);
  void compute(FakeRank& rank);
  void begin_store(FakeRank& rank);
  bool store(FakeRank& rank);
  bool audit(FakeRank& rank);
  bool is_audited(int64_t step, int64_t shard) const;
  bool update_slice(FakeRank& rank, int64_t slice, Role role, uint64_t sum);
  bool check(FakeRank& rank);
  void commit(FakeRank& rank);
  void save(FakeRank& rank, int64_t step);
  const PeerData* data_of(const FakeRank& rank, int64_t peer) const;
  Buffer& buffer_of(FakeMachine& machine, int64_t slice, Role role,
                    int64_t step);
  uint64_t gradient_of(FakeRank& rank, int64_t step, int64_t shard);

  // Faults (faults.cc).
  void next_fault();
  void inflict(Fault fault);
  void inflict_on_ranks(Fault fault);
  void inflict_on_machines(Fault fault);
  void inflict_on_coordinator(Fault fault);
  void inflict_flip(Fault fault);
  void kill_holders();
  void hang_rank(FakeRank& rank, int64_t until_us);
  void lose_machine(FakeMachine& machine);
  void cut_link();
  void flip_at_rest();
  void heal_core();
  void bury_machines();
  FakeRank* any_rank();
  FakeMachine* any_machine();
  int64_t num_alive_machines() const;
  bool can_host(const FakeMachine& host) const;
  const FakeMachine* any_leaving() const;

  FakeMachine* machine(int64_t number);
  FakeRank* rank(int64_t number);
  coordinator::Mutation mutation() const { return scenario_.options.mutation; }

  struct SavedSlice {
    int64_t view = 0;
    int64_t step = 0;
    int64_t slice = 0;
    uint64_t content = 0;
  };
  void saved(FakeRank& rank, const std::vector<SavedSlice>& slices,
             int64_t step, int64_t view);

  struct Cut {
    int64_t from = 0;
    int64_t to = 0;
    int64_t until_us = 0;
  };

  Scenario scenario_;
  const bool trace_;
  RandomStream random_;
  Function function_;
  Invariants invariants_;
  HistoryResult result_;
  Stage stage_ = Stage::kFaults;
  int64_t now_us_ = 0;
  int64_t deadline_us_ = 0;                   // of the present stage
  int64_t goal_commits_ = 0;                  // of the healed cluster
  std::pair<int64_t, int64_t> goal_reached_;  // view and step
  EventQueue events_;

  std::unique_ptr<coordinator::CoordinatorCore> core_;  // null: it is dead
  int64_t coordinator_life_ = 0;
  bool crashes_midway_ = false;
  int64_t told_step_ = 0;  // the newest commit that it heard of
  bool hopeless_ = false;  // the limit of losses is reached
  std::vector<coordinator::Decision> journal_;
  coordinator::RunState replayed_;
  std::vector<SavedSlice> disk_;

  std::vector<FakeMachine> machines_;
  std::vector<std::unique_ptr<FakeRank>> ranks_;  // by rank number
  std::vector<Cut> cuts_;
  int64_t storm_until_us_ = 0;
  std::vector<int64_t> guilty_;  // machines on which something was flipped
  bool had_bad_machine_ = false;
  bool stop_asked_ = false;
};

// Draws the scenario and runs it; `mutation` is a planted bug.
HistoryResult run_history(
    uint64_t seed,
    coordinator::Mutation mutation = coordinator::Mutation::kNone,
    bool trace = false);

}  // namespace colossus::simulate
