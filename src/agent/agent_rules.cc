#include "agent/agent_rules.h"

#include <algorithm>

namespace colossus::agent {
namespace {

bool contains(const std::vector<int64_t>& values, int64_t value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// The view that the rank is in, or may enter, ends for all ranks here.
void halt(int64_t rank, Board& board) {
  const RankSlot* slot = find_slot(board, rank);
  if (slot == nullptr || board.begun == nullptr) return;
  const auto& owners = board.begun->view.placement.owner_S;
  const auto& backups = board.begun->view.placement.backup_S;
  if (!contains(owners, rank) && !contains(backups, rank)) return;
  board.halted_view = std::max(board.halted_view, board.begun->view.number);
}

void start_new_ranks(const AgentOrders& orders, Board& board,
                     std::vector<AgentAction>& actions, Mutation mutation) {
  for (const int64_t rank : orders.ranks) {
    const bool again =
        mutation == Mutation::kStartTwice && find_slot(board, rank) == nullptr;
    if (rank <= board.highest_started && !again) continue;
    board.highest_started = std::max(board.highest_started, rank);
    RankSlot slot;
    slot.rank = rank;
    board.slots.push_back(slot);
    actions.push_back({AgentAction::Kind::kStart, rank});
  }
  std::sort(board.slots.begin(), board.slots.end(),
            [](const auto& a, const auto& b) { return a.rank < b.rank; });
}

}  // namespace

RankSlot* find_slot(Board& board, int64_t rank) {
  for (RankSlot& slot : board.slots) {
    if (slot.rank == rank) return &slot;
  }
  return nullptr;
}

std::vector<AgentAction> obey_orders(const AgentOrders& orders, Board& board,
                                     Mutation mutation) {
  std::vector<AgentAction> actions;
  const bool old = orders.version < board.version;
  if (old && mutation != Mutation::kObeyOldOrders) return actions;
  board.version = orders.version;
  board.number = orders.number;
  board.stop_step = orders.stop_step;
  board.verify = orders.verify;
  board.begun = orders.begun;
  board.recompute = orders.recompute;
  for (RankSlot& slot : board.slots) {
    if (slot.dying || contains(orders.ranks, slot.rank)) continue;
    slot.dying = true;
    actions.push_back({AgentAction::Kind::kKill, slot.rank});
  }
  start_new_ranks(orders, board, actions, mutation);
  return actions;
}

void rank_gone(int64_t rank, Board& board) {
  halt(rank, board);
  std::erase_if(board.slots,
                [rank](const RankSlot& slot) { return slot.rank == rank; });
}

std::vector<AgentAction> rank_hung(int64_t rank, Board& board,
                                   Mutation mutation) {
  RankSlot* slot = find_slot(board, rank);
  if (slot == nullptr || slot->dying) return {};
  halt(rank, board);
  if (mutation == Mutation::kDoNotFence) {
    rank_gone(rank, board);
    return {};
  }
  slot->dying = true;
  return {{AgentAction::Kind::kKill, rank}};
}

bool has_let_go(const Board& board, Mutation mutation) {
  if (mutation == Mutation::kAnswerBeforeLettingGo) return true;
  return std::all_of(board.slots.begin(), board.slots.end(),
                     [&board](const RankSlot& slot) {
                       if (slot.dying) return false;
                       return !slot.ready || slot.let_go >= board.number;
                     });
}

void note_checked(const CheckedStep& checked, Board& board) {
  board.checked = std::max(board.checked, checked);
}

AgentReport report_of(int64_t machine, const Board& board, Mutation mutation) {
  AgentReport report;
  report.machine = machine;
  report.version = board.version;
  report.number = board.number;
  report.answered = has_let_go(board, mutation);
  report.checked = board.checked;
  for (const RankSlot& slot : board.slots) {
    if (!slot.dying) report.ranks.push_back(slot);
  }
  return report;
}

}  // namespace colossus::agent
