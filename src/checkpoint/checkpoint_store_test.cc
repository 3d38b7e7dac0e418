#include "checkpoint/checkpoint_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/test_state.h"

namespace colossus::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

constexpr Parts kAll = Parts::kWeightsAndOptimizer;

class CheckpointStoreTest : public ::testing::Test {
 protected:
  void write(std::initializer_list<int64_t> steps, Retention retention) {
    CheckpointStore store(real_file_system(), run, retention);
    for (const int64_t step : steps) TestState(step).write_to(store);
  }

  const TemporaryFolder folder;
  const std::string run = folder / "run";
};

TEST_F(CheckpointStoreTest, WhatIsWrittenIsReadToTheBit) {
  write({500}, {});
  std::vector<SkippedCheckpoint> skipped;
  const auto checkpoint = newest_good_checkpoint(run, kAll, skipped);
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->info().step, 500);
  EXPECT_TRUE(holds_its_state(*checkpoint));
  EXPECT_THAT(skipped, IsEmpty());
  EXPECT_THAT(list_directory(run + "/checkpoints/step-00000500"),
              ElementsAre("manifest.json", "optimizer.safetensors",
                          "weights.safetensors"));
}

TEST_F(CheckpointStoreTest, PaddingBetweenTensorsIsLeftAlone) {
  write({500}, {});
  std::vector<float> flat(TestState::kFlatSize, 7.0f);
  const TestState state(500);
  VerifiedCheckpoint(checkpoint_folder(run, 500), Parts::kWeights)
      .read_weights(state.layout, flat);
  EXPECT_EQ(flat[14], state.w[14]);
  EXPECT_EQ(flat[15], 7.0f);
}

TEST_F(CheckpointStoreTest, TheLastOnesAndEveryMthAreKept) {
  write({0, 5, 10, 15, 20, 25}, {.keep_last = 2, .keep_every = 10});
  EXPECT_THAT(list_checkpoints(run), ElementsAre(0, 10, 20, 25));
}

TEST_F(CheckpointStoreTest, WithoutKeepEveryOnlyTheLastAreKept) {
  write({0, 5, 10}, {.keep_last = 1, .keep_every = 0});
  EXPECT_THAT(list_checkpoints(run), ElementsAre(10));
}

TEST_F(CheckpointStoreTest, ACheckpointOfTheSameStepIsReplaced) {
  write({500, 500}, {});
  EXPECT_THAT(list_directory(run + "/checkpoints"),
              ElementsAre("step-00000500"));
}

TEST_F(CheckpointStoreTest, OpeningRemovesWhatADeadWriterLeft) {
  write({500}, {});
  real_file_system().create_directories(run + "/checkpoints/step-00000600.tmp");
  write({}, {});
  EXPECT_THAT(list_directory(run + "/checkpoints"),
              ElementsAre("step-00000500"));
}

TEST_F(CheckpointStoreTest, OpeningPutsAHalfReplacedCheckpointBack) {
  write({500}, {});
  real_file_system().rename(run + "/checkpoints/step-00000500",
                            run + "/checkpoints/step-00000500.old");
  EXPECT_THAT(list_checkpoints(run), IsEmpty());
  write({}, {});
  EXPECT_THAT(list_checkpoints(run), ElementsAre(500));
}

TEST_F(CheckpointStoreTest, ARunWithoutCheckpointsHasNone) {
  std::vector<SkippedCheckpoint> skipped;
  EXPECT_FALSE(newest_good_checkpoint(run, kAll, skipped));
  EXPECT_THAT([&] { resolve_checkpoint(run); },
              ThrowsMessage<UserError>(HasSubstr(run)));
}

TEST_F(CheckpointStoreTest, ADamagedOneIsNamedAndTheOneBeforeItUsed) {
  write({500, 600}, {});
  const std::string path = checkpoint_folder(run, 600) + "/" + kOptimizerFile;
  flip_bit(path, file_size(path) - 1, 3);
  std::vector<SkippedCheckpoint> skipped;
  const auto checkpoint = newest_good_checkpoint(run, kAll, skipped);
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->info().step, 500);
  ASSERT_EQ(skipped.size(), 1u);
  EXPECT_EQ(skipped[0].step, 600);
  EXPECT_THAT(skipped[0].reason,
              AllOf(HasSubstr(path), HasSubstr("between offset 0 and")));
}

TEST_F(CheckpointStoreTest, WhenAllAreDamagedThatIsAnError) {
  write({500}, {});
  real_file_system().remove_file(checkpoint_folder(run, 500) + "/" +
                                 kWeightsFile);
  std::vector<SkippedCheckpoint> skipped;
  EXPECT_THAT([&] { newest_good_checkpoint(run, kAll, skipped); },
              ThrowsMessage<CorruptFile>(AllOf(
                  HasSubstr("damaged"), HasSubstr("weights.safetensors"))));
}

