#include "agent/agent.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "distributed/process.h"

namespace colossus::agent {
namespace {

using distributed::PostedKind;
using distributed::SlotReport;
using distributed::SlotState;

// How long the loop may not notice what has no bell of its own: reports.
constexpr double kLookSeconds = 0.02;
// A report is repeated so often, though nothing changed: a sign of life.
constexpr double kRepeatSeconds = 0.2;
constexpr double kReconnectSeconds = 0.05;
// A rank reads its data and takes its memory within that time.
constexpr double kStartSeconds = 120;
// A coordinator is replaced within a few seconds.
constexpr double kReachSeconds = 5;
// For the coordinator to keep what the ranks said last.
constexpr double kFarewellSeconds = 4;
constexpr size_t kMaxEnds = 64;
constexpr size_t kMostLinesAtOnce = 64;
constexpr size_t kMostBytesAtOnce = 256 << 10;

bool is_active(const SlotReport& report) {
  return report.state == SlotState::kJoining ||
         report.state == SlotState::kPrepared ||
         report.state == SlotState::kRunning;
}

std::string name_of(int64_t rank, pid_t pid) {
  return pid > 0 ? fmt::format("rank {} (process {})", rank, pid)
                 : fmt::format("rank {}", rank);
}

// `status`: of waitpid, if the process was a child.
std::string loss_text(int64_t rank, const distributed::Loss& loss,
                      std::optional<int> status) {
  const std::string who = name_of(rank, loss.pid);
  if (loss.how == distributed::LossKind::kHung) {
    return who + " gave no sign of life and was ended";
  }
  if (!status) return who + " died";
  if (WIFSIGNALED(*status)) {
    return fmt::format("{} was ended by signal {} ({})", who, WTERMSIG(*status),
                       ::strsignal(WTERMSIG(*status)));
  }
  return fmt::format("{} left with exit code {}", who, WEXITSTATUS(*status));
}

}  // namespace

Agent::Agent(AgentOptions options, MachineMemory& memory,
             const distributed::OfficeHolder& office, const Clock& clock)
    : options_(std::move(options)),
      memory_(memory),
      office_(office),
      clock_(clock) {
  watcher_ = std::make_unique<distributed::Watcher>(
      memory_.board(), options_.watcher, [this](const distributed::Loss& loss) {
        {
          const std::lock_guard lock(mutex_);
          inbox_.losses.push_back(loss);
        }
        memory_.board().nudge();
      });
  adopt_ranks();
}

Agent::~Agent() { connection_.reset(); }

// What a predecessor left: its ranks, and the orders that stand on the board.
// The rest comes with the next orders, which are always whole.
void Agent::adopt_ranks() {
  const distributed::Posted posted = memory_.board().posted();
  board_.number = posted.view.number;
  if (posted.kind == PostedKind::kBegin) {
    posted_view_ = posted.view.number;
    auto begun = std::make_shared<protocol::BegunView>();
    begun->view = posted.view;
    board_.begun = std::move(begun);
  }
  posted_call_ = posted.view.number;
  for (int slot = 0; slot < memory_.num_slots(); ++slot) {
    const SlotReport report = memory_.board().report(slot);
    if (report.rank < 0) continue;
    board_.highest_started = std::max(board_.highest_started, report.rank);
    adopt_rank(slot, report);
  }
  std::sort(board_.slots.begin(), board_.slots.end(),
            [](const auto& a, const auto& b) { return a.rank < b.rank; });
}

void Agent::adopt_rank(int slot, const SlotReport& report) {
  const bool starts = report.state == SlotState::kEmpty;
  if (!starts && (!is_active(report) || report.lost)) return;
  try {
    watcher_->adopt(slot);
  } catch (const RunError&) {
    memory_.board().mark_lost(slot);
    return;
  }
  processes_[report.rank] = {.pid = report.pid,
                             .slot = slot,
                             .is_child = false,
                             .since = clock_.steady_seconds()};
  protocol::RankSlot known;
  known.rank = report.rank;
  board_.slots.push_back(known);
}

// One that came not even so far as to look at the board is of no use.
void Agent::end_late_ranks() {
  const double now = clock_.steady_seconds();
  for (const protocol::RankSlot& slot : board_.slots) {
    const auto process = processes_.find(slot.rank);
    if (process == processes_.end() || slot.ready) continue;
    const bool seated = is_active(memory_.board().report(process->second.slot));
    const double limit = seated ? kStartSeconds : options_.seat_seconds;
    if (now - process->second.since < limit) continue;
    process->second.given_up =
        fmt::format("{} had not {} {} s after its start and was ended",
                    name_of(slot.rank, process->second.pid),
                    seated ? "read its data" : "taken its seat", limit);
    ::kill(process->second.pid, SIGKILL);
  }
}

AgentEnd Agent::run() {
  while (!is_done()) {
    const uint32_t news = memory_.board().news();
    office_.beat();
    const Inbox inbox = take_inbox();
    if (!inbox.refusal.empty()) throw UserError(inbox.refusal);
    for (const distributed::Loss& loss : inbox.losses) note_loss(loss);
    for (const protocol::ToAgent& word : inbox.words) {
      if (!abandoned_) hear(word);
    }
    if (inbox.connection_ended) {
      connection_.reset();
      welcome_.reset();
    }
    look_at_wishes();
    stay_connected();
    look_at_board();
    end_late_ranks();
    if (welcome_) {
      send_lines();  // first, so that the journal has what led to a report
      send_report();
    }
    memory_.board().wait_news(news, kLookSeconds);
  }
  return *end_;
}

void Agent::look_at_wishes() {
  if (abandoned_) return;
  if (options_.leaves_at_once()) return abandon(AgentEnd::kAtOnce);
  const double now = clock_.steady_seconds();
  const bool asked = !leaves_ && options_.leaves();
  leaves_ = leaves_ || asked;
  if (asked || welcome_) reached_seconds_ = now;
  if (!leaves_ || end_) return;
  const bool joined = memory_.board().machine() >= 0 || !processes_.empty();
  if (!joined) {
    abandon(AgentEnd::kLeft);
  } else if (now - reached_seconds_ > kReachSeconds) {
    abandon(AgentEnd::kUnreachable);
  }
}

// Ends what is here and tells nobody. The office is closed first: ranks would
// see to it that somebody follows.
void Agent::abandon(AgentEnd end) {
  end_ = end;
  abandoned_ = true;
  office_.close();
  connection_.reset();
  welcome_.reset();
  for (const auto& [rank, process] : processes_) {
    ::kill(process.pid, SIGKILL);
  }
  end_strays();
}

// Nobody is left, and all that they said is in the journal, unless there is
// nobody to write it.
bool Agent::is_done() {
  if (!end_) return false;
  const double now = clock_.steady_seconds();
  if (end_seconds_ < 0) end_seconds_ = now;
  const bool late = now - end_seconds_ > kFarewellSeconds;
  if (abandoned_) return processes_.empty() || late;
  return processes_.empty() && (!has_lines() || late);
}

Agent::Inbox Agent::take_inbox() {
  const std::lock_guard lock(mutex_);
  return std::exchange(inbox_, Inbox());
}

void Agent::stay_connected() {
  const double now = clock_.steady_seconds();
  const bool just_tried =
      connected_seconds_ >= 0 && now - connected_seconds_ < kReconnectSeconds;
  if (connection_ != nullptr || just_tried || abandoned_) return;
  connected_seconds_ = now;
  const std::string address = options_.find_coordinator();
  if (!address.empty()) connect(address);
}

void Agent::connect(const std::string& address) {
  protocol::Hello hello;
  hello.run = options_.run;
  hello.machine = memory_.board().machine();
  hello.memory_id = memory_.board().memory_id();
  hello.pid = ::getpid();
  hello.host = options_.host;
  hello.numerics = options_.numerics;
  sequence_ = 0;
  sent_report_.clear();
  sent_lines_.clear();
  protocol::AgentConnection::Handlers handlers;
  handlers.word = [this](protocol::ToAgent word) {
    {
      const std::lock_guard lock(mutex_);
      inbox_.words.push_back(std::move(word));
    }
    memory_.board().nudge();
  };
  handlers.ended = [this](const std::string& why, bool refused) {
    {
      const std::lock_guard lock(mutex_);
      inbox_.connection_ended = true;
      if (refused) inbox_.refusal = why;
    }
    memory_.board().nudge();
  };
  connection_ = std::make_unique<protocol::AgentConnection>(
      address, hello, std::move(handlers));
}

void Agent::hear(const protocol::ToAgent& word) {
  if (const auto* welcome = std::get_if<protocol::Welcome>(&word)) {
    memory_.board().set_machine(welcome->machine);
    welcome_ = *welcome;
  } else if (const auto* kept = std::get_if<protocol::LinesKept>(&word)) {
    const int slot = memory_.board().slot_of(kept->rank);
    if (slot >= 0) {
      memory_.ring(slot, false)
          .consume_until(static_cast<uint64_t>(kept->position));
    }
    sent_lines_.erase(kept->rank);
  } else {
    obey(std::get<protocol::AgentOrders>(word));
  }
}

void Agent::obey(const protocol::AgentOrders& orders) {
  if (!end_ && orders.over) end_ = AgentEnd::kRunOver;
  if (!end_ && orders.left) end_ = AgentEnd::kLeft;
  for (const AgentAction& action : obey_orders(orders, board_)) {
    if (action.kind == AgentAction::Kind::kStart) {
      start_rank(action.rank, orders.hosting_ranks);
      continue;
    }
    const auto process = processes_.find(action.rank);
    if (process != processes_.end()) ::kill(process->second.pid, SIGKILL);
  }
  if (end_) end_strays();
  post_orders();
}

// A predecessor may have died between starting a rank and writing down which
// process it is.
void Agent::end_strays() const {
  for (int slot = 0; slot < memory_.num_slots(); ++slot) {
    const SlotReport report = memory_.board().report(slot);
    if (!is_active(report) || processes_.contains(report.rank)) continue;
    try {
      distributed::Process::mapping(report.pid, memory_.board().memory())
          .kill();
    } catch (const RunError&) {
      // Gone.
    }
  }
}

// A slot whose last rank's reports are all in the journal.
std::optional<int> Agent::free_slot() const {
  std::set<int> used;
  for (const auto& [rank, process] : processes_) used.insert(process.slot);
  for (int slot = 0; slot < memory_.num_slots(); ++slot) {
    if (used.contains(slot)) continue;
    if (memory_.ring(slot, false).peek_several(1, 0).empty()) return slot;
  }
  return std::nullopt;
}

void Agent::start_rank(int64_t rank, int64_t hosting_ranks) {
  const std::optional<int> slot = free_slot();
  if (!slot) {
    forget_rank({.rank = rank,
                 .how = fmt::format("rank {} found no free slot on the board "
                                    "of its machine, which has {}",
                                    rank, memory_.num_slots())});
    return;
  }
  end_strays();  // or one of them may sit in this slot
  memory_.ring(*slot, true);
  memory_.board().reserve(*slot, rank);
  distributed::ProcessStart start =
      options_.rank_start({rank, *slot, hosting_ranks});
  start.fds = memory_.fds();
  start.fds.insert(start.fds.end(), options_.more_fds.begin(),
                   options_.more_fds.end());
  start.own_session = true;
  const pid_t pid = distributed::start_process(start);
  processes_[rank] = {.pid = pid,
                      .slot = *slot,
                      .is_child = true,
                      .since = clock_.steady_seconds()};
  memory_.board().note_process(*slot, pid);
  watcher_->watch_child(*slot, pid);
}

// From the rules' board to the ranks'.
void Agent::post_orders() {
  if (board_.recompute && board_.recompute != recompute_) {
    memory_.board().call_recompute(recompute_call(*board_.recompute));
  }
  recompute_ = board_.recompute;
  if (board_.number > posted_call_) {
    posted_call_ = board_.number;
    distributed::Posted call;
    call.kind = board_.stop_step == protocol::kAtOnce
                    ? PostedKind::kPrepare
                    : PostedKind::kPrepareAtCommit;
    call.view.number = board_.number;
    memory_.board().post(call);
  }
  if (board_.begun == nullptr || board_.begun->view.number <= posted_view_ ||
      board_.begun->view.number < board_.number) {
    return;
  }
  posted_view_ = board_.begun->view.number;
  discard_other_states(memory_.store(), *board_.begun);
  distributed::Posted view;
  view.kind = PostedKind::kBegin;
  view.view = board_.begun->view;
  view.view.stop = board_.begun->save_and_stop;
  view.hash_S = board_.begun->hash_S;
  memory_.board().post(view);
}

void Agent::note_loss(const distributed::Loss& loss) {
  const auto process = std::find_if(
      processes_.begin(), processes_.end(),
      [&](const auto& entry) { return entry.second.slot == loss.slot; });
  if (process == processes_.end() || process->second.pid != loss.pid) return;
  std::optional<int> status;
  if (process->second.is_child) {
    int waited = 0;
    ::waitpid(loss.pid, &waited, 0);
    status = waited;
  }
  const int64_t rank = process->first;
  const SlotReport report = memory_.board().report(loss.slot);
  protocol::RankEnd end;
  end.rank = rank;
  end.pid = loss.pid;
  end.silent_us = static_cast<int64_t>(loss.silent_seconds * 1e6);
  end.failed = report.state == SlotState::kFailed;
  end.how = loss_text(rank, loss, status);
  if (!process->second.given_up.empty()) end.how = process->second.given_up;
  if (end.failed) {
    end.how = fmt::format("{}: {}", name_of(rank, loss.pid), report.text);
  }
  forget_rank(end);
}

void Agent::forget_rank(const protocol::RankEnd& end) {
  ends_.push_back(end);
  if (ends_.size() > kMaxEnds) ends_.pop_front();
  processes_.erase(end.rank);
  rank_gone(end.rank, board_);
}

void Agent::look_at_board() {
  for (protocol::RankSlot& slot : board_.slots) {
    const auto process = processes_.find(slot.rank);
    if (process == processes_.end()) continue;
    slot.pid = process->second.pid;
    look_at_slot(slot);
  }
}

void Agent::look_at_slot(protocol::RankSlot& slot) {
  const SlotReport report =
      memory_.board().report(processes_.at(slot.rank).slot);
  if (report.rank != slot.rank) return;
  note_findings(report, slot);
  const bool in_view = report.state == SlotState::kRunning;
  if (report.lost || (!in_view && report.state != SlotState::kPrepared)) return;
  slot.ready = true;
  slot.endpoint = report.endpoint;
  slot.let_go = std::max(slot.let_go, report.number);
  note_saved(report);
  if (in_view) {
    slot.view = report.number;
    slot.unreachable = report.unreachable;
  }
  // One that let go did so behind the commit of this step.
  if (slot.view != posted_view_) return;
  slot.committed_step = report.committed_step;
  note_checked({slot.view, report.committed_step}, board_);
  if (!in_view || board_.begun == nullptr ||
      slot.view != board_.begun->view.number) {
    return;
  }
  slot.healed = report.committed_step > board_.begun->view.start_step;
  const auto shards =
      config::owned_shards(board_.begun->view.placement, slot.rank).size();
  slot.shard_us =
      static_cast<int64_t>(report.compute_seconds * 1e6 /
                           static_cast<double>(std::max<size_t>(1, shards)));
}

// Its chief's word is good for all ranks: a checkpoint holds all slices.
void Agent::note_saved(const SlotReport& report) {
  if (report.saved_step < 0) return;
  for (protocol::RankSlot& slot : board_.slots) {
    const std::pair now(report.saved_view, report.saved_step);
    if (now <= std::pair(slot.saved_view, slot.saved_step)) continue;
    std::tie(slot.saved_view, slot.saved_step) = now;
    slot.saved_all = true;
  }
}

void Agent::send_report() {
  protocol::AgentReport report = report_of(welcome_->machine, board_);
  report.incarnation = welcome_->incarnation;
  if (report.answered) {
    report.copies =
        copies_.answer(memory_.store(), board_.number, board_.verify);
  }
  report.ends.assign(ends_.begin(), ends_.end());
  report.leaves = leaves_;
  std::string bytes = protocol::to_bytes(protocol::FromAgent(report));
  const double now = clock_.steady_seconds();
  if (bytes == sent_report_ && now - sent_seconds_ < kRepeatSeconds) return;
  sent_report_ = std::move(bytes);
  sent_seconds_ = now;
  report.sequence = ++sequence_;
  connection_->send(report);
}

bool Agent::has_lines() const {
  for (int slot = 0; slot < memory_.num_slots(); ++slot) {
    if (memory_.board().report(slot).rank < 0) continue;
    if (!memory_.ring(slot, false).peek_several(1, 0).empty()) return true;
  }
  return false;
}

// Of each ring its oldest lines; the next ones when these are kept.
void Agent::send_lines() {
  for (int slot = 0; slot < memory_.num_slots(); ++slot) {
    const int64_t rank = memory_.board().report(slot).rank;
    if (rank < 0 || sent_lines_.contains(rank)) continue;
    protocol::RankLines lines;
    lines.rank = rank;
    for (auto& message :
         memory_.ring(slot, false)
             .peek_several(kMostLinesAtOnce, kMostBytesAtOnce)) {
      lines.lines.push_back(std::move(message.text));
      lines.ends.push_back(static_cast<int64_t>(message.end));
    }
    if (lines.lines.empty()) continue;
    sent_lines_[rank] = static_cast<uint64_t>(lines.ends.back());
    connection_->send(lines);
  }
}

}  // namespace colossus::agent
