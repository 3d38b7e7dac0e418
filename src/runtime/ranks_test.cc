// Ranks that train together, as threads over private memory: however shards are
// placed, and however often that changes in the middle, the bits are those of a
// rank that is alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "runtime/ranks_testing.h"

namespace colossus::runtime {
namespace {

using checkpoint::SliceCopy;
using distributed::PostedKind;
using distributed::SlotState;

constexpr int kSlots = 4;

// A machine whose agent's work is done by hand.
class Machine : public RankThreads {
 public:
  Machine(const config::Config& config, const TrainingData& data)
      : RankThreads(config, data, kSlots), last_step_(config.run.steps) {}

  // PREPARE, the answers of the ranks in `from`, BEGIN.
  void change_view(const std::vector<int>& from, config::View view) {
    ++number_;
    call(PostedKind::kPrepare);
    await_prepared(from);
    ++number_;
    view.number = number_;
    view.start_step = store().newest_common_step().value_or(start_step);
    last_start = view.start_step;
    view_ = view;
    view_slots_ = from;
    post(PostedKind::kBegin, view);
  }

  // After the next commit.
  void call_at_commit(const std::vector<int>& from) {
    ++number_;
    call(PostedKind::kPrepareAtCommit);
    await_prepared(from);
  }

  void await_commit(int slot, int64_t step) {
    while (board().report(slot).committed_step < step) {
      std::this_thread::yield();
    }
  }

  // Once the last step is committed: a view to stop in, as the coordinator
  // gives.
  void finish() {
    await_commit(view_slots_.front(), last_step_);
    config::View stop = view_;
    stop.stop = true;
    change_view(view_slots_, stop);
    join();
  }

  int64_t committed_step(int slot) {
    return board().report(slot).committed_step;
  }

  // Whether owner and backup hold the same bits of every slice.
  bool copies_agree(int64_t step) {
    for (int64_t slice = 0; slice < store().num_slices(); ++slice) {
      const bool same = store().hash(SliceCopy::kOwner, slice, step) ==
                            store().hash(SliceCopy::kBackup, slice, step) &&
                        store().passes_hash(SliceCopy::kOwner, slice, step) &&
                        store().passes_hash(SliceCopy::kBackup, slice, step);
      if (!same) return false;
    }
    return true;
  }

  // Rank r owns shards [begin of r, begin of r + 1), the next one backs up.
  config::View view_of(const std::vector<int64_t>& ranks,
                       const std::vector<int64_t>& owner_S) const {
    config::View view;
    for (const int64_t rank : ranks) view.members.push_back({rank, 0});
    view.placement.owner_S = owner_S;
    for (const int64_t owner : owner_S) {
      const auto at = std::find(ranks.begin(), ranks.end(), owner);
      const int64_t next = at + 1 == ranks.end() ? ranks.front() : *(at + 1);
      view.placement.backup_S.push_back(ranks.size() > 1 ? next
                                                         : config::kNoBackup);
    }
    return view;
  }

  int64_t start_step = 0;  // if no slice is in memory
  int64_t last_start = 0;

 private:
  void post(PostedKind kind, const config::View& view) {
    board().post({.kind = kind, .view = view, .sequence = 0});
  }

  void call(PostedKind kind) {
    config::View view;
    view.number = number_;
    post(kind, view);
  }

  void await_prepared(const std::vector<int>& slots) {
    for (const int slot : slots) {
      for (;;) {
        const uint32_t news = board().news();
        const auto report = board().report(slot);
        if (report.state == SlotState::kPrepared && report.number == number_) {
          break;
        }
        board().wait_news(news, 1);
      }
    }
  }

  const int64_t last_step_;
  int64_t number_ = 0;
  config::View view_;  // the newest
  std::vector<int> view_slots_;
};

class RanksTest : public RunTest {
 protected:
  std::string quiet_hash(const config::Config& config) {
    return quiet_run(config, data_, dir("quiet"));
  }

