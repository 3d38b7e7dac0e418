#include "runtime/local_run.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "distributed/process.h"
#include "runtime/journal_codec.h"

namespace colossus::runtime {
namespace {

using distributed::PostedKind;
using distributed::SlotState;

constexpr int64_t kMachine = 0;
// How long the loop may not notice what has no bell of its own: reports.
constexpr double kLookSeconds = 0.02;
// So many ranks may be lost without a step between before the run gives up.
constexpr int64_t kMostLosses = 8;

coordinator::RunState initial_state(const LocalRunOptions& options) {
  coordinator::RunState state;
  apply(state, coordinator::SizeAsked{options.ranks, options.spares,
                                      "as the run was started"});
  if (options.start_step > 0) {
    apply(state, coordinator::CheckpointCommitted{
                     0, options.start_step, "the run is resumed from it"});
  }
  return state;
}

coordinator::CoordinatorOptions core_options(const LocalRunOptions& options) {
  coordinator::CoordinatorOptions core;
  core.num_shards = options.num_shards;
  core.total_steps = options.total_steps;
  return core;
}

std::string loss_text(int64_t rank, const distributed::Loss& loss, int status) {
  const std::string who = fmt::format("rank {} (process {})", rank, loss.pid);
  if (loss.how == distributed::LossKind::kHung) {
    return who + " gave no sign of life and was ended";
  }
  if (WIFSIGNALED(status)) {
    return fmt::format("{} was ended by signal {} ({})", who, WTERMSIG(status),
                       ::strsignal(WTERMSIG(status)));
  }
  return fmt::format("{} left with exit code {}", who, WEXITSTATUS(status));
}

}  // namespace

LocalRun::LocalRun(const LocalRunOptions& options,
                   const agent::MachineLayout& layout, const Clock& clock,
                   std::function<void(const JournalEvent&)> on_event)
    : options_(options),
      clock_(clock),
      on_event_(std::move(on_event)),
      machine_(agent::MachineMemory::create(layout)) {
  core_ = std::make_unique<coordinator::CoordinatorCore>(
      core_options(options), initial_state(options), now_us());
  watcher_ = std::make_unique<distributed::Watcher>(
      machine_.board(), distributed::WatcherOptions{},
      [this](const distributed::Loss& loss) {
        {
          const std::lock_guard lock(mutex_);
          losses_.push_back(loss);
        }
        machine_.board().nudge();
      });
}

LocalRun::~LocalRun() {
  watcher_.reset();
  for (const auto& [rank, process] : processes_) {
    ::kill(process.pid, SIGKILL);
    ::waitpid(process.pid, nullptr, 0);
  }
}

void LocalRun::stop(const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    stop_reason_ = reason;
  }
  machine_.board().nudge();
}

int64_t LocalRun::now_us() const {
  return static_cast<int64_t>(clock_.steady_seconds() * 1e6);
}

void LocalRun::run() {
  while (!core_->state().ended || !processes_.empty()) {
    const uint32_t news = machine_.board().news();
    note_losses();
    read_reports();
    if (!failure_.empty()) throw RunError(failure_);
    std::optional<std::string> reason;
    {
      const std::lock_guard lock(mutex_);
      std::swap(reason, stop_reason_);
    }
    if (reason) handle(coordinator::StopRequest{*reason});
    report_to_core();
    if (now_us() >= timer_us_) handle(coordinator::TimerFired{});
    if (core_->state().ended) end_spares();
    machine_.board().wait_news(news, kLookSeconds);
  }
  if (!failure_.empty()) throw RunError(failure_);
}

// Those with a part in the last view end when its chief is done.
void LocalRun::end_spares() {
  const config::Placement& placement = board_.begun->view.placement;
  for (const auto& [rank, process] : processes_) {
    if (config::owned_shards(placement, rank).empty() &&
        config::backed_up_slices(placement, rank).empty()) {
      ::kill(process.pid, SIGKILL);
    }
  }
}

