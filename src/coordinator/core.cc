#include "coordinator/core.h"

#include <algorithm>

#include "base/error.h"

namespace colossus::coordinator {

CoordinatorCore::CoordinatorCore(const CoordinatorOptions& options,
                                 RunState state, int64_t now_us)
    : options_(options),
      state_(std::move(state)),
      now_us_(now_us),
      progress_us_(now_us),
      prepared_us_(now_us),
      start_wait_us_(now_us) {
  for (const MachineState& machine : state_.machines) {
    Heard heard;
    heard.machine = machine.machine;
    heard.last_us = now_us;
    heard_.push_back(std::move(heard));
  }
  if (state_.begun != nullptr) {
    committed_step_ = state_.begun->view.start_step;
  }
}

std::vector<Action> CoordinatorCore::handle(int64_t now_us,
                                            const Event& event) {
  COLOSSUS_CHECK(now_us >= now_us_, "time went back from {} to {}", now_us_,
                 now_us);
  now_us_ = now_us;
  actions_.clear();
  std::visit([this](const auto& e) { take(e); }, event);
  decide();
  send_orders();
  set_timer();
  if (options_.mutation == Mutation::kActBeforeJournal) {
    std::stable_partition(actions_.begin(), actions_.end(), [](const auto& a) {
      return !std::holds_alternative<WriteRecord>(a);
    });
  }
  return std::move(actions_);
}

void CoordinatorCore::record(Decision decision) {
  coordinator::apply(state_, decision);
  const bool forget = options_.mutation == Mutation::kStateWithoutRecord &&
                      std::holds_alternative<RankLost>(decision);
  if (!forget) actions_.push_back(WriteRecord{std::move(decision)});
}

void CoordinatorCore::take(const ResizeRequest& request) {
  const bool same = request.ranks == state_.wanted_ranks &&
                    request.spares == state_.wanted_spares;
  if (same || request.ranks < 1 || request.spares < 0) return;
  if (state_.ended) return;
  record(SizeAsked{request.ranks, request.spares, request.reason});
  start_wait_us_ = now_us_;
}

void CoordinatorCore::take(const StopRequest& request) {
  if (state_.ended) return;
  if (!state_.stop_asked) record(StopAsked{request.reason});
  if (request.at_once) end(false, request.reason + ", at once");
}

bool CoordinatorCore::is_newer(const Heard& heard,
                               const AgentReport& report) const {
  if (!heard.reported) return true;
  const AgentReport& last = heard.report;
  return std::pair(report.incarnation, report.sequence) >
         std::pair(last.incarnation, last.sequence);
}

void CoordinatorCore::take(const AgentReport& report) {
  Heard* heard = heard_of(report.machine);
  if (heard == nullptr) {
    const auto behind = std::find_if(
        heard_.begin(), heard_.end(),
        [&](const Heard& h) { return h.machine > report.machine; });
    heard = &*heard_.insert(behind, Heard{});
    heard->machine = report.machine;
  } else if (!is_newer(*heard, report)) {
    return;
  }
  heard->last_us = now_us_;
  heard->reported = true;
  heard->report = report;
  const MachineState* machine = state_.machine(report.machine);
  if (machine != nullptr && machine->left) return;
  if (machine == nullptr || !machine->present) {
    record(MachineJoined{
        report.machine,
        fmt::format("machine {} {}", report.machine,
                    machine == nullptr ? "joined" : "came back")});
  }
  if (report.leaves && !state_.machine(report.machine)->leaves) {
    record(MachineLeaves{
        report.machine,
        fmt::format("machine {} is taken out of the run", report.machine)});
    start_wait_us_ = now_us_;
  }
  note_progress(report);
}

void CoordinatorCore::note_progress(const AgentReport& report) {
  if (state_.begun == nullptr) return;
  const int64_t view = state_.begun->view.number;
  for (const RankSlot& slot : report.ranks) {
    if (slot.view != view || slot.committed_step <= committed_step_) continue;
    committed_step_ = slot.committed_step;
    progress_us_ = now_us_;
  }
}

bool CoordinatorCore::is_over() const { return state_.ended; }

void CoordinatorCore::decide() {
  if (is_over()) return;
  end_when_failed();
  if (is_over()) return;
  note_silent_machines();
  note_lost_ranks();
  note_cut_links();
  note_checkpoint();
  end_when_saved();
  if (is_over()) return;
  judge_differences();
  if (is_over()) return;
  note_stragglers();
  assign_ranks();
  prepare_if_needed();
  begin_if_answered();
  release_ranks();
  note_left_machines();
}

// A coordinator that hears nobody is perhaps alone cut off: it waits. So it
// does while steps commit, since then every rank lives, whatever its agent
// does.
void CoordinatorCore::note_silent_machines() {
  if (options_.mutation == Mutation::kIgnoreSilence) return;
  const auto is_silent = [this](const Heard& heard) {
    return now_us_ - heard.last_us > options_.silence_us;
  };
  if (std::all_of(heard_.begin(), heard_.end(), is_silent)) return;
  const bool steps_go_on = !state_.preparing && state_.begun != nullptr &&
                           now_us_ - progress_us_ <= options_.silence_us;
  for (const Heard& heard : heard_) {
    const MachineState* machine = state_.machine(heard.machine);
    if (!machine->present || !is_silent(heard)) continue;
    const bool shows_life =
        steps_go_on && std::any_of(state_.ranks.begin(), state_.ranks.end(),
                                   [&](const RankState& rank) {
                                     return rank.machine == heard.machine &&
                                            takes_part(rank.rank);
                                   });
    if (shows_life) continue;
    lost_reason_ = fmt::format("machine {} was silent for {} ms", heard.machine,
                               (now_us_ - heard.last_us) / 1000);
    record(MachineLost{heard.machine, lost_reason_});
  }
}

std::string CoordinatorCore::how_it_ended(const AgentReport& report,
                                          int64_t rank) {
  for (const protocol::RankEnd& end : report.ends) {
    if (end.rank == rank) return end.how;
  }
  return fmt::format("rank {} on machine {} was lost", rank, report.machine);
}

// A rank that its agent was told of, and does not name, is dead.
void CoordinatorCore::note_lost_ranks() {
  const std::vector<RankState> ranks = state_.ranks;
  for (const RankState& rank : ranks) {
    const Heard* heard = heard_of(rank.machine);
    if (heard == nullptr || !heard->reported) continue;
    if (heard->report.version < rank.version) continue;
    if (reported_slot(rank.rank) != nullptr) continue;
    lose_rank(rank.rank, how_it_ended(heard->report, rank.rank));
  }
}

// A checkpoint counts once every owner of the present view wrote its slices of
// that very step (one that wrote a later one may have skipped it), or one of
// them those of all.
void CoordinatorCore::note_checkpoint() {
  if (state_.begun == nullptr) return;
  const config::View& view = state_.begun->view;
  std::optional<int64_t> saved;
  for (const int64_t owner : view.placement.owner_S) {
    const RankSlot* slot = reported_slot(owner);
    if (slot != nullptr && slot->saved_all && slot->saved_view == view.number) {
      saved = slot->saved_step;
      break;
    }
    const bool counts =
        slot != nullptr && (slot->saved_view == view.number ||
                            options_.mutation == Mutation::kSaveOfOldView);
    if (!counts) return;
    const bool same = saved.value_or(slot->saved_step) == slot->saved_step;
    if (!same && options_.mutation != Mutation::kSaveLeastStep) return;
    saved = std::min(saved.value_or(slot->saved_step), slot->saved_step);
  }
  if (!saved.has_value() || *saved <= state_.checkpoint_step) return;
  record(CheckpointCommitted{
      view.number, *saved,
      fmt::format("all slices of step {} are on disk", *saved)});
}

void CoordinatorCore::end_when_saved() {
  if (state_.begun == nullptr || state_.preparing) return;
  const int64_t step = state_.begun->view.start_step;
  if (!state_.begun->save_and_stop || state_.checkpoint_step < step) return;
  record(RunEnded{step, false,
                  step >= options_.total_steps
                      ? fmt::format("all {} steps are done", step)
                      : fmt::format("stopped as asked, after step {}", step)});
}

void CoordinatorCore::end(bool failed, const std::string& reason) {
  if (!state_.ended) record(RunEnded{committed_step_, failed, reason});
}

void CoordinatorCore::end_when_failed() {
  for (const Heard& heard : heard_) {
    for (const protocol::RankEnd& rank : heard.report.ends) {
      if (rank.failed) end(true, rank.how);
    }
  }
  const int64_t most = options_.most_losses_without_step;
  if (most > 0 && state_.losses_without_step > most) {
    end(true, fmt::format("{} ranks were lost and no step was done between; "
                          "the last: {}",
                          state_.losses_without_step, state_.last_loss));
  }
}

std::shared_ptr<const AgentOrders> CoordinatorCore::orders_for(
    int64_t machine) const {
  auto orders = std::make_shared<AgentOrders>();
  orders->machine = machine;
  orders->version = state_.version;
  for (const RankState& rank : state_.ranks) {
    if (rank.machine == machine) orders->ranks.push_back(rank.rank);
  }
  orders->number = state_.number;
  orders->stop_step = state_.stop_step;
  orders->verify = state_.verify;
  if (!state_.preparing) orders->begun = state_.begun;
  if (audit_.has_value()) {
    const Difference& d = audit_->difference;
    orders->recompute = RecomputeOrder{d.view, d.step, d.shard, asked_};
  }
  orders->hosting_ranks = state_.wanted_ranks;
  orders->over = state_.ended;
  orders->left = state_.machine(machine)->left;
  return orders;
}

void CoordinatorCore::send_orders() {
  for (Heard& heard : heard_) {
    const MachineState& machine = *state_.machine(heard.machine);
    // One that has left hears so as often as it asks.
    const bool asks = machine.left && heard.last_us == now_us_;
    if (!heard.reported || (!machine.present && !asks)) continue;
    const bool news = heard.sent_version != state_.version;
    const bool arrived = heard.report.version >= state_.version;
    const bool repeat = !arrived &&
                        now_us_ - heard.sent_us >= options_.repeat_us &&
                        options_.mutation != Mutation::kNeverRepeatOrders;
    if (!news && !repeat && !asks) continue;
    heard.sent_version = state_.version;
    heard.sent_us = now_us_;
    actions_.push_back(SendOrders{orders_for(heard.machine)});
  }
}

void CoordinatorCore::set_timer() {
  if (state_.ended || now_us_ < timer_us_) return;
  timer_us_ = now_us_ + options_.repeat_us;
  actions_.push_back(SetTimer{timer_us_});
}

CoordinatorCore::Heard* CoordinatorCore::heard_of(int64_t machine) {
  for (Heard& heard : heard_) {
    if (heard.machine == machine) return &heard;
  }
  return nullptr;
}

const CoordinatorCore::Heard* CoordinatorCore::heard_of(int64_t machine) const {
  return const_cast<CoordinatorCore*>(this)->heard_of(machine);
}

const RankSlot* CoordinatorCore::reported_slot(int64_t rank) const {
  const RankState* known = state_.rank(rank);
  if (known == nullptr) return nullptr;
  const Heard* heard = heard_of(known->machine);
  if (heard == nullptr || !heard->reported) return nullptr;
  for (const RankSlot& slot : heard->report.ranks) {
    if (slot.rank == rank) return &slot;
  }
  return nullptr;
}

bool CoordinatorCore::takes_part(int64_t rank) const {
  if (state_.begun == nullptr) return false;
  const config::Placement& placement = state_.begun->view.placement;
  const auto names = [rank](const std::vector<int64_t>& ranks) {
    return std::find(ranks.begin(), ranks.end(), rank) != ranks.end();
  };
  return names(placement.owner_S) || names(placement.backup_S);
}

}  // namespace colossus::coordinator