  TrainingData data_ = made_up_data();
};

TEST_F(RanksTest, AnyNumberOfRanksGivesTheBitsOfOne) {
  const config::Config config = tiny_config(dir("ranks"));
  const std::string want = quiet_hash(config);
  const std::vector<std::vector<int64_t>> placements = {
      {0, 0, 0, 0}, {0, 0, 1, 1}, {0, 1, 2, 3}, {0, 1, 1, 2}, {1, 0, 0, 1}};
  for (const std::vector<int64_t>& owner_S : placements) {
    std::filesystem::remove_all(dir("ranks"));
    Machine machine(config, data_);
    const int64_t last = *std::max_element(owner_S.begin(), owner_S.end());
    std::vector<int64_t> ranks(static_cast<size_t>(last + 1));
    std::iota(ranks.begin(), ranks.end(), 0);
    for (const int64_t rank : ranks) {
      machine.start_rank(static_cast<int>(rank), rank);
    }
    machine.change_view(std::vector<int>(ranks.begin(), ranks.end()),
                        machine.view_of(ranks, owner_S));
    machine.finish();
    EXPECT_EQ(hash("ranks"), want);
  }
}

// The owner of all shards needs no sum of others, but its backup needs its
// gradients, and time to read them.
TEST_F(RanksTest, ARankThatOwnsAllShardsDoesNotRunAheadOfItsBackup) {
  config::Config config = tiny_config(dir("ranks"));
  config.run.steps = 40;
  Machine machine(config, data_);
  machine.start_rank(0, 0);
  machine.start_rank(1, 1);
  machine.change_view({0, 1}, machine.view_of({0, 1}, {0, 0, 0, 0}));
  machine.await_commit(0, config.run.steps);
  const bool in_step = machine.committed_step(1) >= config.run.steps - 1;
  EXPECT_TRUE(in_step) << "step " << machine.committed_step(1);
  if (in_step) {
    machine.await_commit(1, config.run.steps);
    EXPECT_TRUE(machine.copies_agree(config.run.steps));
  }
  machine.finish();
}

TEST_F(RanksTest, TheChiefReportsEveryStepAndTheEnd) {
  const config::Config config = tiny_config(dir("ranks"));
  Machine machine(config, data_);
  machine.start_rank(0, 0);
  machine.start_rank(1, 1);
  machine.change_view({0, 1}, machine.view_of({0, 1}, {1, 1, 0, 0}));
  machine.finish();
  int64_t steps = 0, validations = 0, checkpoints = 0, ends = 0, views = 0;
  for (const JournalEvent& event : machine.events(1)) {
    steps += std::holds_alternative<StepMetrics>(event);
    validations += std::holds_alternative<Validation>(event);
    checkpoints += std::holds_alternative<CheckpointSaved>(event);
    ends += std::holds_alternative<RunFinished>(event);
    views += std::holds_alternative<ViewReady>(event);
  }
  EXPECT_EQ(steps, 12);
  EXPECT_EQ(validations, 3);
  EXPECT_EQ(checkpoints, 3);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(views, 2);  // the one to stop in is one
  const std::vector<JournalEvent> others = machine.events(0);
  ASSERT_EQ(others.size(), 2u);
  EXPECT_EQ(std::get<RankReady>(others[0]).rank, 0);
  EXPECT_EQ(std::get<MemoryUsed>(others[1]).rank, 0);
  EXPECT_GT(std::get<MemoryUsed>(others[1]).private_bytes, 0);
}

TEST_F(RanksTest, PlacementsThatChangeAtAnyMomentChangeNoBit) {
  config::Config config = tiny_config(dir("ranks"));
  config.run.steps = 60;
  config.run.checkpoint_every = 7;
  const std::string want = quiet_hash(config);
  Machine machine(config, data_);
  for (int slot = 0; slot < 3; ++slot) machine.start_rank(slot, slot);
  const std::vector<std::vector<int64_t>> placements = {
      {0, 0, 1, 2}, {2, 1, 1, 0}, {1, 1, 2, 2}, {0, 1, 2, 0}, {2, 2, 0, 0}};
  for (size_t i = 0; i < placements.size(); ++i) {
    machine.change_view({0, 1, 2}, machine.view_of({0, 1, 2}, placements[i]));
    machine.await_commit(static_cast<int>(placements[i][0]),
                         static_cast<int64_t>(9 * i + 5));
  }
  EXPECT_GT(machine.last_start, 0);
  machine.finish();
  EXPECT_EQ(hash("ranks"), want);
}

TEST_F(RanksTest, ACallAtACommitLosesNoStep) {
  config::Config config = tiny_config(dir("ranks"));
  config.run.steps = 30;
  const std::string want = quiet_hash(config);
  Machine machine(config, data_);
  for (int slot = 0; slot < 2; ++slot) machine.start_rank(slot, slot);
  machine.change_view({0, 1}, machine.view_of({0, 1}, {0, 0, 0, 1}));
  machine.await_commit(0, 4);
  machine.call_at_commit({0, 1});
  machine.change_view({0, 1}, machine.view_of({0, 1}, {0, 0, 1, 1}));
  machine.finish();
  int64_t steps = 0;
  for (const JournalEvent& event : machine.events(0)) {
    steps += std::holds_alternative<StepMetrics>(event);
  }
  EXPECT_EQ(steps, 30);
  EXPECT_EQ(hash("ranks"), want);
}

TEST_F(RanksTest, AStoppedRunGoesOnWithOtherRanks) {
  const config::Config config = tiny_config(dir("ranks"));
  const std::string want = quiet_hash(config);
  int64_t stopped_at = 0;
  {
    Machine machine(config, data_);
    machine.start_rank(0, 0);
    machine.start_rank(1, 1);
    machine.change_view({0, 1}, machine.view_of({0, 1}, {0, 0, 1, 1}));
    machine.await_commit(0, 5);
    config::View stop = machine.view_of({0, 1}, {0, 0, 1, 1});
    stop.stop = true;
    stop.reason = "a test";
    machine.change_view({0, 1}, stop);
    machine.join();
    stopped_at = machine.last_start;
  }
  EXPECT_EQ(checkpoint::list_checkpoints(dir("ranks")).back(), stopped_at);
  Machine machine(config, data_);
  machine.start_step = stopped_at;
  for (int slot = 0; slot < 3; ++slot) machine.start_rank(slot, 7 + slot);
  machine.change_view({0, 1, 2}, machine.view_of({7, 8, 9}, {7, 8, 8, 9}));
  machine.finish();
  EXPECT_EQ(hash("ranks"), want);
}

}  // namespace
}  // namespace colossus::runtime
