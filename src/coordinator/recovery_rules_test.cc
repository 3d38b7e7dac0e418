#include "coordinator/recovery_rules.h"

#include <gtest/gtest.h>

namespace colossus::coordinator {
namespace {

// What a slice's state hashes to.
Hash128 right(int64_t slice, int64_t step) {
  return {static_cast<uint64_t>(slice), static_cast<uint64_t>(step)};
}

SliceCopy copy(int64_t slice, int64_t step, int64_t view = 1) {
  return {slice, step, view, right(slice, step), true};
}

// Two slices; view 1 began at step 0.
StartRequest request(std::vector<MachineAnswer> answers) {
  StartRequest r;
  r.num_shards = 2;
  r.answers = std::move(answers);
  r.views = {{1, 0}};
  return r;
}

TEST(StartChoice, IsTheGreatestStepThatEverySliceHas) {
  const StartChoice choice = choose_start(request(
      {{0, {1, 6}, {copy(0, 5), copy(0, 6)}}, {1, {1, 5}, {copy(1, 5)}}}));
  EXPECT_EQ(choice.step, 5);
  EXPECT_FALSE(choice.from_checkpoint);
  EXPECT_EQ(choice.machines_S, (std::vector<std::vector<int64_t>>{{0}, {1}}));
  EXPECT_EQ(choice.hash_S[1], right(1, 5));
}

TEST(StartChoice, DoesNotTrustAStepThatNobodyChecked) {
  const StartChoice choice = choose_start(
      request({{0, {1, 5}, {copy(0, 5), copy(0, 6), copy(1, 5), copy(1, 6)}}}));
  EXPECT_EQ(choice.step, 5);
}

TEST(StartChoice, TrustsAStepThatOneMachineKnowsToBeChecked) {
  const StartChoice choice = choose_start(
      request({{0, {1, 5}, {copy(0, 6), copy(1, 6)}}, {1, {1, 6}, {}}}));
  EXPECT_EQ(choice.step, 6);
}

TEST(StartChoice, TrustsAnOldCopyThatALaterViewStartedFrom) {
  StartRequest r = request({{0, {2, 9}, {copy(0, 5), copy(1, 5)}}});
  r.views = {{1, 0}, {2, 5}};
  EXPECT_TRUE(choose_start(r).from_checkpoint);
  r.known = {{5, {right(0, 5), right(1, 5)}}};
  EXPECT_EQ(choose_start(r).step, 5);
}

// Found by the prover: machines remember only the newest view's checked step.
TEST(StartChoice, TrustsAnOldStepThatWasKnownToBeCheckedWhenItsViewEnded) {
  StartRequest r = request({{0, {4, 5}, {copy(0, 1), copy(1, 1)}}});
  r.views = {{1, 0}, {2, 2}, {4, 2}};
  EXPECT_TRUE(choose_start(r).from_checkpoint);
  r.views[0].up_to = 2;
  EXPECT_EQ(choose_start(r).step, 1);
  EXPECT_EQ(choose_start(r).checked, (CheckedStep{4, 5}));
}

// Found by the prover: the next view did start from this step, but from others'
// copies of it.
TEST(StartChoice, DoesNotTrustAnOldCopyWithAnotherHashThanTheStart) {
  SliceCopy wrong = copy(0, 5);
  wrong.hash.low ^= 1;
  StartRequest r = request({{0, {2, 9}, {wrong, copy(1, 5)}}});
  r.views = {{1, 0}, {2, 5}};
  r.known = {{5, {right(0, 5), right(1, 5)}}};
  EXPECT_TRUE(choose_start(r).from_checkpoint);
}

TEST(StartChoice, RefusesAStepOfWhichTwoCopiesDiffer) {
  SliceCopy other = copy(0, 6);
  other.hash.low ^= 1;
  const StartChoice choice = choose_start(
      request({{0, {1, 6}, {copy(0, 5), copy(0, 6), copy(1, 5), copy(1, 6)}},
               {1, {1, 6}, {other}}}));
  EXPECT_EQ(choice.step, 5);
}

TEST(StartChoice, LeavesOutACopyThatFailsItsHashAndNamesItsMachine) {
  SliceCopy flipped = copy(0, 6);
  flipped.sound = false;
  const StartChoice choice = choose_start(
      request({{0, {1, 6}, {flipped, copy(1, 6)}}, {1, {1, 6}, {copy(0, 6)}}}));
  EXPECT_EQ(choice.step, 6);
  EXPECT_EQ(choice.machines_S[0], std::vector<int64_t>{1});
  EXPECT_EQ(choice.unsound_machines, std::vector<int64_t>{0});
  EXPECT_NE(choice.reason.find("slice 0 of step 6 in the memory of machine 0"),
            std::string::npos);
}

TEST(StartChoice, TakesTheCheckpointIfASliceIsGone) {
  StartRequest r = request({{0, {1, 6}, {copy(0, 5), copy(0, 6)}}});
  r.checkpoint_step = 3;
  const StartChoice choice = choose_start(r);
  EXPECT_EQ(choice.step, 3);
  EXPECT_TRUE(choice.from_checkpoint);
}

TEST(StartChoice, TakesTheCheckpointIfItIsNewerThanMemory) {
  StartRequest r = request({{0, {1, 6}, {copy(0, 5), copy(1, 5)}}});
  r.checkpoint_step = 6;
  EXPECT_TRUE(choose_start(r).from_checkpoint);
}

TEST(StartChoice, OfANewRunIsItsInitialValues) {
  const StartChoice choice = choose_start(request({{0, {}, {}}}));
  EXPECT_EQ(choice.step, 0);
  EXPECT_TRUE(choice.from_checkpoint);
}

TEST(Source, IsTheRanksOwnMachineIfTheSliceLiesThere) {
  EXPECT_EQ(choose_source({1, 4}, 4), 4);
  EXPECT_EQ(choose_source({1, 4}, 2), 1);
  EXPECT_EQ(choose_source({}, 2), kFromCheckpoint);
}

GradientAudit audit(std::vector<Recomputed> answers) {
  GradientAudit a;
  a.difference.first_rank = 1;
  a.difference.second_rank = 2;
  a.difference.first_hash = {0, 10};
  a.difference.second_hash = {0, 20};
  a.answers = std::move(answers);
  return a;
}

Recomputed answer(int64_t rank, uint64_t hash) {
  return {rank, 0, 0, 0, Hash128{0, hash}};
}

TEST(GradientAudit, AsksAThirdRankWhereThereIsOne) {
  const Difference d = audit({}).difference;
  EXPECT_EQ(ranks_to_ask(d, {1, 2, 5}), std::vector<int64_t>{5});
  EXPECT_EQ(ranks_to_ask(d, {1, 2}), (std::vector<int64_t>{1, 2}));
}

TEST(GradientAudit, WaitsForTheAnswer) {
  EXPECT_EQ(settle_gradient(audit({}), {5}).ruling, Ruling::kWait);
  EXPECT_EQ(settle_gradient(audit({answer(1, 10)}), {1, 2}).ruling,
            Ruling::kWait);
}

TEST(GradientAudit, AThirdRankSettlesIt) {
  const Verdict owner = settle_gradient(audit({answer(5, 20)}), {5});
  EXPECT_EQ(owner.ruling, Ruling::kWrong);
  EXPECT_EQ(owner.wrong_rank, 1);
  EXPECT_EQ(settle_gradient(audit({answer(5, 10)}), {5}).wrong_rank, 2);
}

TEST(GradientAudit, StopsIfThreeDiffer) {
  const Verdict verdict = settle_gradient(audit({answer(5, 30)}), {5});
  EXPECT_EQ(verdict.ruling, Ruling::kStop);
  EXPECT_NE(verdict.reason.find("check"), std::string::npos);
}

TEST(GradientAudit, OfTwoTheOneThatAnswersOtherwiseWasWrong) {
  const auto settle = [](uint64_t first, uint64_t second) {
    return settle_gradient(audit({answer(1, first), answer(2, second)}),
                           {1, 2});
  };
  EXPECT_EQ(settle(20, 20).wrong_rank, 1);
  EXPECT_EQ(settle(10, 10).wrong_rank, 2);
  EXPECT_EQ(settle(10, 20).ruling, Ruling::kStop);
  EXPECT_EQ(settle(30, 30).ruling, Ruling::kStop);
}

}  // namespace
}  // namespace colossus::coordinator
