// What an agent does with orders, with deaths and hangs of its ranks, and when
// it may answer PREPARE: functions of the board, which outlives the agent, so
// that a successor goes on where it stopped. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/messages.h"
#include "protocol/mutation.h"

namespace colossus::agent {

using protocol::AgentOrders;
using protocol::AgentReport;
using protocol::Board;
using protocol::CheckedStep;
using protocol::Mutation;
using protocol::RankSlot;

struct AgentAction {
  enum class Kind {
    kStart,  // a process for this rank, its slot is on the board
    kKill,   // SIGKILL; rank_gone() when it is dead and its memory unmapped
  };
  Kind kind = Kind::kStart;
  int64_t rank = 0;
  bool operator==(const AgentAction&) const = default;
};

// Older orders than the board's are dropped, and do nothing.
std::vector<AgentAction> obey_orders(const AgentOrders& orders, Board& board,
                                     Mutation mutation = Mutation::kNone);

// The process is dead. Every rank here stops its view at once: a peer is lost.
void rank_gone(int64_t rank, Board& board);

// It gave no beat in time: stops the view as rank_gone does, and fences.
std::vector<AgentAction> rank_hung(int64_t rank, Board& board,
                                   Mutation mutation = Mutation::kNone);

// All ranks here refuse views before the board's number, and those given up are
// dead: nothing that an older view's rank does can follow.
bool has_let_go(const Board& board, Mutation mutation = Mutation::kNone);

// Notes what a rank checked; never goes back within a view.
void note_checked(const CheckedStep& checked, Board& board);

// The report of the board as it is; the caller adds incarnation, sequence and,
// if `answered`, the copies in its store.
AgentReport report_of(int64_t machine, const Board& board,
                      Mutation mutation = Mutation::kNone);

RankSlot* find_slot(Board& board, int64_t rank);

}  // namespace colossus::agent
