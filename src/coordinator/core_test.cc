// The core under a hand-moved clock. Thousands of histories: simulate/.
#include "coordinator/core.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace colossus::coordinator {
namespace {

using testing::HasSubstr;

// A coordinator and machines that say what a test has them say.
class Run : public testing::Test {
 protected:
  Run() {
    options_.num_shards = 4;
    options_.total_steps = 100;
    options_.silence_us = 1000;
    options_.repeat_us = 100;
    options_.join_patience_us = 50;
    options_.copy_patience_us = 5000;
    journal_ = {SizeAsked{2, 0, "new run"}};
    restart();
  }

  void restart() {
    core_ =
        std::make_unique<CoordinatorCore>(options_, replay(journal_), now_us_);
  }

  void tell(const Event& event) {
    for (const Action& action : core_->handle(now_us_, event)) {
      if (const auto* record = std::get_if<WriteRecord>(&action)) {
        journal_.push_back(record->decision);
      } else if (const auto* sent = std::get_if<SendOrders>(&action)) {
        orders_[sent->orders->machine] = *sent->orders;
        // What orders say is on disk before they leave.
        EXPECT_LE(sent->orders->version, std::ssize(journal_));
      }
    }
  }

  void wait(int64_t us) {
    now_us_ += us;
    tell(TimerFired{});
  }

  // The machine did all that its newest orders say.
  AgentReport obedient(int64_t machine) {
    const AgentOrders& o = orders_[machine];
    AgentReport report;
    report.machine = machine;
    report.incarnation = 1;
    report.sequence = ++sequence_;
    report.version = o.version;
    report.number = o.number;
    report.answered = true;
    report.checked = checked_;
    for (const int64_t rank : o.ranks) {
      RankSlot slot;
      slot.rank = rank;
      slot.ready = true;
      slot.let_go = o.number;
      slot.view = o.begun != nullptr ? o.begun->view.number : 0;
      slot.healed = true;
      slot.committed_step = committed_step_;
      report.ranks.push_back(slot);
    }
    if (o.begun == nullptr) report.copies = copies_[machine];
    return report;
  }
  void obey(int64_t machine) { tell(obedient(machine)); }

  // Two machines with a rank each, in view 1.
  void start() {
    for (int round = 0; round < 6; ++round) {
      obey(0);
      obey(1);
    }
    ASSERT_EQ(core_->state().number, 1);
    ASSERT_FALSE(core_->state().preparing);
  }

  // All slices of `step` lie, checked, on machine 0 and 1.
  void commit(int64_t step) {
    committed_step_ = step;
    const int64_t view = core_->state().begun->view.number;
    checked_ = {view, step};
    for (const int64_t machine : {0, 1}) {
      copies_[machine].clear();
      for (int64_t s = 0; s < 4; ++s) {
        copies_[machine].push_back({s, step, view, {1, 2}, true});
      }
    }
    obey(0);
    obey(1);
  }

  AgentReport without_ranks(int64_t machine) {
    AgentReport report = obedient(machine);
    report.ranks.clear();
    return report;
  }

  template <typename Record>
  const Record* last() const {
    for (auto d = journal_.rbegin(); d != journal_.rend(); ++d) {
      if (const auto* record = std::get_if<Record>(&*d)) return record;
    }
    return nullptr;
  }

