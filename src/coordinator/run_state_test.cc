#include "coordinator/run_state.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/error.h"

namespace colossus::coordinator {
namespace {

ViewBegun view(int64_t number) {
  ViewBegun v;
  v.number = number;
  v.members = {0};
  v.machines = {7};
  v.owners = {0, 0};
  v.backups = {-1, -1};
  v.owner_sources = {-1, -1};
  v.backup_sources = {-1, -1};
  return v;
}

std::vector<Decision> short_journal() {
  return {SizeAsked{2, 1, "new run"},
          MachineJoined{7, "joined"},
          RankAssigned{0, 7, "wanted"},
          RankAssigned{1, 7, "wanted"},
          PrepareBegun{1, kAtOnce, false, "start"},
          view(1),
          CheckpointCommitted{1, 4, "saved"},
          RankLost{1, 0, "killed"}};
}

TEST(RunState, IsWhatTheJournalSays) {
  const RunState state = replay(short_journal());
  EXPECT_EQ(state.version, 8);
  EXPECT_EQ(state.wanted_ranks, 2);
  EXPECT_EQ(state.next_rank, 2);
  ASSERT_EQ(state.ranks.size(), 1u);
  EXPECT_EQ(state.ranks[0].rank, 0);
  EXPECT_EQ(state.number, 1);
  EXPECT_FALSE(state.preparing);
  EXPECT_EQ(state.begun->view.placement.owner_S, (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(state.checkpoint_step, 4);
  EXPECT_TRUE(state == replay(short_journal()));
}

TEST(RunState, DiffersAfterEveryRecord) {
  const std::vector<Decision> journal = short_journal();
  for (size_t n = 0; n < journal.size(); ++n) {
    const std::span<const Decision> all(journal);
    EXPECT_FALSE(replay(all.first(n)) == replay(all.first(n + 1))) << n;
  }
}

TEST(RunState, ALostMachineTakesItsRanksWithIt) {
  std::vector<Decision> journal = short_journal();
  journal.push_back(MachineLost{7, "silent"});
  const RunState state = replay(journal);
  EXPECT_TRUE(state.ranks.empty());
  EXPECT_FALSE(state.machine(7)->present);
}

TEST(RunState, AMachineLeavesForGoodAndWithoutALoss) {
  std::vector<Decision> journal = short_journal();
  const int64_t losses = replay(journal).losses_without_step;
  journal.push_back(MachineLeaves{7, "asked"});
  journal.push_back(RankReleased{0, "machine 7 leaves"});
  journal.push_back(MachineLeft{7, "nothing is lost"});
  const RunState state = replay(journal);
  EXPECT_FALSE(state.machine(7)->present);
  EXPECT_TRUE(state.machine(7)->left);
  EXPECT_EQ(state.losses_without_step, losses);
  journal.push_back(MachineJoined{7, "again"});
  EXPECT_THROW(replay(journal), CorruptFile);
}

TEST(RunState, CountsLossesUntilAViewBeginsFurtherOn) {
  std::vector<Decision> journal = short_journal();
  EXPECT_EQ(replay(journal).losses_without_step, 1);
  journal.push_back(RankAssigned{2, 7, "wanted"});
  journal.push_back(RankLost{2, 0, "killed"});
  EXPECT_EQ(replay(journal).losses_without_step, 2);
  ViewBegun again = view(2);
  journal.push_back(PrepareBegun{2, kAtOnce, false, "loss"});
  journal.push_back(again);  // from where the one before began
  EXPECT_EQ(replay(journal).losses_without_step, 2);
  ViewBegun further = view(3);
  further.start_step = 1;
  journal.push_back(PrepareBegun{3, kAtOnce, false, "loss"});
  journal.push_back(further);
  EXPECT_EQ(replay(journal).losses_without_step, 0);
}

// Of spares, say: no view ends by it.
TEST(RunState, StartsToCountAgainWhenStepsWereDoneBetweenTwoLosses) {
  std::vector<Decision> journal = short_journal();
  for (const int64_t rank : {2, 3, 4}) {
    journal.push_back(RankAssigned{rank, 7, "wanted"});
  }
  journal.push_back(RankLost{2, 5, "killed"});
  EXPECT_EQ(replay(journal).losses_without_step, 1);
  journal.push_back(RankLost{3, 5, "killed"});
  EXPECT_EQ(replay(journal).losses_without_step, 2);
  journal.push_back(RankLost{4, 6, "killed"});
  EXPECT_EQ(replay(journal).losses_without_step, 1);
}

TEST(RunState, CountsStepsThatAreMadeAgainAfterARestore) {
  std::vector<Decision> journal = short_journal();
  for (const int64_t rank : {2, 3}) {
    journal.push_back(RankAssigned{rank, 7, "wanted"});
  }
  journal.push_back(RankLost{2, 5, "killed"});
  journal.push_back(PrepareBegun{2, kAtOnce, false, "loss"});
  journal.push_back(view(2));  // from step 0
  EXPECT_EQ(replay(journal).losses_without_step, 1);
  journal.push_back(RankLost{3, 2, "killed"});
  EXPECT_EQ(replay(journal).losses_without_step, 1);
}

TEST(RunState, AReleasedRankIsNoLoss) {
  std::vector<Decision> journal = short_journal();
  journal.push_back(RankReleased{0, "two are too many"});
  EXPECT_TRUE(replay(journal).ranks.empty());
  EXPECT_EQ(replay(journal).losses_without_step, 1);
}

TEST(RunState, TwoThatCountOtherLossesDiffer) {
  const RunState a = replay(short_journal());
  for (int part = 0; part < 3; ++part) {
    RunState b = a;
    if (part == 0) ++b.losses_without_step;
    if (part == 1) ++b.step_at_loss;
    if (part == 2) b.last_loss += " again";
    EXPECT_FALSE(a == b) << part;
  }
}

TEST(RunState, KnowsWhichStepsOfOldViewsWereChecked) {
  std::vector<Decision> journal = short_journal();
  ViewBegun second = view(2);
  second.checked_view = 1;
  second.checked_step = 3;
  journal.push_back(PrepareBegun{2, kAtOnce, false, "loss"});
  journal.push_back(second);
  const std::vector<TrustedSteps> known = {{1, 3}, {2, 0}};
  EXPECT_EQ(replay(journal).views, known);
}

TEST(RunState, SaysHowTheRunEnded) {
  std::vector<Decision> journal = short_journal();
  journal.push_back(RunEnded{9, true, "the disk is full"});
  const RunState state = replay(journal);
  EXPECT_TRUE(state.ended);
  EXPECT_TRUE(state.failed);
  EXPECT_EQ(state.end_step, 9);
  EXPECT_TRUE(state.ranks.empty());
}

TEST(RunState, RefusesRecordsThatContradictThoseBefore) {
  const std::vector<Decision> contradictions = {
      RankAssigned{5, 7, "a number that is not next"},
      RankAssigned{2, 8, "a machine that nobody knows"},
      RankLost{1, 0, "lost already"},
      RankReleased{1, "lost already"},
      MachineLost{8, "unknown"},
      MachineLeaves{8, "unknown"},
      MachineLeft{7, "still at work"},
      PrepareBegun{1, kAtOnce, false, "an old number"},
      view(1),
      view(2),
      SizeAsked{0, 0, "none"},
      CheckpointCommitted{1, 3, "older than the newest"}};
  for (const Decision& wrong : contradictions) {
    std::vector<Decision> journal = short_journal();
    journal.push_back(wrong);
    EXPECT_THROW(replay(journal), CorruptFile) << wrong.index();
  }
}

TEST(RunState, RefusesAViewWhoseListsDoNotFitTogether) {
  for (int broken = 0; broken < 7; ++broken) {
    ViewBegun v = view(2);
    if (broken == 0) v.machines.clear();
    if (broken == 1) v.backups.pop_back();
    if (broken == 2) v.owner_sources.pop_back();
    if (broken == 3) v.hashes.resize(1);
    if (broken == 4) v.owners.clear();
    if (broken == 5) v.endpoints = {1, 2};
    if (broken == 6) v.endpoints = {int64_t{1} << 48};
    std::vector<Decision> journal = short_journal();
    journal.push_back(PrepareBegun{2, kAtOnce, false, "again"});
    journal.push_back(v);
    EXPECT_THROW(replay(journal), CorruptFile) << broken;
  }
}

// Names the fields that it is shown.
struct Names {
  std::vector<std::string> names;
  template <typename Value>
  void field(const char* name, Value&) {
    names.push_back(name);
  }
};

TEST(Decision, EveryRecordHasANameAndAReason) {
  std::set<std::string> seen;
  const auto look = [&seen](auto record) {
    Names names;
    record.visit_fields(names);
    EXPECT_EQ(names.names.back(), "reason") << record.kName;
    EXPECT_TRUE(seen.insert(record.kName).second) << record.kName;
  };
  const auto look_at_all =
      [&look]<typename... Records>(std::variant<Records...>) {
        (look(Records{}), ...);
      };
  look_at_all(Decision{});
  EXPECT_EQ(seen.size(), std::variant_size_v<Decision>);
}

}  // namespace
}  // namespace colossus::coordinator
