#include "runtime/run_display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/clock.h"
#include "runtime/run_view.h"
#include "runtime/trainer.h"

namespace colossus::runtime {
namespace {

using testing::HasSubstr;

// What a display says of one event.
std::string shown(const JournalEvent& event) {
  const config::Config config;
  const ManualClock clock;
  std::ostringstream out;
  RunDisplay(config, clock, out, {}).show(event);
  return out.str();
}

TEST(RunDisplay, SaysWhatBecameOfRanksAndMachines) {
  RankEnded ended;
  ended.rank = 2;
  ended.reason = "rank 2 (process 77) was ended by signal 9 (Killed)";
  EXPECT_EQ(shown(ended), ended.reason + "\n");
  const coordinator::MachineLost lost{1, "machine 1 was silent for 2000 ms"};
  EXPECT_EQ(shown(lost), lost.reason + "\n");
  const coordinator::MachineLeaves leaves{1, "machine 1 is taken out"};
  EXPECT_EQ(shown(leaves), leaves.reason + "\n");
  const coordinator::MachineLeft left{1, "machine 1 has left"};
  EXPECT_EQ(shown(left), left.reason + "\n");
  const coordinator::StragglerFound slow{2, 900, 100, "rank 2 takes 900 us"};
  EXPECT_EQ(shown(slow), slow.reason + "\n");
}

TEST(RunDisplay, SaysWhichViewBeganAndWhy) {
  coordinator::ViewBegun view;
  view.number = 3;
  view.start_step = 12;
  view.reason = "2 ranks take 4 shards";
  EXPECT_EQ(shown(view), "view 3 from step 12: 2 ranks take 4 shards\n");
}

TEST(RunDisplay, SaysWhatDiffered) {
  coordinator::DifferenceFound found;
  found.step = 9;
  found.reason = "rank 1 and rank 2 differ";
  EXPECT_EQ(shown(found), "step 9: rank 1 and rank 2 differ\n");
}

TEST(RunDisplay, KeepsToItselfWhatOnlyProgramsRead) {
  EXPECT_EQ(shown(RankStarted{1, 0, 77}), "");
  EXPECT_EQ(shown(coordinator::PrepareBegun{1, -1, false, "loss"}), "");
  EXPECT_EQ(shown(coordinator::RankAssigned{1, 0, "wanted"}), "");
}

TEST(RunSummary, FollowsTheJournalToTheEnd) {
  const config::Config config;
  TrainingSummary summary;
  StepMetrics step;
  step.loss = 2.5;
  note_in(summary, config, step);
  EXPECT_EQ(summary.loss, 2.5);
  CheckpointSaved saved;
  saved.step = 4;
  saved.path = "runs/x/checkpoints/4";
  note_in(summary, config, saved);
  EXPECT_EQ(summary.step, 4);
  EXPECT_EQ(summary.checkpoint, saved.path);
  note_in(summary, config, RunStopped{6, "asked"});
  EXPECT_EQ(summary.step, 6);
  EXPECT_THAT(summary.checkpoint, HasSubstr("6"));
  EXPECT_FALSE(summary.finished);
  RunFinished finished;
  finished.step = 12;
  finished.val_loss = 3;
  note_in(summary, config, finished);
  EXPECT_TRUE(summary.finished);
  EXPECT_EQ(summary.step, 12);
  EXPECT_EQ(summary.val_loss, 3);
}

}  // namespace
}  // namespace colossus::runtime