TEST_F(CheckpointStoreTest, ADamagedNewerOneDoesNotPushOutASoundOne) {
  write({500, 1000}, {.keep_last = 1, .keep_every = 500});
  flip_bit(checkpoint_folder(run, 1000) + "/" + kWeightsFile, 300, 0);
  write({600}, {.keep_last = 1});
  EXPECT_THAT(list_checkpoints(run), ElementsAre(600, 1000));
  write({1000}, {.keep_last = 1});
  EXPECT_THAT(list_checkpoints(run), ElementsAre(1000));
  EXPECT_TRUE(
      holds_its_state(VerifiedCheckpoint(checkpoint_folder(run, 1000), kAll)));
}

TEST_F(CheckpointStoreTest, AnotherModelIsAUserErrorThatNamesTheTensor) {
  write({500}, {});
  const VerifiedCheckpoint checkpoint(checkpoint_folder(run, 500), kAll);
  std::vector<float> flat(TestState::kFlatSize);
  tensor::TensorLayout layout = TestState(0).layout;
  layout[1].shape = {8};
  EXPECT_THAT(
      [&] { checkpoint.read_weights(layout, flat); },
      ThrowsMessage<UserError>(AllOf(HasSubstr("model.norm.weight"),
                                     HasSubstr("[7]"), HasSubstr("[8]"))));
  layout.pop_back();
  EXPECT_THROW(checkpoint.read_weights(layout, flat), UserError);
}

TEST_F(CheckpointStoreTest, ARenamedFolderIsNotTakenForItsStep) {
  write({500}, {});
  real_file_system().rename(checkpoint_folder(run, 500),
                            checkpoint_folder(run, 700));
  EXPECT_THROW(VerifiedCheckpoint(checkpoint_folder(run, 700), kAll),
               CorruptFile);
}

TEST_F(CheckpointStoreTest, PathsOfRunsAndCheckpointsAreResolved) {
  write({500, 600}, {});
  const std::string newest = checkpoint_folder(run, 600);
  EXPECT_EQ(resolve_checkpoint(run), newest);
  EXPECT_EQ(resolve_checkpoint(newest), newest);
  EXPECT_EQ(resolve_checkpoint(run, 500), checkpoint_folder(run, 500));
  EXPECT_THAT([&] { resolve_checkpoint(run, 550); },
              ThrowsMessage<UserError>(HasSubstr("500 600")));
  EXPECT_THROW(resolve_checkpoint(run + "x"), UserError);
}

TEST_F(CheckpointStoreTest, OnlyItsOwnNamesAreSteps) {
  EXPECT_EQ(step_of_folder_name("step-00000500"), 500);
  EXPECT_EQ(step_of_folder_name("step-123456789"), 123456789);
  for (const char* name : {"step-500", "step-00000500.tmp", "step--0000001",
                           "step-", "stop-00000500", "step-000000500"}) {
    EXPECT_EQ(step_of_folder_name(name), std::nullopt) << name;
  }
}

TEST_F(CheckpointStoreTest, FreeDiskIsCheckedWithItsSum) {
  const tensor::TensorLayout layout = TestState(0).layout;
  write({500}, {});
  const std::string checkpoint = checkpoint_folder(run, 500);
  const uint64_t each = file_size(checkpoint + "/" + kWeightsFile) +
                        file_size(checkpoint + "/" + kOptimizerFile);
  EXPECT_EQ(checkpoint_bytes(layout), each);
  // One of the last two is there: two more are to come.
  EXPECT_NO_THROW(check_free_disk(run, layout, {}, {}, 2 * each));
  EXPECT_THAT([&] { check_free_disk(run, layout, {}, {}, 2 * each - 1); },
              ThrowsMessage<UserError>(
                  AllOf(HasSubstr("2 x"), HasSubstr("run.keep_last"))));
}

TEST_F(CheckpointStoreTest, FreeDiskCountsWhatIsKeptForGood) {
  const tensor::TensorLayout layout = TestState(0).layout;
  const uint64_t each = checkpoint_bytes(layout);
  const Retention retention = {.keep_last = 2, .keep_every = 300};
  // Kept for good: 600 and 1200, the common multiples of 300 and 200.
  const CheckpointSchedule schedule = {.every = 200, .num_steps = 1500};
  EXPECT_NO_THROW(check_free_disk(run, layout, retention, schedule, 5 * each));
  EXPECT_THAT(
      [&] { check_free_disk(run, layout, retention, schedule, 5 * each - 1); },
      ThrowsMessage<UserError>(
          AllOf(HasSubstr("5 x"), HasSubstr("2 by run.keep_every"))));
}

}  // namespace
}  // namespace colossus::checkpoint