void LocalRun::handle(const coordinator::Event& event) {
  for (const coordinator::Action& action : core_->handle(now_us(), event)) {
    if (const auto* record = std::get_if<coordinator::WriteRecord>(&action)) {
      std::visit([&](const auto& decision) { on_event_(decision); },
                 record->decision);
      const auto* end = std::get_if<coordinator::RunEnded>(&record->decision);
      if (end != nullptr && end->failed) failure_ = end->reason;
    } else if (const auto* send =
                   std::get_if<coordinator::SendOrders>(&action)) {
      obey(*send->orders);
    } else {
      timer_us_ = std::get<coordinator::SetTimer>(action).at_us;
    }
  }
}

void LocalRun::obey(const coordinator::AgentOrders& orders) {
  for (const coordinator::AgentAction& action : obey_orders(orders, board_)) {
    if (action.kind == coordinator::AgentAction::Kind::kStart) {
      start_rank(action.rank);
    } else {
      const auto process = processes_.find(action.rank);
      if (process != processes_.end()) ::kill(process->second.pid, SIGKILL);
    }
  }
  post_orders();
}

int LocalRun::free_slot() const {
  std::set<int> used;
  for (const auto& [rank, process] : processes_) used.insert(process.slot);
  int slot = 0;
  while (used.contains(slot)) ++slot;
  return slot;
}

void LocalRun::start_rank(int64_t rank) {
  const int slot = free_slot();
  machine_.ring(slot, true);
  distributed::ProcessStart process;
  process.program = "/proc/self/exe";
  process.name = "colossus";
  const auto option = [&](const std::string& name, const std::string& value) {
    process.arguments.push_back("--" + name);
    process.arguments.push_back(value);
  };
  process.arguments = {"rank", options_.run_folder};
  option("slot", std::to_string(slot));
  option("rank", std::to_string(rank));
  option("shards", std::to_string(options_.shards_per_rank));
  option("threads", std::to_string(options_.threads_per_rank));
  option("target", options_.target);
  if (rank == 0) process.arguments.emplace_back("--chief");
  process.fds = machine_.fds();
  process.fds.push_back(options_.lock_fd);
  process.output_path = join_path(options_.run_folder, "ranks.log");
  process.own_session = true;
  const pid_t pid = distributed::start_process(process);
  processes_[rank] = {pid, slot};
  watcher_->watch_child(slot, pid);
  on_event_(RankStarted{rank, kMachine, pid});
}

// From the rules' board to the ranks'.
void LocalRun::post_orders() {
  if (board_.recompute && board_.recompute != recompute_) {
    machine_.board().call_recompute(recompute_call(*board_.recompute));
  }
  recompute_ = board_.recompute;
  if (board_.number > posted_call_) {
    posted_call_ = board_.number;
    distributed::Posted call;
    call.kind = board_.stop_step == coordinator::kAtOnce
                    ? PostedKind::kPrepare
                    : PostedKind::kPrepareAtCommit;
    call.view.number = board_.number;
    machine_.board().post(call);
  }
  if (board_.begun == nullptr || board_.begun->view.number <= posted_view_ ||
      board_.begun->view.number < board_.number) {
    return;
  }
  posted_view_ = board_.begun->view.number;
  discard_other_states(machine_.store(), *board_.begun);
  distributed::Posted view;
  view.kind = PostedKind::kBegin;
  view.view = board_.begun->view;
  view.view.stop = board_.begun->save_and_stop;
  machine_.board().post(view);
}

void LocalRun::look_at_board() {
  for (coordinator::RankSlot& slot : board_.slots) {
    if (processes_.contains(slot.rank)) look_at_slot(slot);
  }
}

