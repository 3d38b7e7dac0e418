// The coordinator's decisions: who is a member, when a view ends and which one
// follows. Pure: (now, event) -> actions; the caller owns clock, disk, network.
//
// Whatever happened, the next decision follows from two things only: the state
// that the journal replays to, and what each agent said last. So a lost, late
// or repeated message, a restarted agent and a restarted coordinator need no
// rules of their own.
//
// A view change is two rounds. PREPARE (a number): ranks stop and refuse older
// views; each agent answers with what its memory holds. BEGIN (the view): once
// every machine that is not given up has answered.
//
// One thread. The caller performs the actions in their order: a record is on
// disk (synced) before any later action is performed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "coordinator/decision.h"
#include "coordinator/protocol_names.h"
#include "coordinator/recovery_rules.h"
#include "coordinator/run_state.h"

namespace colossus::coordinator {

// Times are microseconds of one clock that never goes back.
struct CoordinatorOptions {
  int64_t num_shards = 1;
  int64_t total_steps = 1;
  // A machine that was silent for so long, while its ranks' steps do not show
  // that it lives, is lost.
  int64_t silence_us = 2'000'000;
  // Orders are repeated so often until a report shows that they arrived.
  int64_t repeat_us = 200'000;
  // A first view, or one with more ranks, waits so long for ranks that start.
  int64_t join_patience_us = 5'000'000;
  // So long a lost machine is waited for if otherwise steps were lost.
  int64_t copy_patience_us = 10'000'000;
  // A rank whose shards take longer than the median times this, in percent, in
  // each of so many steps is a straggler. If asked, a spare that stands ready
  // replaces it.
  int64_t straggler_percent = 150;
  int64_t straggler_steps = 20;
  bool replace_stragglers = false;
  // Two ranks whose machines report for so long that one cannot reach the
  // other: one of them is given up.
  int64_t link_patience_us = 500'000;
  // So many ranks may be lost without a step between before the run ends as
  // failed: they would be lost for ever. 0: any number.
  int64_t most_losses_without_step = 0;
  Mutation mutation = Mutation::kNone;  // tests and the prover only
};

// The time of the last SetTimer came.
struct TimerFired {};

using Event = std::variant<AgentReport, ResizeRequest, StopRequest, TimerFired>;

struct WriteRecord {
  Decision decision;
};
struct SendOrders {
  std::shared_ptr<const AgentOrders> orders;
};
struct SetTimer {  // replaces the one before
  int64_t at_us = 0;
};

using Action = std::variant<WriteRecord, SendOrders, SetTimer>;

class CoordinatorCore {
 public:
  // `state`: replay() of the journal; of a new run, of its first SizeAsked.
  CoordinatorCore(const CoordinatorOptions& options, RunState state,
                  int64_t now_us);

  std::vector<Action> handle(int64_t now_us, const Event& event);

  const RunState& state() const { return state_; }
  // Of the present view, as far as reports tell.
  int64_t committed_step() const { return committed_step_; }

 private:
  struct Heard {
    int64_t machine = 0;
    int64_t last_us = 0;    // of a report, or of this core's start
    bool reported = false;  // since this core started
    AgentReport report;     // the newest
    int64_t sent_us = kNone;
    int64_t sent_version = kNone;
  };
  // A rank said that its connection to another one broke.
  struct CutLink {
    int64_t view = 0;
    int64_t first = kNone, second = kNone;  // ascending
    int64_t since_us = 0;                   // when it was heard first
  };
  struct Slowness {
    int64_t rank = 0;
    int64_t step = 0;   // the newest that is counted
    int64_t steps = 0;  // slow ones in a row
    bool shown = false;
  };

  void record(Decision decision);

  // What an event says (core.cc).
  void take(const AgentReport& report);
  void take(const ResizeRequest& request);
  void take(const StopRequest& request);
  void take(const TimerFired&) {}
  bool is_newer(const Heard& heard, const AgentReport& report) const;
  void note_progress(const AgentReport& report);

