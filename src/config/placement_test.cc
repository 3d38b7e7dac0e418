#include "config/placement.h"

#include <gtest/gtest.h>

namespace colossus::config {
namespace {

TEST(Placement, SaysWhatARankOwnsAndBacksUp) {
  const Placement p{.owner_S = {4, 4, 7, 7}, .backup_S = {7, 7, 4, kNoBackup}};
  EXPECT_EQ(owned_shards(p, 7), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(backed_up_slices(p, 7), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(backed_up_slices(p, 4), (std::vector<int64_t>{2}));
  EXPECT_TRUE(owned_shards(p, 5).empty());
  EXPECT_EQ(hosting_ranks(p), (std::vector<int64_t>{4, 7}));
}

TEST(AlignedBlocks, JoinsWhatTheTreeSumsAlone) {
  EXPECT_EQ(aligned_blocks({0, 1, 2, 3, 4, 5, 6, 7}, 8),
            (std::vector<ShardBlock>{{0, 8}}));
  EXPECT_EQ(aligned_blocks({1, 2, 3}, 4),
            (std::vector<ShardBlock>{{1, 1}, {2, 2}}));
  EXPECT_EQ(aligned_blocks({0, 1, 2, 4, 5, 6}, 8),
            (std::vector<ShardBlock>{{0, 2}, {2, 1}, {4, 2}, {6, 1}}));
  EXPECT_TRUE(aligned_blocks({}, 8).empty());
}

}  // namespace
}  // namespace colossus::config