  CoordinatorOptions options_;
  std::unique_ptr<CoordinatorCore> core_;
  std::vector<Decision> journal_;
  std::map<int64_t, AgentOrders> orders_;
  std::map<int64_t, std::vector<SliceCopy>> copies_;
  CheckedStep checked_;
  int64_t committed_step_ = 0;
  int64_t sequence_ = 0;
  int64_t now_us_ = 0;
};

TEST_F(Run, StartsRanksOnTheMachinesThatJoin) {
  obey(0);
  EXPECT_EQ(orders_[0].ranks, (std::vector<int64_t>{0, 1}));
  obey(1);
  EXPECT_EQ(orders_[1].ranks, std::vector<int64_t>{2});  // for the backups
}

TEST_F(Run, BeginsItsFirstViewInTwoRounds) {
  start();
  EXPECT_EQ(last<ViewBegun>()->start_step, 0);
  EXPECT_NE(last<PrepareBegun>(), nullptr);
  ASSERT_NE(orders_[0].begun, nullptr);
  EXPECT_EQ(orders_[0].begun->view.number, 1);
}

TEST_F(Run, DoesNotBeginBeforeEveryMachineAnswered) {
  start();
  commit(5);
  tell(without_ranks(1));
  ASSERT_TRUE(core_->state().preparing);
  obey(0);
  EXPECT_TRUE(core_->state().preparing);
  obey(1);
  EXPECT_FALSE(core_->state().preparing);
  EXPECT_EQ(last<ViewBegun>()->start_step, 5);
}

TEST_F(Run, ReplacesALostRankAndSaysWhy) {
  start();
  commit(5);
  const int64_t lost = orders_[1].ranks.front();
  tell(without_ranks(1));
  EXPECT_EQ(last<RankLost>()->rank, lost);
  EXPECT_NE(last<PrepareBegun>()->reason.find(fmt::format("rank {}", lost)),
            std::string::npos);
  EXPECT_EQ(last<PrepareBegun>()->stop_step, kAtOnce);
  EXPECT_GT(last<RankAssigned>()->rank, lost);
}

TEST_F(Run, TheJournalReplaysToItsState) {
  start();
  commit(5);
  tell(without_ranks(1));
  EXPECT_TRUE(replay(journal_) == core_->state());
}

TEST_F(Run, ARestartedCoordinatorChangesNothing) {
  start();
  commit(5);
  const size_t records = journal_.size();
  restart();
  obey(0);
  obey(1);
  wait(100);
  EXPECT_EQ(journal_.size(), records);
}

TEST_F(Run, ARestartedCoordinatorGoesOnWithAViewChange) {
  start();
  commit(5);
  tell(without_ranks(1));
  restart();
  obey(0);
  EXPECT_TRUE(core_->state().preparing);
  obey(1);
  EXPECT_FALSE(core_->state().preparing);
  EXPECT_EQ(core_->state().number, 2);
}

TEST_F(Run, GivesUpASilentMachine) {
  start();
  commit(5);
  for (int i = 0; i < 12; ++i) {
    wait(100);
    obey(0);
  }
  ASSERT_NE(last<MachineLost>(), nullptr);
  EXPECT_EQ(last<MachineLost>()->machine, 1);
}

TEST_F(Run, WaitsForASilentAgentWhileStepsCommit) {
  start();
  for (int64_t step = 5; step < 30; ++step) {
    wait(100);
    committed_step_ = step;
    obey(0);
  }
  EXPECT_EQ(last<MachineLost>(), nullptr);
}

TEST_F(Run, ACoordinatorThatHearsNobodyGivesUpNobody) {
  start();
  for (int i = 0; i < 50; ++i) wait(100);
  EXPECT_EQ(last<MachineLost>(), nullptr);
}

TEST_F(Run, RepeatsOrdersUntilTheyArrived) {
  start();
  AgentReport late = obedient(0);
  late.version = 1;
  orders_.erase(0);
  wait(200);
  EXPECT_EQ(orders_.count(0), 0u);  // they had arrived
  tell(late);
  wait(200);
  EXPECT_EQ(orders_.count(0), 1u);
}

TEST_F(Run, IgnoresReportsThatAreOlderThanTheNewest) {
  start();
  const AgentReport old = without_ranks(1);
  obey(1);
  const size_t records = journal_.size();
  tell(old);
  EXPECT_EQ(journal_.size(), records);
  AgentReport successor = obedient(1);
  successor.incarnation = 2;
  successor.sequence = 1;
  tell(successor);
  tell(without_ranks(1));  // of its predecessor
  EXPECT_EQ(journal_.size(), records);
}

TEST_F(Run, GrowsAtACommitAndShrinksToo) {
  start();
  commit(5);
  tell(ResizeRequest{4, 0, "asked"});
  obey(0);
  obey(1);
  ASSERT_TRUE(core_->state().preparing);
  EXPECT_EQ(core_->state().stop_step, 6);
  obey(0);
  obey(1);
  EXPECT_EQ(config::hosting_ranks(core_->state().begun->view.placement).size(),
            4u);
  tell(ResizeRequest{1, 1, "asked"});
  EXPECT_TRUE(core_->state().preparing);
  obey(0);
  obey(1);
  EXPECT_EQ(config::hosting_ranks(core_->state().begun->view.placement).size(),
            1u);
  obey(0);
  obey(1);
  EXPECT_EQ(core_->state().ranks.size(), 2u);
}

TEST_F(Run, SaysHowManyRanksHostShardsAndHowManyStandBy) {
  tell(ResizeRequest{1, 3, "asked"});
  start();
  EXPECT_THAT(last<ViewBegun>()->reason, HasSubstr("1 rank takes 4 shards"));
  EXPECT_THAT(last<ViewBegun>()->reason, HasSubstr("; spares: 3"));
}

// Until then the surplus may be giving slices.
TEST_F(Run, ReleasesNobodyBeforeAllHaveTheirSlices) {
  start();
  commit(5);
  tell(ResizeRequest{4, 0, "asked"});
  for (const int64_t machine : {0, 1, 0, 1}) obey(machine);
  tell(ResizeRequest{1, 0, "asked"});
  obey(0);
  obey(1);
  ASSERT_FALSE(core_->state().preparing);
  const size_t ranks = core_->state().ranks.size();
  ASSERT_GT(ranks, 2U);
  for (const int64_t machine : {0, 1, 0, 1}) {
    AgentReport report = obedient(machine);
    for (RankSlot& slot : report.ranks) slot.healed = false;
    tell(report);
  }
  EXPECT_EQ(core_->state().ranks.size(), ranks);
  obey(0);
  obey(1);
  EXPECT_LT(core_->state().ranks.size(), ranks);
  EXPECT_NE(last<RankReleased>(), nullptr);
}

// Found by the prover: the view that left it out was left for its sake.
TEST_F(Run, ASurplusIsNoReasonForAnotherView) {
  tell(ResizeRequest{3, 0, "asked"});
  for (int round = 0; round < 4; ++round) obey(0);
  tell(ResizeRequest{1, 0, "asked"});
  const auto unhealed = [this] {
    AgentReport report = obedient(0);
    for (RankSlot& slot : report.ranks) slot.healed = false;
    tell(report);
  };
  while (core_->state().preparing) unhealed();
  const int64_t number = core_->state().number;
  for (int round = 0; round < 4; ++round) unhealed();
  EXPECT_EQ(core_->state().number, number);
  EXPECT_EQ(core_->state().begun->view.members.size(), 1U);
  obey(0);
  EXPECT_EQ(core_->state().ranks.size(), 1U);
}

// Found by the prover: it waited for answers of a view that was over.
TEST_F(Run, AnAuditEndsWithItsView) {
  start();
  commit(5);
  const std::vector<int64_t> owners =
      core_->state().begun->view.placement.owner_S;
  tell(ResizeRequest{4, 0, "asked"});
  obey(0);
  obey(1);
  ASSERT_EQ(core_->state().stop_step, 6);
  obey(0);
  AgentReport report = obedient(1);
  Difference wrong;
  wrong.view = 1;
  wrong.step = 6;
  wrong.first_rank = owners.front();
  wrong.second_rank = owners.back();
  report.ranks.front().difference = wrong;
  tell(report);
  ASSERT_EQ(last<DifferenceFound>()->kind, "gradient");
  ASSERT_EQ(core_->state().begun->view.number, 2);
  report = obedient(1);
  wrong.kind = DifferenceKind::kTransfer;
  wrong.view = 2;
  report.ranks.front().difference = wrong;
  tell(report);
  EXPECT_EQ(last<DifferenceFound>()->kind, "transfer");
  EXPECT_EQ(core_->state().number, 3);
}

TEST_F(Run, ALossDuringASoftChangeMakesItHard) {
  start();
  commit(5);
  tell(StopRequest{"asked"});
  ASSERT_EQ(core_->state().stop_step, 6);
  const int64_t number = core_->state().number;
  tell(without_ranks(1));
  EXPECT_EQ(core_->state().stop_step, kAtOnce);
  EXPECT_GT(core_->state().number, number);
}

TEST_F(Run, StopsAfterACheckpoint) {
  start();
  commit(5);
  tell(StopRequest{"asked"});
  obey(0);
  obey(1);
  ASSERT_TRUE(core_->state().begun->save_and_stop);
  for (const int64_t machine : {0, 1}) {
    AgentReport report = obedient(machine);
    for (RankSlot& slot : report.ranks) {
      slot.saved_view = core_->state().number;
      slot.saved_step = 5;
    }
    tell(report);
  }
  EXPECT_EQ(core_->state().checkpoint_step, 5);
  EXPECT_TRUE(core_->state().ended);
  EXPECT_TRUE(orders_[0].ranks.empty());
}

TEST_F(Run, OneRankMaySaveForAll) {
  start();
  commit(5);
  const int64_t chief = core_->state().begun->view.placement.owner_S[0];
  for (const int64_t view :
       {core_->state().number - 1, core_->state().number}) {
    for (const int64_t machine : {0, 1}) {
      AgentReport report = obedient(machine);
      for (RankSlot& slot : report.ranks) {
        if (slot.rank != chief) continue;
        slot.saved_all = true;
        slot.saved_view = view;
        slot.saved_step = 5;
      }
      tell(report);
    }
    const bool present = view == core_->state().number;
    EXPECT_EQ(core_->state().checkpoint_step, present ? 5 : 0);
  }
}

TEST_F(Run, AViewSaysWhereItsRanksListen) {
  for (int round = 0; round < 4; ++round) {
    for (const int64_t machine : {0, 1}) {
      AgentReport report = obedient(machine);
      for (RankSlot& slot : report.ranks) {
        slot.endpoint = {0x0a000001, static_cast<uint16_t>(7000 + slot.rank)};
      }
      tell(report);
    }
  }
  ASSERT_NE(orders_[0].begun, nullptr);
  for (const config::Member& member : orders_[0].begun->view.members) {
    const auto port = static_cast<uint16_t>(7000 + member.rank);
    EXPECT_EQ(member.endpoint, (config::Endpoint{0x0a000001, port}));
  }
  EXPECT_TRUE(replay(journal_) == core_->state());
}

// Two ranks on machine 0, one on machine 1.
class CutLink : public Run {
 protected:
  CutLink() {
    journal_ = {SizeAsked{3, 0, "new run"}};
    restart();
  }

