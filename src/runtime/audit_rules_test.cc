#include "runtime/audit_rules.h"

#include <gtest/gtest.h>

#include <limits>

namespace colossus::runtime {
namespace {

using config::ShardBlock;

TEST(AuditRules, AuditTheShareThatIsAskedFor) {
  constexpr int64_t kSteps = 20'000, kShards = 8;
  for (const double fraction : {0.0, 0.0025, 0.5, 1.0}) {
    int64_t audited = 0;
    for (int64_t step = 1; step <= kSteps; ++step) {
      for (int64_t shard = 0; shard < kShards; ++shard) {
        audited += is_audited(7, step, shard, fraction);
      }
    }
    const double share = static_cast<double>(audited) / (kSteps * kShards);
    EXPECT_NEAR(share, fraction, 0.2 * fraction * (1 - fraction));
  }
}

TEST(AuditRules, DependOnSeedStepAndShard) {
  int64_t seeds = 0, shards = 0;
  for (int64_t step = 1; step <= 1000; ++step) {
    const bool first = is_audited(1, step, 0, 0.5);
    seeds += first != is_audited(2, step, 0, 0.5);
    shards += first != is_audited(1, step, 1, 0.5);
  }
  EXPECT_NEAR(seeds, 500, 100);
  EXPECT_NEAR(shards, 500, 100);
}

TEST(AuditRules, ABlockIsAuditedByTheBackupOfItsFirstSlice) {
  const config::Placement placement = {.owner_S = {0, 0, 0, 1},
                                       .backup_S = {1, 2, 1, 2}};
  EXPECT_EQ(audited_by(0, placement), (std::vector<ShardBlock>{}));
  EXPECT_EQ(audited_by(1, placement),
            (std::vector<ShardBlock>{{0, 2}, {2, 1}}));
  EXPECT_EQ(audited_by(2, placement), (std::vector<ShardBlock>{{3, 1}}));
  EXPECT_EQ(block_of(0, placement), (ShardBlock{0, 2}));
  EXPECT_EQ(block_of(2, placement), (ShardBlock{2, 1}));
}

TEST(AuditRules, NobodyAuditsWithoutBackups) {
  const config::Placement alone = {
      .owner_S = {0, 0}, .backup_S = {config::kNoBackup, config::kNoBackup}};
  EXPECT_TRUE(audited_by(0, alone).empty());
}

TEST(OutOfLine, IsWhatExceedsTenTimesTheMedian) {
  OutOfLine watch;
  EXPECT_FALSE(watch.note(1000, 1000)) << "the first steps have no others";
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(watch.note(4, 1 + i % 3));
  EXPECT_FALSE(watch.note(39, 19));
  EXPECT_TRUE(watch.note(41, 1));
  EXPECT_TRUE(watch.note(4, 21));
  EXPECT_FALSE(watch.note(4, 1));
  watch.forget();
  EXPECT_FALSE(watch.note(41, 100));
}

TEST(OutOfLine, IsWhatIsNotFinite) {
  OutOfLine watch;
  EXPECT_TRUE(watch.note(std::numeric_limits<double>::quiet_NaN(), 1));
  EXPECT_TRUE(watch.note(1, std::numeric_limits<double>::infinity()));
  EXPECT_FALSE(watch.note(1, 1));
}

}  // namespace
}  // namespace colossus::runtime