void LocalRun::look_at_slot(coordinator::RankSlot& slot) {
  const distributed::SlotReport report =
      machine_.board().report(processes_.at(slot.rank).slot);
  const bool in_view = report.state == SlotState::kRunning;
  if (report.rank != slot.rank || report.lost) return;
  note_findings(report, slot);
  if (!in_view && report.state != SlotState::kPrepared) return;
  slot.ready = true;
  slot.let_go = std::max(slot.let_go, report.number);
  if (!in_view) return;
  slot.view = report.number;
  slot.committed_step = report.committed_step;
  const int64_t shards = std::max<int64_t>(1, options_.shards_per_rank);
  slot.shard_us = static_cast<int64_t>(report.compute_seconds * 1e6) / shards;
  if (board_.begun != nullptr && report.number == board_.begun->view.number) {
    note_checked({report.number, report.committed_step}, board_);
  }
  if (report.committed_step > newest_commit_) {
    newest_commit_ = report.committed_step;
    num_losses_ = 0;
  }
}

void LocalRun::note_losses() {
  std::deque<distributed::Loss> losses;
  {
    const std::lock_guard lock(mutex_);
    std::swap(losses, losses_);
  }
  for (const distributed::Loss& loss : losses) note_loss(loss);
}

void LocalRun::note_loss(const distributed::Loss& loss) {
  const auto process = std::find_if(
      processes_.begin(), processes_.end(),
      [&](const auto& entry) { return entry.second.pid == loss.pid; });
  if (process == processes_.end()) return;
  const int64_t rank = process->first;
  read_reports();  // its last words
  const distributed::SlotReport report = machine_.board().report(loss.slot);
  if (report.state == SlotState::kFailed && failure_.empty()) {
    failure_ = report.text;
  }
  int status = 0;
  ::waitpid(loss.pid, &status, 0);
  if (!core_->state().ended)
    on_event_(Remark{0, loss_text(rank, loss, status)});
  processes_.erase(process);
  rank_gone(rank, board_);
  if (loss.how != distributed::LossKind::kClosed &&
      ++num_losses_ > kMostLosses) {
    failure_ = fmt::format(
        "{} ranks were lost and no step was done between; see {} for their "
        "last words",
        num_losses_, join_path(options_.run_folder, "ranks.log"));
  }
}

void LocalRun::read_reports() {
  for (const auto& [rank, process] : processes_) {
    distributed::MessageRing ring = machine_.ring(process.slot, false);
    while (const auto text = ring.peek()) {
      std::string_view line = *text;
      if (line.ends_with('\n')) line.remove_suffix(1);
      hear(rank, decode_line(line).event);
      ring.consume();
    }
  }
}

// A checkpoint is the chief's work and holds all slices: every owner saved.
void LocalRun::hear(int64_t rank, const JournalEvent& event) {
  if (const auto* failed = std::get_if<RunFailed>(&event)) {
    failure_ = failed->reason;
  }
  std::optional<int64_t> saved;
  if (const auto* e = std::get_if<CheckpointSaved>(&event)) {
    // That of the last step may be on disk before the view in which the run
    // ends, while the chief has yet to validate and to say that it finished.
    const bool ends = board_.begun != nullptr && board_.begun->save_and_stop;
    if (!ends && e->step < options_.total_steps) saved = e->step;
  }
  if (const auto* e = std::get_if<RunFinished>(&event)) saved = e->step;
  if (const auto* e = std::get_if<RunStopped>(&event)) saved = e->step;
  const coordinator::RankSlot* chief = find_slot(board_, rank);
  if (saved && chief != nullptr) {
    // What ends the run may be heard before the chief is seen in that view.
    const bool ends = board_.begun != nullptr && board_.begun->save_and_stop;
    const int64_t view = ends ? board_.begun->view.number : chief->view;
    for (coordinator::RankSlot& slot : board_.slots) {
      slot.saved_view = view;
      slot.saved_step = *saved;
    }
  }
  on_event_(event);
}

void LocalRun::report_to_core() {
  look_at_board();
  coordinator::AgentReport report = report_of(kMachine, board_);
  report.incarnation = 1;
  report.sequence = ++sequence_;
  if (report.answered) {
    report.copies =
        copies_.answer(machine_.store(), board_.number, board_.verify);
  }
  handle(report);
}

}  // namespace colossus::runtime