  // What follows from all that is known (core.cc).
  void decide();
  bool is_over() const;
  void note_silent_machines();
  void note_lost_ranks();
  void note_cut_links();
  static std::string how_it_ended(const AgentReport& report, int64_t rank);
  void note_checkpoint();
  void end_when_saved();
  void end_when_failed();
  void end(bool failed, const std::string& reason);

  // Members (core_members.cc).
  bool all_healed() const;
  void release_ranks();
  void release_surplus_ranks();
  void note_left_machines();
  bool view_needs(int64_t machine) const;
  bool is_leaving(const RankState& rank) const;
  std::vector<RankState> staying_ranks() const;
  void assign_ranks();
  std::optional<int64_t> machine_for_new_rank() const;
  // Nullopt: they are on several, or none.
  static std::optional<int64_t> machine_of_all(
      const std::vector<RankState>& ranks);
  int64_t ranks_on(int64_t machine) const;
  bool hosts_ranks(const MachineState& machine) const;
  std::optional<CutLink> old_cut_link();
  bool is_reported_since(int64_t rank, int64_t us) const;
  int64_t loser_of(const CutLink& link) const;
  void note_stragglers();
  bool is_new_straggler(const RankSlot& slot, int64_t median);
  bool has_ready_spare() const;
  void lose_rank(int64_t rank, const std::string& reason);
  void drop_machine_of(int64_t rank, const std::string& reason);

  // Views (core_views.cc).
  void prepare_if_needed();
  void prepare(int64_t stop_step, bool verify, const std::string& reason);
  std::string reason_for_loss() const;
  std::string reason_for_lost_source() const;
  std::string reason_for_lost_giver() const;
  std::string reason_for_leaving() const;
  std::string reason_for_resize() const;
  std::string reason_for_protection() const;
  bool waits_for_starting_ranks() const;
  int64_t soft_stop_step() const;
  void begin_if_answered();
  bool all_answered() const;
  std::vector<config::Member> ready_among(
      const std::vector<RankState>& ranks) const;
  std::vector<config::Member> ready_members() const;
  std::vector<config::Member> with_givers(
      std::vector<config::Member> members) const;
  std::vector<config::Member> members_of_view() const;
  StartChoice start_choice() const;
  bool waits_for_copies(const StartChoice& choice) const;
  bool waits_for_givers(const StartChoice& choice) const;
  ViewBegun view_of(const StartChoice& choice,
                    std::vector<config::Member> members) const;

  // Audits (core_audits.cc).
  void judge_differences();
  void judge(const Difference& difference);
  void judge_gradient(const Difference& difference);
  void judge_update(const Difference& difference);
  void collect_answers();
  void settle();
  void drop_repeated_offender();
  void drop_unsound(const StartChoice& choice);

  // Orders (core.cc).
  void send_orders();
  std::shared_ptr<const AgentOrders> orders_for(int64_t machine) const;
  void set_timer();

  Heard* heard_of(int64_t machine);
  const Heard* heard_of(int64_t machine) const;
  const RankSlot* reported_slot(int64_t rank) const;
  bool takes_part(int64_t rank) const;

  const CoordinatorOptions options_;
  RunState state_;
  int64_t now_us_ = 0;
  std::vector<Heard> heard_;  // by machine, ascending
  int64_t committed_step_ = 0;
  int64_t committed_view_ = 0;
  int64_t progress_us_ = 0;  // of the newest commit heard of
  int64_t timer_us_ = kNone;
  int64_t prepared_us_ = 0;    // of the newest PREPARE, or this core's start
  int64_t start_wait_us_ = 0;  // of the newest rank assigned, or the start
  std::vector<Slowness> slowness_;
  std::vector<CutLink> cut_links_;  // of the present view
  std::optional<GradientAudit> audit_;
  std::vector<int64_t> asked_;  // by the audit
  std::string lost_reason_;     // of the newest loss, for the next view's
  std::vector<Action> actions_;
};

}  // namespace colossus::coordinator
