#include "agent/machine_report.h"

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <vector>

#include "base/state_hash.h"

namespace colossus::agent {
namespace {

using checkpoint::SliceCopy;
using checkpoint::SliceStore;
using distributed::SlotReport;
using distributed::SlotState;

constexpr int64_t kSlices = 2, kCount = 16;

TEST(NoteFindings, TakesThoseOfTheViewThatTheRankWorksIn) {
  SlotReport report;
  report.state = SlotState::kRunning;
  report.rank = 4;
  report.number = 7;
  report.difference = {.kind = 1,
                       .view = 7,
                       .step = 12,
                       .shard = 3,
                       .first_rank = 4,
                       .second_rank = 5,
                       .first_hash = {1, 2},
                       .second_hash = {3, 4}};
  report.recomputed = {.view = 7, .step = 12, .shard = 3, .hash = {5, 6}};
  protocol::RankSlot slot;
  slot.rank = 4;
  note_findings(report, slot);
  ASSERT_TRUE(slot.difference.has_value());
  EXPECT_EQ(slot.difference->kind, protocol::DifferenceKind::kUpdate);
  EXPECT_EQ(slot.difference->second_rank, 5);
  EXPECT_EQ(slot.difference->second_hash, (Hash128{3, 4}));
  EXPECT_EQ(slot.recomputed->rank, 4);
  EXPECT_EQ(slot.recomputed->hash, (Hash128{5, 6}));
  report.number = 8;
  note_findings(report, slot);
  EXPECT_FALSE(slot.difference.has_value());
  EXPECT_FALSE(slot.recomputed.has_value());
}

// A store in memory of its own.
class Memory {
 public:
  Memory() : bytes_(SliceStore::bytes(kSlices, kCount) + 64) {
    void* begin = bytes_.data();
    size_t size = bytes_.size();
    std::align(64, size - 64, begin, size);
    span_ = {static_cast<std::byte*>(begin), size};
  }
  SliceStore store() { return SliceStore::create(span_, kSlices, kCount); }

 private:
  std::vector<std::byte> bytes_;
  std::span<std::byte> span_;
};

void write(SliceStore& store, SliceCopy copy, int64_t slice, float value) {
  const checkpoint::SliceData d = store.begin_write(copy, slice, 6);
  for (int64_t i = 0; i < kCount; ++i) d.w[i] = d.m[i] = d.v[i] = value;
  store.complete(copy, slice, 6, 3, hash_state(kCount, d.w, d.m, d.v));
}

TEST(CopiesAnswer, LeavesOutWhatFailsItsHashOnlyWhenItLooks) {
  Memory memory;
  SliceStore store = memory.store();
  const SliceCopy copy = SliceCopy::kBackup;
  for (int64_t slice = 0; slice < kSlices; ++slice) {
    write(store, copy, slice, 1);
  }
  store.data(copy, 1, 6).m[5] = 2;
  CopiesAnswer answer;
  EXPECT_TRUE(answer.answer(store, 1, false).at(1).sound);
  const auto copies = answer.answer(store, 2, true);
  ASSERT_EQ(copies.size(), 2u);
  EXPECT_TRUE(copies[0].sound);
  EXPECT_EQ(copies[0].hash, store.hash(copy, 0, 6));
  EXPECT_FALSE(copies[1].sound);
  EXPECT_FALSE(store.holds(copy, 1, 6));
  EXPECT_EQ(answer.answer(store, 2, true).size(), 2u) << "said again";
  EXPECT_EQ(answer.answer(store, 3, true).size(), 1u);
}

// The backup of a step that was stored with a wrong gradient, and made again by
// the owner alone.
TEST(DiscardOtherStates, LeavesNoneThatAViewDoesNotStartFrom) {
  Memory memory;
  SliceStore store = memory.store();
  write(store, SliceCopy::kOwner, 0, 1);
  write(store, SliceCopy::kBackup, 0, 2);
  write(store, SliceCopy::kBackup, 1, 1);
  protocol::BegunView begun;
  begun.view.start_step = 6;
  begun.hash_S = {store.hash(SliceCopy::kOwner, 0, 6),
                  store.hash(SliceCopy::kBackup, 1, 6)};
  discard_other_states(store, begun);
  EXPECT_TRUE(store.holds(SliceCopy::kOwner, 0, 6));
  EXPECT_FALSE(store.holds(SliceCopy::kBackup, 0, 6));
  EXPECT_TRUE(store.holds(SliceCopy::kBackup, 1, 6));
  begun.hash_S.clear();  // from the checkpoint
  discard_other_states(store, begun);
  EXPECT_FALSE(store.holds(SliceCopy::kOwner, 0, 6));
  EXPECT_FALSE(store.holds(SliceCopy::kBackup, 1, 6));
}

}  // namespace
}  // namespace colossus::agent
