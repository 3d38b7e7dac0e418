#include "checkpoint/slice_store.h"

#include <gtest/gtest.h>

#include <sys/mman.h>

#include "base/error.h"
#include "base/state_hash.h"

namespace colossus::checkpoint {
namespace {

constexpr int64_t kSlices = 4, kCount = 48;

// Zero, page-aligned memory, as shared memory is.
class Memory {
 public:
  Memory()
      : bytes_(SliceStore::bytes(kSlices, kCount)),
        base_(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~Memory() { munmap(base_, bytes_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  std::span<std::byte> span() {
    return {static_cast<std::byte*>(base_), bytes_};
  }

 private:
  size_t bytes_;
  void* base_;
};

void write(SliceStore& store, SliceCopy copy, int64_t slice, int64_t step) {
  const SliceData d = store.begin_write(copy, slice, step);
  for (int64_t i = 0; i < kCount; ++i) {
    d.w[i] = static_cast<float>(1000 * step + slice);
    d.m[i] = -d.w[i];
    d.v[i] = 2 * d.w[i];
  }
  store.complete(copy, slice, step, 3, hash_state(kCount, d.w, d.m, d.v));
}

TEST(SliceStore, HoldsNothingAtFirst) {
  Memory memory;
  const SliceStore store = SliceStore::create(memory.span(), kSlices, kCount);
  for (int64_t slice = 0; slice < kSlices; ++slice) {
    EXPECT_TRUE(store.steps(SliceCopy::kOwner, slice).empty());
    EXPECT_FALSE(store.holds(SliceCopy::kBackup, slice, 0));
  }
}

TEST(SliceStore, KeepsTheStepBeforeWhileTheNextIsWritten) {
  Memory memory;
  SliceStore store = SliceStore::create(memory.span(), kSlices, kCount);
  write(store, SliceCopy::kOwner, 1, 6);
  write(store, SliceCopy::kOwner, 1, 7);
  EXPECT_EQ(store.steps(SliceCopy::kOwner, 1), (std::vector<int64_t>{6, 7}));
  const SliceData next = store.begin_write(SliceCopy::kOwner, 1, 8);
  next.w[0] = 1;
  EXPECT_EQ(store.steps(SliceCopy::kOwner, 1), (std::vector<int64_t>{7}));
  EXPECT_EQ(store.data(SliceCopy::kOwner, 1, 7).w[0], 7001.0f);
}

TEST(SliceStore, KeepsCopiesAndSlicesApart) {
  Memory memory;
  SliceStore store = SliceStore::create(memory.span(), kSlices, kCount);
  for (int64_t slice = 0; slice < kSlices; ++slice) {
    write(store, SliceCopy::kOwner, slice, 2);
    write(store, SliceCopy::kBackup, slice, 3);
  }
  for (int64_t slice = 0; slice < kSlices; ++slice) {
    const float want = static_cast<float>(2000 + slice);
    const SliceData d = store.data(SliceCopy::kOwner, slice, 2);
    EXPECT_EQ(d.w[0], want);
    EXPECT_EQ(d.m[kCount - 1], -want);
    EXPECT_EQ(d.v[kCount - 1], 2 * want);
    EXPECT_FALSE(store.holds(SliceCopy::kOwner, slice, 3));
    EXPECT_TRUE(store.holds(SliceCopy::kBackup, slice, 3));
    EXPECT_EQ(store.owners(2).w[slice * kCount], want);
    EXPECT_EQ(store.view(SliceCopy::kOwner, slice, 2), 3);
  }
}

TEST(SliceStore, IsSeenByWhoeverAttaches) {
  Memory memory;
  SliceStore store = SliceStore::create(memory.span(), kSlices, kCount);
  write(store, SliceCopy::kOwner, 3, 5);
  const SliceStore other = SliceStore::attach(memory.span(), kSlices, kCount);
  EXPECT_TRUE(other.holds(SliceCopy::kOwner, 3, 5));
}

TEST(SliceStore, RefusesMemoryOfAnotherForm) {
  Memory memory;
  EXPECT_THROW(SliceStore::attach(memory.span(), kSlices, kCount), CorruptFile);
  SliceStore::create(memory.span(), kSlices, kCount);
  EXPECT_THROW(SliceStore::attach(memory.span(), kSlices, kCount / 2),
               CorruptFile);
}

TEST(SliceStore, FindsTheNewestStepThatAllSlicesHaveInSomeCopy) {
  Memory memory;
  SliceStore store = SliceStore::create(memory.span(), kSlices, kCount);
  EXPECT_FALSE(store.newest_common_step().has_value());
  for (int64_t slice = 0; slice < kSlices; ++slice) {
    write(store, SliceCopy::kOwner, slice, 8);
    if (slice != 2) write(store, SliceCopy::kOwner, slice, 9);
  }
  EXPECT_EQ(store.newest_common_step(), 8);
  write(store, SliceCopy::kBackup, 2, 9);
  EXPECT_EQ(store.newest_common_step(), 9);
  store.begin_write(SliceCopy::kOwner, 0, 9);
  EXPECT_EQ(store.newest_common_step(), 8);
}

TEST(SliceStore, KnowsWhetherWhatWasWrittenStillLiesThere) {
  Memory memory;
  SliceStore store = SliceStore::create(memory.span(), kSlices, kCount);
  write(store, SliceCopy::kOwner, 2, 5);
  write(store, SliceCopy::kBackup, 2, 5);
  EXPECT_EQ(store.hash(SliceCopy::kOwner, 2, 5),
            store.hash(SliceCopy::kBackup, 2, 5));
  EXPECT_EQ(store.find_hash(SliceCopy::kOwner, 2, 5),
            store.hash(SliceCopy::kOwner, 2, 5));
  EXPECT_EQ(store.find_hash(SliceCopy::kOwner, 2, 6), std::nullopt);
  const SliceData d = store.data(SliceCopy::kOwner, 2, 5);
  for (float* x : {d.w, d.m, d.v}) {
    EXPECT_TRUE(store.passes_hash(SliceCopy::kOwner, 2, 5));
    const float before = x[kCount - 1];
    x[kCount - 1] = -before;
    EXPECT_FALSE(store.passes_hash(SliceCopy::kOwner, 2, 5));
    EXPECT_TRUE(store.passes_hash(SliceCopy::kBackup, 2, 5));
    x[kCount - 1] = before;
  }
}

TEST(SliceStore, WhatIsDiscardedIsNotHeld) {
  Memory memory;
  SliceStore store = SliceStore::create(memory.span(), kSlices, kCount);
  write(store, SliceCopy::kOwner, 2, 5);
  write(store, SliceCopy::kOwner, 2, 6);
  store.discard(SliceCopy::kOwner, 2, 6);
  EXPECT_EQ(store.steps(SliceCopy::kOwner, 2), (std::vector<int64_t>{5}));
}

}  // namespace
}  // namespace colossus::checkpoint
