#include "coordinator/ledger.h"

#include <gtest/gtest.h>

namespace colossus::coordinator {
namespace {

// A run that makes steps of 10 us, at 100 us with step 9 done.
Ledger running() {
  Ledger ledger(0);
  ledger.begun(0, 0);
  ledger.healed(10);
  for (int64_t step = 1; step <= 9; ++step) {
    ledger.committed(10 + 10 * step, step);
  }
  return ledger;
}

TEST(Ledger, AQuietRunLosesOnlyItsStart) {
  const Ledger ledger = running();
  EXPECT_EQ(ledger.lost_us(), 10);
  EXPECT_EQ(ledger.lost_us(Loss::kRebuild), 10);
  EXPECT_DOUBLE_EQ(ledger.goodput(100), 0.9);
}

TEST(Ledger, BooksEachPartOfARecovery) {
  Ledger ledger = running();
  ledger.prepared(110, 104);  // 4 us into step 10 something died
  ledger.begun(113, 9);
  ledger.healed(120);
  ledger.committed(130, 10);
  EXPECT_EQ(ledger.lost_us(Loss::kRedo), 4);
  EXPECT_EQ(ledger.lost_us(Loss::kDetect), 6);
  EXPECT_EQ(ledger.lost_us(Loss::kAgree), 3);
  EXPECT_EQ(ledger.lost_us(Loss::kRebuild), 10 + 7);
  EXPECT_EQ(ledger.lost_us(), 10 + 4 + 6 + 3 + 7);
}

TEST(Ledger, BooksStepsThatAreMadeAgainAsRedo) {
  Ledger ledger = running();
  ledger.prepared(100, 100);
  ledger.begun(100, 7);  // from a checkpoint
  ledger.healed(100);
  ledger.committed(110, 8);
  ledger.committed(120, 9);
  ledger.committed(130, 10);
  EXPECT_EQ(ledger.lost_us(Loss::kRedo), 20);
}

TEST(Ledger, BooksTheWaitForARank) {
  Ledger ledger = running();
  ledger.prepared(100, 100);
  ledger.waits_for_rank(102);
  ledger.rank_came(150);
  ledger.begun(151, 9);
  EXPECT_EQ(ledger.lost_us(Loss::kWaitForSpare), 48);
  EXPECT_EQ(ledger.lost_us(Loss::kAgree), 3);
}

TEST(Ledger, BooksStragglersAndCheckpointsOutOfAStep) {
  Ledger ledger = running();
  ledger.committed(120, 10, 4, 5);
  EXPECT_EQ(ledger.lost_us(Loss::kStraggle), 4);
  EXPECT_EQ(ledger.lost_us(Loss::kCheckpoint), 5);
}

TEST(Ledger, SettlesAWaitThatIsNotOverButNoStep) {
  Ledger ledger = running();
  ledger.settle(105);
  EXPECT_EQ(ledger.lost_us(), 10);
  ledger.prepared(106, 106);
  ledger.waits_for_rank(106);
  ledger.settle(126);
  EXPECT_EQ(ledger.lost_us(Loss::kWaitForSpare), 20);
  ledger.settle(136);
  EXPECT_EQ(ledger.lost_us(Loss::kWaitForSpare), 30);
}

TEST(Ledger, NeverBooksMoreThanTheTimeThatPassed) {
  Ledger ledger = running();
  ledger.committed(110, 10, 1000, 1000);
  ledger.prepared(115, -500);
  ledger.prepared(116, 900);
  ledger.begun(117, 10);
  ledger.prepared(118, 118);
  EXPECT_LE(ledger.lost_us(), 118);
  EXPECT_GE(ledger.goodput(118), 0);
}

}  // namespace
}  // namespace colossus::coordinator
