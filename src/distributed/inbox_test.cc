#include "distributed/inbox.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace colossus::distributed {
namespace {

constexpr int64_t kView = 3;
constexpr int64_t kSliceCount = 4;
constexpr uint64_t kSliceBytes = kSliceCount * sizeof(float);

// Rank 0 alone on machine 0; ranks 1 and 2 on machine 1.
config::View small_view() {
  config::View view;
  view.number = kView;
  view.members = {{0, 0, {}}, {1, 1, {}}, {2, 1, {}}};
  view.placement.owner_S = {0, 0, 1, 2};
  view.placement.backup_S = {1, 2, 0, 0};
  return view;
}

class InboxTest : public testing::Test {
 protected:
  InboxTest()
      : plan_(small_view(), 0),
        lanes_(plan_, kSliceCount),
        inbox_(plan_, kView, 1, lanes_, round_) {}

  static FrameHeader frame(FrameKind kind, uint64_t round, int64_t a, int64_t b,
                           uint64_t payload_bytes) {
    FrameHeader header;
    header.kind = kind;
    header.view = kView;
    header.sender = 1;
    header.round = round;
    header.a = a;
    header.b = b;
    header.payload_bytes = payload_bytes;
    return header;
  }

  void take(const FrameHeader& header) {
    const auto payload = inbox_.begin(header);
    EXPECT_EQ(payload.size(), header.payload_bytes);
    std::fill(payload.begin(), payload.end(), std::byte{});
    inbox_.end(header);
  }
  void refuse(const FrameHeader& header) {
    EXPECT_THROW(inbox_.begin(header), RunError)
        << static_cast<int>(header.kind) << " " << header.round << " "
        << header.a << " " << header.b << " " << header.payload_bytes;
  }

  const ExchangePlan plan_;
  Lanes lanes_;
  Round round_{0};
  Inbox inbox_;
};

// Block 1 is shards 2 and 3, of machine 1, whose ranks send slices in turn:
// rank 1 those of even number.
TEST_F(InboxTest, TakesTheSumsThatItsPeerIsToSendOnceARound) {
  ASSERT_EQ(plan_.blocks().size(), 2);
  EXPECT_FALSE(lanes_.has_gradient(1, 2, 0));
  take(frame(FrameKind::kGradient, 0, 1, 2, kSliceBytes));
  EXPECT_TRUE(lanes_.has_gradient(1, 2, 0));
  EXPECT_FALSE(lanes_.has_gradient(1, 2, 1));
  refuse(frame(FrameKind::kGradient, 0, 1, 2, kSliceBytes));  // again
  refuse(frame(FrameKind::kGradient, 1, 1, 2, kSliceBytes));  // too early
  round_ = 1;
  take(frame(FrameKind::kGradient, 1, 1, 2, kSliceBytes));
  refuse(frame(FrameKind::kGradient, 0, 1, 0, kSliceBytes));  // too late
}

TEST_F(InboxTest, RefusesSlicesThatAreNotItsPeersOrOfAnotherSize) {
  refuse(frame(FrameKind::kGradient, 0, 1, 3, kSliceBytes));  // rank 2's
  refuse(frame(FrameKind::kGradient, 0, 0, 2, kSliceBytes));  // our block
  refuse(frame(FrameKind::kGradient, 0, 2, 2, kSliceBytes));  // no block
  refuse(frame(FrameKind::kGradient, 0, 1, 4, kSliceBytes));  // no slice
  refuse(frame(FrameKind::kGradient, 0, 1, int64_t{1} << 62, kSliceBytes));
  refuse(frame(FrameKind::kGradient, 0, int64_t{1} << 62, 2, kSliceBytes));
  refuse(frame(FrameKind::kGradient, 0, 1, 2, kSliceBytes - 1));
  refuse(frame(FrameKind::kGradient, 0, 1, 2, uint64_t{1} << 60));
  refuse(frame(FrameKind::kWeights, 0, 0, 3, kSliceBytes));  // rank 2's
  refuse(frame(FrameKind::kWeights, 0, 0, 0, kSliceBytes));  // ours
  take(frame(FrameKind::kWeights, 0, 0, 2, kSliceBytes));
}

TEST_F(InboxTest, TakesRoundsInTheirOrderAndNoneThatCannotBeYet) {
  refuse(frame(FrameKind::kMeet, 2, 0, 0, 0));
  refuse(frame(FrameKind::kMeet, 0, 0, 0, 0));
  take(frame(FrameKind::kMeet, 1, 9, 0, 0));
  EXPECT_EQ(inbox_.reached(), 1);
  EXPECT_EQ(inbox_.wish(1), 9);
  // It cannot know that all others are there: this rank is not.
  refuse(frame(FrameKind::kMeet, 2, 0, 0, 0));
  round_ = 1;
  take(frame(FrameKind::kMeet, 2, 0, 0, 0));
  EXPECT_EQ(inbox_.wish(1), 9) << "still in use";
}

TEST_F(InboxTest, TakesItsPeersRowsAndNoMore) {
  // Rank 1 owns one shard and backs up one.
  refuse(frame(FrameKind::kValues, 1, 0, 2, 3 * sizeof(double)));
  refuse(frame(FrameKind::kValues, 1, 2, 2, 2 * sizeof(double)));
  refuse(frame(FrameKind::kValues, 1, 0, 0, 0));
  refuse(frame(FrameKind::kValues, 1, 0, 1025, 1025 * sizeof(double)));
  refuse(frame(FrameKind::kValues, 1, 0, int64_t{1} << 61, 0));
  take(frame(FrameKind::kValues, 1, 0, 2, 2 * sizeof(double)));
  EXPECT_EQ(inbox_.reached(), 1);
  EXPECT_EQ(inbox_.rows(1, 0, 2)[1], 0.0);
  EXPECT_THROW(inbox_.rows(1, 0, 3), RunError);
  EXPECT_THROW(inbox_.rows(1, 1, 2), RunError);
}

TEST_F(InboxTest, RefusesOtherViewsSendersAndKinds) {
  FrameHeader other = frame(FrameKind::kMeet, 1, 0, 0, 0);
  other.view = kView + 1;
  refuse(other);
  other = frame(FrameKind::kMeet, 1, 0, 0, 0);
  other.sender = 2;
  refuse(other);
  refuse(frame(FrameKind::kHello, 1, 0, 0, 0));
  refuse(frame(FrameKind::kSlicePart, 0, 0, 0, kSliceBytes));
  refuse(frame(FrameKind::kMeet, 1, 0, 0, 8));
  refuse(frame(FrameKind::kBeat, 0, 0, 0, 8));
  EXPECT_FALSE(inbox_.has_left());
  take(frame(FrameKind::kGoodbye, 0, 0, 0, 0));
  EXPECT_TRUE(inbox_.has_left());
}

}  // namespace
}  // namespace colossus::distributed
