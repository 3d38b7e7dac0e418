#include "agent/agent_rules.h"

#include <gtest/gtest.h>

namespace colossus::agent {
namespace {

using Kind = AgentAction::Kind;

AgentOrders orders(int64_t version, std::vector<int64_t> ranks,
                   int64_t number = 1) {
  AgentOrders o;
  o.version = version;
  o.ranks = std::move(ranks);
  o.number = number;
  return o;
}

TEST(Agent, StartsTheRanksItIsToldOf) {
  Board board;
  EXPECT_EQ(obey_orders(orders(1, {0, 3}), board),
            (std::vector<AgentAction>{{Kind::kStart, 0}, {Kind::kStart, 3}}));
}

TEST(Agent, StartsNoNumberTwiceNotEvenAfterADeath) {
  Board board;
  obey_orders(orders(1, {0}), board);
  EXPECT_TRUE(obey_orders(orders(1, {0}), board).empty());
  rank_gone(0, board);
  EXPECT_TRUE(obey_orders(orders(2, {0}), board).empty());
}

TEST(Agent, EndsRanksThatItsOrdersDoNotName) {
  Board board;
  obey_orders(orders(1, {0, 1}), board);
  EXPECT_EQ(obey_orders(orders(2, {1}), board),
            (std::vector<AgentAction>{{Kind::kKill, 0}}));
  EXPECT_TRUE(obey_orders(orders(3, {1}), board).empty());  // once
}

TEST(Agent, DropsOldOrders) {
  Board board;
  obey_orders(orders(5, {0, 1}, 3), board);
  EXPECT_TRUE(obey_orders(orders(4, {}, 9), board).empty());
  EXPECT_EQ(board.number, 3);
}

TEST(Agent, FencesARankThatHangs) {
  Board board;
  obey_orders(orders(1, {0}), board);
  EXPECT_EQ(rank_hung(0, board), (std::vector<AgentAction>{{Kind::kKill, 0}}));
  EXPECT_TRUE(report_of(0, board).ranks.empty());
  EXPECT_TRUE(rank_hung(0, board).empty());
}

TEST(Agent, AnswersOnlyWhenAllRanksHaveLetGo) {
  Board board;
  obey_orders(orders(1, {0}, 4), board);
  find_slot(board, 0)->ready = true;
  EXPECT_FALSE(has_let_go(board));
  find_slot(board, 0)->let_go = 4;
  EXPECT_TRUE(has_let_go(board));
}

TEST(Agent, AnswersOnlyWhenThoseGivenUpAreDead) {
  Board board;
  obey_orders(orders(1, {0}), board);
  rank_hung(0, board);
  EXPECT_FALSE(has_let_go(board));
  rank_gone(0, board);
  EXPECT_TRUE(has_let_go(board));
}

TEST(Agent, StopsTheViewHereWhenARankWithAPartInItIsLost) {
  Board board;
  AgentOrders o = orders(1, {0, 1});
  auto begun = std::make_shared<protocol::BegunView>();
  begun->view.number = 1;
  begun->view.placement = {{0}, {config::kNoBackup}};
  o.begun = begun;
  obey_orders(o, board);
  rank_gone(1, board);  // a spare
  EXPECT_EQ(board.halted_view, 0);
  rank_gone(0, board);
  EXPECT_EQ(board.halted_view, 1);
}

TEST(Agent, WhatWasCheckedNeverGoesBack) {
  Board board;
  note_checked({2, 5}, board);
  note_checked({1, 9}, board);
  EXPECT_EQ(board.checked, (CheckedStep{2, 5}));
}

}  // namespace
}  // namespace colossus::agent