  void start_three() {
    start();
    commit(5);
    ASSERT_EQ(core_->state().begun->view.members.size(), 3U);
    for (const config::Member& m : core_->state().begun->view.members) {
      by_machine_[m.machine].push_back(m.rank);
    }
    if (by_machine_[0].size() < by_machine_[1].size()) many_ = 1;
    few_rank_ = by_machine_[1 - many_].front();
  }

  // A rank of the machine with two says that it cannot reach the third.
  void complain(int64_t view) {
    AgentReport report = obedient(many_);
    report.ranks.front().unreachable = few_rank_;
    for (RankSlot& slot : report.ranks) slot.view = view;
    tell(report);
  }

  // Who was given up because of it; kNone: nobody.
  int64_t given_up() const {
    const auto* lost = last<RankLost>();
    const bool cut = lost != nullptr &&
                     lost->reason.find("cannot reach") != std::string::npos;
    return cut ? lost->rank : kNone;
  }

  int64_t many_ = 0;
  int64_t few_rank_ = 0;
  std::map<int64_t, std::vector<int64_t>> by_machine_;
};

TEST_F(CutLink, CostsTheRankOfTheMachineWithFewer) {
  options_.link_patience_us = 300;
  restart();
  start_three();
  const int64_t view = core_->state().number;
  for (int i = 0; i < 3; ++i) {
    complain(view);
    obey(1 - many_);
    EXPECT_EQ(given_up(), kNone);
    wait(100);
  }
  obey(1 - many_);
  complain(view);
  EXPECT_EQ(given_up(), few_rank_);
  EXPECT_TRUE(core_->state().preparing);
}

TEST_F(CutLink, IsNoneWhileTheOtherMachineIsSilent) {
  options_.link_patience_us = 300;
  options_.silence_us = 5000;
  restart();
  start_three();
  for (int i = 0; i < 20; ++i) {
    complain(core_->state().number);
    wait(100);
  }
  EXPECT_EQ(given_up(), kNone);
}

TEST_F(CutLink, OfAnOlderViewCountsForNothing) {
  options_.link_patience_us = 300;
  restart();
  start_three();
  for (int i = 0; i < 20; ++i) {
    complain(core_->state().number - 1);
    obey(1 - many_);
    wait(100);
  }
  EXPECT_EQ(given_up(), kNone);
}

// Of a rank that only gave slices: no placement names it.
TEST_F(CutLink, ToASpareThatIsLostEndsTheView) {
  tell(ResizeRequest{1, 3, "asked"});
  start();
  commit(5);
  const config::Placement placement = core_->state().begun->view.placement;
  AgentReport report = obedient(0);
  const int64_t complains = placement.owner_S.front();
  int64_t spare = kNone;
  std::erase_if(report.ranks, [&](const RankSlot& slot) {
    const bool is_first =
        spare == kNone && !config::takes_part(placement, slot.rank);
    if (is_first) spare = slot.rank;
    return is_first;
  });
  ASSERT_NE(spare, kNone);
  for (RankSlot& slot : report.ranks) {
    if (slot.rank == complains) slot.unreachable = spare;
  }
  const int64_t number = core_->state().number;
  tell(report);
  EXPECT_EQ(last<RankLost>()->rank, spare);
  EXPECT_EQ(core_->state().number, number + 1);
  EXPECT_EQ(core_->state().stop_step, kAtOnce);
}

TEST_F(Run, CommitsNoCheckpointOfAnOlderView) {
  start();
  commit(5);
  for (const int64_t machine : {0, 1}) {
    AgentReport report = obedient(machine);
    for (RankSlot& slot : report.ranks) {
      slot.saved_view = core_->state().number - 1;
      slot.saved_step = 5;
    }
    tell(report);
  }
  EXPECT_EQ(core_->state().checkpoint_step, 0);
}

TEST_F(Run, WaitsAWhileForALostMachineThatMayHoldTheSteps) {
  start();
  commit(5);
  copies_[0].clear();  // only machine 1 has them
  for (int i = 0; i < 12; ++i) {
    wait(100);
    obey(0);
  }
  ASSERT_NE(last<MachineLost>(), nullptr);
  obey(0);
  EXPECT_TRUE(core_->state().preparing);
  while (core_->state().preparing && now_us_ < 100'000) {
    wait(100);
    obey(0);
  }
  EXPECT_GE(now_us_, options_.copy_patience_us);
  EXPECT_EQ(last<ViewBegun>()->start_step, 0);
}

// Three ranks, of which rank 0 needs nine times as long for its shards.
class RunWithASlowRank : public Run {
 protected:
  void start(bool replace, int64_t spares) {
    options_.straggler_steps = 3;
    options_.replace_stragglers = replace;
    journal_.push_back(SizeAsked{3, spares, "more"});
    restart();
    Run::start();
  }

