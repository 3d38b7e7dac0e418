#include "checkpoint/checkpoint_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file_system_fault.h"
#include "base/temporary_folder.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/test_state.h"

namespace colossus::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

void submit(CheckpointWriter& writer, const TestState& state) {
  writer.submit(state.info(), state.w, state.m, state.v);
}

bool is_sound(const std::string& run, int64_t step) {
  return holds_its_state(VerifiedCheckpoint(checkpoint_folder(run, step),
                                            Parts::kWeightsAndOptimizer));
}

class CheckpointWriterTest : public ::testing::Test {
 protected:
  const TemporaryFolder folder;
  const std::string run = folder / "run";
  const tensor::TensorLayout layout = TestState(0).layout;
  std::vector<float> buffer = std::vector<float>(3 * TestState::kFlatSize);
};

TEST_F(CheckpointWriterTest, WhatWasSubmittedIsThereAfterWait) {
  CheckpointStore store(real_file_system(), run, {.keep_last = 5});
  CheckpointWriter writer(store, layout, buffer);
  for (const int64_t step : {1, 2, 3}) submit(writer, TestState(step));
  writer.wait();
  EXPECT_THAT(list_checkpoints(run), ElementsAre(1, 2, 3));
  for (const int64_t step : {1, 2, 3}) EXPECT_TRUE(is_sound(run, step));
}

TEST_F(CheckpointWriterTest, TheRunMayChangeItsStateRightAfterSubmit) {
  CheckpointStore store(real_file_system(), run, {});
  CheckpointWriter writer(store, layout, buffer);
  TestState state(1);
  submit(writer, state);
  std::fill(state.w.begin(), state.w.end(), 0.0f);
  writer.wait();
  EXPECT_TRUE(is_sound(run, 1));
}

TEST_F(CheckpointWriterTest, EndingItFinishesTheWriteUnderWay) {
  CheckpointStore store(real_file_system(), run, {});
  {
    CheckpointWriter writer(store, layout, buffer);
    submit(writer, TestState(1));
  }
  EXPECT_TRUE(is_sound(run, 1));
}

TEST_F(CheckpointWriterTest, AnErrorComesOutOnceAtWait) {
  FaultFileSystem fs(real_file_system(), Fault::kDiskFull, 5);
  CheckpointStore store(fs, run, {});
  CheckpointWriter writer(store, layout, buffer);
  submit(writer, TestState(1));
  EXPECT_THAT([&] { writer.wait(); },
              ThrowsMessage<RunError>(HasSubstr("disk full")));
  EXPECT_NO_THROW(writer.wait());
}

TEST_F(CheckpointWriterTest, AnErrorComesOutAtTheNextSubmitAndLaterOnesWork) {
  FaultFileSystem fs(real_file_system(), Fault::kInputOutput, 5);
  CheckpointStore store(fs, run, {});
  CheckpointWriter writer(store, layout, buffer);
  submit(writer, TestState(1));
  EXPECT_THROW(submit(writer, TestState(2)), RunError);
  submit(writer, TestState(3));
  writer.wait();
  EXPECT_THAT(list_checkpoints(run), ElementsAre(3));
}

}  // namespace
}  // namespace colossus::checkpoint
