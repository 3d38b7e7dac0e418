#include "checkpoint/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/checkpoint_store.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/test_state.h"

namespace colossus::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CompareTest : public ::testing::Test {
 protected:
  // Writes the state as a run of its own; returns the checkpoint's folder.
  std::string write(const std::string& name, const TestState& state) {
    CheckpointStore store(real_file_system(), folder / name, {});
    state.write_to(store);
    return checkpoint_folder(folder / name, state.step);
  }

  const TemporaryFolder folder;
};

TEST_F(CompareTest, TheSameStateIsIdenticalAndHashesTheSame) {
  const std::string a = write("a", TestState(5)), b = write("b", TestState(5));
  EXPECT_EQ(diff_text(diff_checkpoints(a, b)), "identical");
  EXPECT_EQ(hash_checkpoint(a), hash_checkpoint(b));
  EXPECT_EQ(hash_checkpoint_text(a), "step 5  " + hash_checkpoint(a).hex());
}

TEST_F(CompareTest, AnyChangeOfTheStateChangesTheHash) {
  using Change = std::function<void(TestState&)>;
  const std::vector<Change> changes = {
      [](TestState&) {},
      [](TestState& s) { s.step = 6; },
      [](TestState& s) { s.w[0] = -s.w[0]; },
      [](TestState& s) { s.m[16] = 0; },
      [](TestState& s) { s.v[46] = 0; },
      [](TestState& s) { std::swap(s.m, s.v); },
      [](TestState& s) { s.layout[0].name = "other"; },
      [](TestState& s) {
        s.layout[0].shape = {5, 3};
      },
  };
  std::set<std::string> hashes;
  for (size_t i = 0; i < changes.size(); ++i) {
    TestState state(5);
    changes[i](state);
    hashes.insert(hash_checkpoint(write(std::to_string(i), state)).hex());
  }
  EXPECT_EQ(hashes.size(), changes.size());
}

TEST_F(CompareTest, TheLayoutOfTheFilesDoesNotCount) {
  const TestState state(5);
  TestState reordered(5);
  std::swap(reordered.layout[0], reordered.layout[2]);
  const std::string a = write("a", state), b = write("b", reordered);
  EXPECT_NE(read_file(a + "/" + kWeightsFile),
            read_file(b + "/" + kWeightsFile));
  EXPECT_EQ(hash_checkpoint(a), hash_checkpoint(b));
  EXPECT_TRUE(diff_checkpoints(a, b).identical());
}

TEST_F(CompareTest, TheFirstDifferenceIsNamedWithIndexAndBits) {
  TestState a(5), b(5);
  a.w[32 + 7] = 1.0f;  // element [2, 1] of the 5 x 3 tensor
  b.w[32 + 7] = -2.0f;
  b.m[0] += 1;
  const CheckpointDiff diff = diff_checkpoints(write("a", a), write("b", b));
  EXPECT_FALSE(diff.identical());
  EXPECT_EQ(diff.num_tensors, 9);
  EXPECT_EQ(diff.num_tensors_differ, 2);
  EXPECT_THAT(
      diff_text(diff),
      AllOf(HasSubstr("'model.layers.0.self_attn.q_proj.weight'"),
            HasSubstr("element [2, 1]: A 1 (0x3f800000), B -2 (0xc0000000)"),
            HasSubstr("2 of 9 tensors differ")));
}

TEST_F(CompareTest, BitsAreComparedNotValues) {
  TestState a(5), b(5);
  a.w[0] = b.w[0] = std::numeric_limits<float>::quiet_NaN();
  const std::string folder_a = write("a", a);
  EXPECT_TRUE(diff_checkpoints(folder_a, write("b", b)).identical());
  a.w[0] = 0.0f;
  b.w[0] = -0.0f;
  EXPECT_THAT(diff_text(diff_checkpoints(write("c", a), write("d", b))),
              HasSubstr("A 0 (0x00000000), B -0 (0x80000000)"));
}

TEST_F(CompareTest, StepsAndFormsThatDifferAreNamed) {
  TestState b(5);
  b.step = 6;
  b.layout[0].shape = {5, 3};
  b.layout[1].name = "other";
  const std::string text =
      diff_text(diff_checkpoints(write("a", TestState(5)), write("b", b)));
  EXPECT_THAT(text, AllOf(HasSubstr("step: A 5, B 6"),
                          HasSubstr("A has F32 [3, 5], B has F32 [5, 3]"),
                          HasSubstr("9 of 12 tensors differ")));
}

TEST_F(CompareTest, DamagedFilesAreNotHashed) {
  const std::string a = write("a", TestState(5));
  flip_bit(a + "/" + kWeightsFile, 0, 0);
  EXPECT_THROW(hash_checkpoint(a), CorruptFile);
  EXPECT_THROW(diff_checkpoints(a, a), CorruptFile);
}

}  // namespace
}  // namespace colossus::checkpoint