  void report_step(int64_t step, int64_t slow_us = 900) {
    committed_step_ = step;
    for (const int64_t machine : {0, 1}) {
      AgentReport report = obedient(machine);
      for (RankSlot& slot : report.ranks) {
        slot.shard_us = slot.rank == 0 ? slow_us : 100;
      }
      tell(report);
    }
  }

  int64_t named() const {
    return std::count_if(journal_.begin(), journal_.end(),
                         [](const Decision& d) {
                           return std::holds_alternative<StragglerFound>(d);
                         });
  }
};

TEST_F(RunWithASlowRank, NamesItOnce) {
  start(false, 1);
  for (int64_t step = 1; step <= 10; ++step) report_step(step);
  EXPECT_EQ(named(), 1);
  EXPECT_EQ(last<StragglerFound>()->rank, 0);
  EXPECT_NE(core_->state().rank(0), nullptr);  // not asked to replace it
}

TEST_F(RunWithASlowRank, CountsAStepOnceHoweverOftenItIsReported) {
  start(false, 1);
  for (int i = 0; i < 10; ++i) report_step(1);
  report_step(2);
  EXPECT_EQ(named(), 0);
  report_step(3);
  EXPECT_EQ(named(), 1);
}

TEST_F(RunWithASlowRank, ForgivesItsSlowStepsBeforeAQuickOne) {
  start(false, 1);
  for (int64_t step = 1; step <= 12; ++step) {
    report_step(step, step % 3 == 0 ? 100 : 900);
  }
  EXPECT_EQ(named(), 0);
}

TEST_F(RunWithASlowRank, ReplacesItByAReadySpareIfAsked) {
  start(true, 1);
  for (int64_t step = 1; step <= 3; ++step) report_step(step);
  EXPECT_EQ(named(), 1);
  EXPECT_EQ(core_->state().rank(0), nullptr);
  EXPECT_THAT(last<RankLost>()->reason, HasSubstr("a spare takes over"));
}

TEST_F(RunWithASlowRank, KeepsItWhereNoSpareIs) {
  start(true, 0);
  for (int64_t step = 1; step <= 3; ++step) report_step(step);
  EXPECT_EQ(named(), 1);
  EXPECT_NE(core_->state().rank(0), nullptr);
}

protocol::RankEnd end_of(int64_t rank, const std::string& how,
                         bool failed = false) {
  protocol::RankEnd end;
  end.rank = rank;
  end.how = how;
  end.failed = failed;
  return end;
}

TEST_F(Run, TellsHowManyRanksShareTheWorkAndWhenItIsOver) {
  start();
  EXPECT_EQ(orders_[0].hosting_ranks, 2);
  tell(ResizeRequest{3, 1, "asked"});
  EXPECT_EQ(orders_[0].hosting_ranks, 3);  // without the spare
  EXPECT_FALSE(orders_[0].over);
}

TEST_F(Run, SaysOfALostRankWhatItsAgentSaw) {
  start();
  commit(5);
  const int64_t lost = orders_[1].ranks.front();
  AgentReport report = without_ranks(1);
  report.ends = {end_of(lost + 100, "another rank"),
                 end_of(lost, "rank 2 was ended by signal 9 (Killed)")};
  tell(report);
  EXPECT_EQ(last<RankLost>()->reason, "rank 2 was ended by signal 9 (Killed)");
  EXPECT_EQ(last<PrepareBegun>()->reason, last<RankLost>()->reason);
}

TEST_F(Run, EndsWhenARankSaysThatTheRunCannotGoOn) {
  start();
  commit(5);
  AgentReport report = obedient(1);
  report.ends = {
      end_of(orders_[1].ranks.front(), "the loss is not finite", true)};
  tell(report);
  ASSERT_NE(last<RunEnded>(), nullptr);
  EXPECT_EQ(*last<RunEnded>(), (RunEnded{5, true, "the loss is not finite"}));
  for (const int64_t machine : {0, 1}) {
    EXPECT_TRUE(orders_[machine].over);
    EXPECT_TRUE(orders_[machine].ranks.empty());
  }
  const size_t records = journal_.size();
  tell(report);
  tell(StopRequest{"asked", true});
  EXPECT_EQ(journal_.size(), records) << "it ended already";
}

TEST_F(Run, StopsAtOnceWithoutACheckpointIfAskedTo) {
  start();
  commit(5);
  tell(StopRequest{"asked"});
  EXPECT_FALSE(core_->state().ended);
  tell(StopRequest{"asked again", true});
  EXPECT_EQ(*last<RunEnded>(), (RunEnded{5, false, "asked again, at once"}));
  EXPECT_EQ(last<StopAsked>()->reason, "asked");
  EXPECT_EQ(last<CheckpointCommitted>(), nullptr);
  EXPECT_TRUE(orders_[0].over);
  EXPECT_TRUE(orders_[1].over);
}

TEST_F(Run, TellsWhoeverComesAfterTheEndThatItIsOver) {
  start();
  tell(StopRequest{"asked", true});
  orders_.clear();
  restart();
  obey(0);
  EXPECT_TRUE(orders_[0].over);
  obey(7);  // a machine that nobody knew
  EXPECT_TRUE(orders_[7].over);
  EXPECT_TRUE(orders_[7].ranks.empty());
}

// Machine 1 is taken out of the run.
class LeavingRun : public Run {
 protected:
  void obey_leaving() {
    AgentReport report = obedient(1);
    report.leaves = true;
    tell(report);
  }
  // Both do as they are told, until the machine has left, or for long.
  void leave() {
    for (int round = 0; round < 10 && !orders_[1].left; ++round) {
      obey_leaving();
      obey(0);
    }
  }
  int64_t participants_on(int64_t machine) const {
    int64_t count = 0;
    for (const config::Member& m : core_->state().begun->view.members) {
      count += m.machine == machine &&
               config::takes_part(core_->state().begun->view.placement, m.rank);
    }
    return count;
  }
};

TEST_F(LeavingRun, LosesNothing) {
  start();
  commit(5);
  ASSERT_GT(participants_on(1), 0);
  const int64_t first = core_->state().number;
  obey_leaving();
  ASSERT_NE(last<MachineLeaves>(), nullptr);
  EXPECT_EQ(orders_[1].ranks.size(), 1U);  // it works until others can
  leave();
  EXPECT_TRUE(orders_[1].left);
  EXPECT_EQ(core_->state().number, first + 1);
  EXPECT_EQ(last<PrepareBegun>()->stop_step, 6);  // at a commit
  EXPECT_EQ(last<ViewBegun>()->start_step, 5);
  EXPECT_EQ(participants_on(1), 0);
  EXPECT_EQ(participants_on(0), 2);  // as many as are wanted
  EXPECT_EQ(last<RankLost>(), nullptr);
  EXPECT_EQ(last<MachineLost>(), nullptr);
  EXPECT_EQ(core_->state().losses_without_step, 0);
  EXPECT_TRUE(replay(journal_) == core_->state());
}

TEST_F(LeavingRun, GivesWhatItHasBeforeItGoes) {
  start();
  commit(5);
  const int64_t number = core_->state().number;
  for (int round = 0; round < 8; ++round) {
    obey_leaving();
    AgentReport report = obedient(0);
    const bool moved = core_->state().number > number;
    for (RankSlot& slot : report.ranks) slot.healed = !moved;
    tell(report);
  }
  ASSERT_FALSE(core_->state().preparing);
  ASSERT_EQ(participants_on(1), 0);
  EXPECT_EQ(orders_[1].ranks.size(), 1U);
  const auto& members = core_->state().begun->view.members;
  EXPECT_TRUE(std::any_of(members.begin(), members.end(),
                          [](const auto& m) { return m.machine == 1; }));
  leave();
  EXPECT_TRUE(orders_[1].left);
}

TEST_F(LeavingRun, GoesAtOnceIfItNeverHadARank) {
  obey_leaving();
  for (int round = 0; round < 6; ++round) obey_leaving();
  EXPECT_TRUE(core_->state().ranks.empty());
  EXPECT_TRUE(orders_[1].left);
}

TEST_F(LeavingRun, WorksOnWhileItIsTheOnlyOne) {
  for (int round = 0; round < 6; ++round) obey(1);
  ASSERT_EQ(participants_on(1), 2);
  for (int round = 0; round < 6; ++round) obey_leaving();
  EXPECT_EQ(participants_on(1), 2);
  EXPECT_FALSE(orders_[1].left);
  leave();  // another machine is there
  EXPECT_TRUE(orders_[1].left);
  EXPECT_EQ(participants_on(0), 2);
}

TEST_F(LeavingRun, IsOutForGood) {
  start();
  commit(5);
  obey_leaving();
  leave();
  const size_t records = journal_.size();
  orders_.erase(1);
  obey_leaving();  // it did not hear that it may go
  EXPECT_TRUE(orders_[1].left);
  restart();
  obey(0);
  orders_.erase(1);
  obey(1);  // nor did another agent of it
  EXPECT_TRUE(orders_[1].left);
  EXPECT_EQ(journal_.size(), records);
}

TEST_F(LeavingRun, IsRememberedByASuccessor) {
  start();
  commit(5);
  obey_leaving();
  restart();
  for (int round = 0; round < 10; ++round) {
    obey(0);
    obey(1);  // a successor of its agent, too, which knows of no wish
  }
  EXPECT_TRUE(orders_[1].left);
}

class LosingRun : public Run {
 protected:
  LosingRun() {
    options_.most_losses_without_step = 3;
    restart();
  }
  // Machine 1 loses its rank, and the next view begins.
  void lose_a_rank() {
    AgentReport report = without_ranks(1);
    for (const int64_t rank : orders_[1].ranks) {
      report.ends.push_back(end_of(rank, fmt::format("rank {} died", rank)));
    }
    tell(report);
    for (int round = 0; round < 3; ++round) {
      obey(0);
      obey(1);
    }
  }
};

TEST_F(LosingRun, GivesUpWhenRanksAreLostAgainAndAgainWithoutAStep) {
  start();
  commit(5);
  for (int loss = 1; loss <= 3; ++loss) lose_a_rank();
  // The first view after the losses began further on than the one before.
  EXPECT_FALSE(core_->state().ended);
  while (!core_->state().ended && journal_.size() < 1000) lose_a_rank();
  ASSERT_NE(last<RunEnded>(), nullptr);
  EXPECT_TRUE(last<RunEnded>()->failed);
  EXPECT_EQ(last<RunEnded>()->reason.find("4 ranks were lost and no step was "
                                          "done between; the last: rank"),
            0u)
      << last<RunEnded>()->reason;
}

// No view ends by it.
TEST_F(LosingRun, GoesOnWhileOnlySparesAreLostAndStepsAreDone) {
  tell(ResizeRequest{1, 3, "asked"});
  start();
  for (int64_t step = 1; step <= 12; ++step) {
    commit(step);
    AgentReport report = obedient(0);
    std::erase_if(report.ranks, [this](const RankSlot& slot) {
      return !config::takes_part(core_->state().begun->view.placement,
                                 slot.rank);
    });
    ASSERT_LT(report.ranks.size(), orders_[0].ranks.size());
    tell(report);
    ASSERT_FALSE(core_->state().ended) << step;
  }
  EXPECT_EQ(core_->state().number, 1);
}

TEST_F(LosingRun, CountsNoRankThatIsReleased) {
  start();
  commit(5);
  for (int round = 0; round < 10; ++round) {
    tell(ResizeRequest{2, 1, "asked"});
    obey(0);
    obey(1);
    tell(ResizeRequest{2, 0, "asked"});
    obey(0);
    obey(1);
    ASSERT_NE(last<RankReleased>(), nullptr);
  }
  EXPECT_EQ(core_->state().losses_without_step, 0);
}

TEST_F(LosingRun, GoesOnAsLongAsThereAreStepsBetween) {
  start();
  for (int64_t step = 1; step <= 12; ++step) {
    commit(step);
    lose_a_rank();
    ASSERT_FALSE(core_->state().ended) << step;
    ASSERT_EQ(core_->state().begun->view.start_step, step);
  }
}

}  // namespace
}  // namespace colossus::coordinator
