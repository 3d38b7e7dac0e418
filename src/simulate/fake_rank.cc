// Ranks' processes around the rules of coordinator/rank_rules.h: when a task
// starts and ends, and what becomes of one that is interrupted or stopped.
#include <fmt/core.h>

#include <algorithm>

#include "agent/agent_rules.h"
#include "simulate/simulator.h"

namespace colossus::simulate {

using coordinator::Board;
using coordinator::DifferenceKind;
using coordinator::RankSlot;
using coordinator::Task;

namespace {

bool is_hung(const FakeRank& rank, int64_t now_us) {
  return rank.hung_until > now_us;
}

}  // namespace

void Simulator::start_rank(FakeMachine& machine, int64_t number) {
  invariants_.rank_started(number);
  const auto index = static_cast<size_t>(number);
  if (ranks_.size() <= index) ranks_.resize(index + 1);
  ranks_[index] =
      std::make_unique<FakeRank>(number, machine.machine, mutation());
  trace([&] {
    return fmt::format("rank {} starts on machine {}", number, machine.machine);
  });
  events_.push(now_us_ + random_.range(500, 20'000), EventKind::kRankReady,
               number);
  const auto living =
      std::count_if(ranks_.begin(), ranks_.end(),
                    [](const auto& r) { return r != nullptr && r->alive; });
  result_.num_ranks = std::max<int64_t>(result_.num_ranks, living);
}

void Simulator::kill_rank(FakeRank& rank, int64_t notice_after_us) {
  rank.alive = false;
  close_connections(rank, random_.range(0, notice_after_us));
  trace([&] { return fmt::format("rank {} dies", rank.rank); });
  events_.push(now_us_ + notice_after_us, EventKind::kRankGone, rank.rank,
               rank.machine);
}

void Simulator::advance(FakeRank& rank) {
  if (!rank.alive || !rank.ready || is_hung(rank, now_us_)) return;
  const Board& board = machine(rank.machine)->board;
  if (rank.task != Task::kWait) {
    // An audit may ask a rank that holds the step up.
    if (!rank.rules.leaves_view(board)) return recompute(rank);
    rank.task = Task::kWait;  // interrupted between two tiles
    ++rank.generation;
  }
  const Task task = rank.rules.next(board);
  if (rank.rules.in_view() && rank.data.word.view != rank.rules.word().view) {
    invariants_.view_entered(rank.rules.begun());
    rank.data.word = rank.rules.word();
  }
  note_view_change(rank);
  update_slot(rank);
  if (task != Task::kWait) return start_task(rank, task);
  recompute(rank);
  // Its last word of a view that it left still has to reach everybody.
  if (rank.rules.participants().empty() || rank.resend_pending) return;
  rank.resend_pending = true;
  events_.push(now_us_ + random_.range(15'000, 25'000), EventKind::kRankResend,
               rank.rank);
}

int64_t Simulator::duration_of(const FakeRank& rank, Task task) {
  const auto& placement = rank.rules.begun()->view.placement;
  switch (task) {
    case Task::kCompute: {
      const auto shards =
          std::ssize(config::owned_shards(placement, rank.rank));
      const int64_t each = scenario_.compute_us * rank.slowness;
      return 100 + shards * each * random_.range(90, 110) / 100;
    }
    case Task::kHeal:
      return random_.range(200, 6000);
    case Task::kStore:
      return random_.range(100, 900) * rank.slowness;
    default:
      return random_.range(10, 300);
  }
}

void Simulator::start_task(FakeRank& rank, Task task) {
  const bool heard_peers = task == Task::kStore || task == Task::kCheck ||
                           task == Task::kCommit || task == Task::kGather;
  if (heard_peers) invariants_.acts_on_words(rank);
  rank.task = task;
  rank.stopped_in_task = false;
  rank.fetch_since_us = coordinator::kNone;
  ++rank.generation;
  if (task == Task::kStore) {
    begin_store(rank);
    if (rank.hangs_in_store) {  // the worst moment
      rank.hangs_in_store = false;
      const int64_t hang_us = scenario_.hang_us;
      hang_rank(rank, now_us_ + random_.range(hang_us / 2, hang_us * 4));
    }
  }
  events_.push(now_us_ + duration_of(rank, task), EventKind::kRankTask,
               rank.rank, rank.generation);
}

void Simulator::finish_task(FakeRank& rank, int64_t generation) {
  if (!rank.alive || rank.generation != generation) return;
  if (is_hung(rank, now_us_)) {
    // Stopped amid its work: it goes on with it when it wakes, without a look.
    rank.stopped_in_task = true;
    events_.push(rank.hung_until + 1, EventKind::kRankTask, rank.rank,
                 generation);
    return;
  }
  const Board& board = machine(rank.machine)->board;
  const Task task = rank.task;
  const bool leaves = rank.rules.leaves_view(board);
  const bool writes_anyway = rank.stopped_in_task && task == Task::kStore;
  if (leaves && !writes_anyway) return advance(rank);
  if (!perform_task(rank, task)) {
    RankSlot* slot = agent::find_slot(machine(rank.machine)->board, rank.rank);
    const bool stuck = slot != nullptr && slot->difference.has_value();
    if (!stuck) {  // what it needs is out of reach for now
      events_.push(now_us_ + random_.range(1000, 5000), EventKind::kRankTask,
                   rank.rank, generation);
    }
    return;
  }
  rank.task = Task::kWait;
  if (!leaves) {
    rank.rules.finished(task);
    rank.data.word = rank.rules.word();
    const bool worth_saying = task == Task::kHeal || task == Task::kCompute ||
                              task == Task::kStore || task == Task::kCheck;
    if (worth_saying) say_word(rank);
  }
  advance(rank);
}

bool Simulator::perform_task(FakeRank& rank, Task task) {
  switch (task) {
    case Task::kWait:
      return true;
    case Task::kHeal:
      return heal(rank);
    case Task::kGather:
      return gather(rank);
    case Task::kCompute:
      compute(rank);
      return true;
    case Task::kStore:
      return store(rank);
    case Task::kCheck:
      return check(rank);
    case Task::kCommit:
      commit(rank);
      return true;
    case Task::kSave:
      save(rank, rank.rules.begun()->view.start_step);
      return true;
  }
  return true;
}

void Simulator::say_word(FakeRank& rank) {
  const auto data = std::make_shared<const PeerData>(rank.data);
  for (const int64_t peer : rank.rules.participants()) {
    FakeRank* other = this->rank(peer);
    if (peer == rank.rank || other == nullptr) continue;
    send(rank.machine, other->machine, EventKind::kWord, peer, rank.rank, data);
  }
}

void Simulator::hear_word(FakeRank& rank, int64_t from,
                          const std::shared_ptr<const PeerData>& data) {
  if (!rank.alive) return;
  auto known = std::find_if(rank.peers.begin(), rank.peers.end(),
                            [from](const Peer& p) { return p.rank == from; });
  if (known == rank.peers.end()) {
    rank.peers.push_back({from, data});
  } else if (known->data->word < data->word) {
    known->data = data;
  }
  rank.rules.hear(from, data->word);
  advance(rank);
}

void Simulator::resend(FakeRank& rank) {
  rank.resend_pending = false;
  if (!rank.alive || is_hung(rank, now_us_)) return;
  if (rank.task == Task::kWait) say_word(rank);
  advance(rank);
}

void Simulator::update_slot(FakeRank& rank) {
  FakeMachine& host = *machine(rank.machine);
  RankSlot* slot = agent::find_slot(host.board, rank.rank);
  if (slot == nullptr) return;
  const bool news = !slot->ready || slot->let_go != rank.rules.let_go();
  slot->ready = true;
  slot->let_go = rank.rules.let_go();
  if (rank.rules.in_view()) {
    const int64_t view = rank.rules.word().view;
    if (slot->view != view) {
      slot->difference.reset();
      slot->recomputed.reset();
    }
    slot->view = view;
    slot->committed_step = rank.rules.committed_step();
    slot->healed = rank.rules.word().phase != coordinator::Phase::kEntered;
  }
  if (news) wake_agent(host);
}

// An audit asks for a gradient again, while all ranks still hold the weights.
void Simulator::recompute(FakeRank& rank) {
  FakeMachine& host = *machine(rank.machine);
  RankSlot* slot = agent::find_slot(host.board, rank.rank);
  const auto& order = host.board.recompute;
  if (slot == nullptr || !order.has_value() || !rank.rules.in_view()) return;
  if (order->view != rank.rules.word().view) return;
  if (rank.weights_step != order->step - 1) return;
  if (std::find(order->ranks.begin(), order->ranks.end(), rank.rank) ==
      order->ranks.end()) {
    return;
  }
  const auto& r = slot->recomputed;
  if (r.has_value() && r->view == order->view && r->step == order->step &&
      r->shard == order->shard) {
    return;
  }
  const uint64_t gradient = gradient_of(rank, order->step, order->shard);
  slot->recomputed = coordinator::Recomputed{
      rank.rank, order->view, order->step, order->shard, Hash128{0, gradient}};
  wake_agent(host);
}

void Simulator::report_difference(FakeRank& rank, DifferenceKind kind,
                                  int64_t shard, int64_t other, uint64_t first,
                                  uint64_t second) {
  FakeMachine& host = *machine(rank.machine);
  RankSlot* slot = agent::find_slot(host.board, rank.rank);
  if (slot == nullptr) return;
  const coordinator::Word& word = rank.rules.word();
  const config::Placement& placement = rank.rules.begun()->view.placement;
  const auto s = static_cast<size_t>(shard);
  slot->difference = coordinator::Difference{
      kind,  word.view,         word.step,         shard, placement.owner_S[s],
      other, Hash128{0, first}, Hash128{0, second}};
  trace([&] {
    return fmt::format("rank {} finds a difference at shard {}, step {}",
                       rank.rank, shard, word.step);
  });
  wake_agent(host);
}

}  // namespace colossus::simulate
