#include "coordinator/rank_rules.h"

#include <gtest/gtest.h>

namespace colossus::coordinator {
namespace {

std::shared_ptr<BegunView> view(int64_t number, int64_t start_step = 0) {
  auto begun = std::make_shared<BegunView>();
  begun->view.number = number;
  begun->view.start_step = start_step;
  begun->view.members = {{0, 0}, {1, 0}, {2, 0}};
  begun->view.placement = {{0, 1}, {1, 0}};  // rank 2 stands by
  begun->last_step = 100;
  return begun;
}

Board board(int64_t number) {
  Board b;
  b.number = number;
  b.begun = view(number);
  return b;
}

// Rank 0 of view 1, with everything done up to `phase` of step 1.
class Rank : public testing::Test {
 protected:
  void reach(Phase phase) {
    const std::vector<std::pair<Phase, Task>> tasks = {
        {Phase::kHealed, Task::kHeal},
        {Phase::kHealed, Task::kGather},
        {Phase::kComputed, Task::kCompute},
        {Phase::kStored, Task::kStore},
        {Phase::kChecked, Task::kCheck}};
    rules_.hear(1, {1, 1, phase});
    for (const auto& [reached, task] : tasks) {
      if (reached > phase) return;
      ASSERT_EQ(rules_.next(board_), task);
      rules_.finished(task);
    }
  }

  Board board_ = board(1);
  RankRules rules_{0};
};

TEST_F(Rank, MakesTheTasksOfAStepInOrder) {
  reach(Phase::kChecked);
  ASSERT_EQ(rules_.next(board_), Task::kCommit);
  rules_.finished(Task::kCommit);
  EXPECT_EQ(rules_.committed_step(), 1);
  EXPECT_EQ(rules_.next(board_), Task::kCompute);
  EXPECT_EQ(rules_.word().step, 2);
}

TEST_F(Rank, DoesNotStoreBeforeAllGradientsAreThere) {
  reach(Phase::kHealed);
  ASSERT_EQ(rules_.next(board_), Task::kCompute);
  rules_.finished(Task::kCompute);
  EXPECT_EQ(rules_.next(board_), Task::kWait);
  rules_.hear(1, {1, 1, Phase::kComputed});
  EXPECT_EQ(rules_.next(board_), Task::kStore);
}

TEST_F(Rank, DoesNotCommitBeforeAllHaveChecked) {
  reach(Phase::kStored);
  ASSERT_EQ(rules_.next(board_), Task::kCheck);
  rules_.finished(Task::kCheck);
  EXPECT_EQ(rules_.next(board_), Task::kWait);
  rules_.hear(1, {1, 1, Phase::kChecked});
  EXPECT_EQ(rules_.next(board_), Task::kCommit);
}

TEST_F(Rank, ActsOnNoWordOfAnOlderView) {
  board_ = board(2);
  rules_.hear(1, {1, 1, Phase::kChecked});
  ASSERT_EQ(rules_.next(board_), Task::kHeal);
  rules_.finished(Task::kHeal);
  EXPECT_EQ(rules_.next(board_), Task::kWait);
}

TEST_F(Rank, AWordThatComesLateDoesNotTakeOneBack) {
  reach(Phase::kStored);
  rules_.hear(1, {1, 1, Phase::kEntered});
  EXPECT_EQ(rules_.next(board_), Task::kCheck);
}

TEST_F(Rank, LetsGoAtOnceWhenPrepareSaysSo) {
  reach(Phase::kComputed);
  board_.number = 2;
  board_.begun = nullptr;
  EXPECT_TRUE(rules_.leaves_view(board_));
  EXPECT_EQ(rules_.next(board_), Task::kWait);
  EXPECT_FALSE(rules_.in_view());
  EXPECT_EQ(rules_.let_go(), 2);
}

TEST_F(Rank, StopsAfterTheCommitThatPrepareAllowsFor) {
  reach(Phase::kComputed);
  board_.number = 2;
  board_.stop_step = 1;
  board_.begun = nullptr;
  EXPECT_FALSE(rules_.leaves_view(board_));
  for (const Task task : {Task::kStore, Task::kCheck, Task::kCommit}) {
    rules_.hear(1, {1, 1, Phase::kChecked});
    ASSERT_EQ(rules_.next(board_), task);
    rules_.finished(task);
  }
  EXPECT_EQ(rules_.next(board_), Task::kWait);
  EXPECT_EQ(rules_.let_go(), 2);
}

TEST_F(Rank, StopsWhenAPeerOnItsMachineIsLostAndWaitsForPrepare) {
  reach(Phase::kComputed);
  board_.halted_view = 1;
  EXPECT_EQ(rules_.next(board_), Task::kWait);
  EXPECT_FALSE(rules_.in_view());
  EXPECT_EQ(rules_.let_go(), 1);
}

TEST_F(Rank, DoesNotEnterAViewTwice) {
  reach(Phase::kComputed);
  board_.halted_view = 1;
  rules_.next(board_);
  board_.halted_view = 0;
  EXPECT_EQ(rules_.next(board_), Task::kWait);
}

TEST_F(Rank, MakesNoStepAfterTheLast) {
  auto last = view(1);
  last->last_step = 0;
  board_.begun = last;
  reach(Phase::kHealed);
  EXPECT_EQ(rules_.next(board_), Task::kWait);
}

TEST_F(Rank, SavesAndStopsIfTheViewIsTheLast) {
  auto last = view(1);
  last->save_and_stop = true;
  board_.begun = last;
  reach(Phase::kHealed);
  ASSERT_EQ(rules_.next(board_), Task::kSave);
  rules_.finished(Task::kSave);
  EXPECT_EQ(rules_.next(board_), Task::kWait);
}

TEST(SpareRank, StandsBy) {
  RankRules rules(2);
  const Board b = board(1);
  EXPECT_EQ(rules.next(b), Task::kWait);
  EXPECT_TRUE(rules.in_view());
}

TEST(StrangeRank, EntersNoViewOfWhichItIsNoMember) {
  RankRules rules(3);
  EXPECT_EQ(rules.next(board(1)), Task::kWait);
  EXPECT_FALSE(rules.in_view());
}

}  // namespace
}  // namespace colossus::coordinator
