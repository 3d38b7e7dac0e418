#include "checkpoint/slice_store.h"

#include <algorithm>
#include <atomic>
#include <new>

#include "base/error.h"
#include "base/state_hash.h"

namespace colossus::checkpoint {
namespace {

constexpr uint64_t kMagic = 0x45524f5453434c53;  // "SLCSTORE"
constexpr uint64_t kVersion = 2;
constexpr uint64_t kPage = 4096;
constexpr int64_t kNoStep = -1;

uint64_t round_up(uint64_t value) {
  return (value + kPage - 1) / kPage * kPage;
}

uint64_t flat_bytes(int64_t num_slices, int64_t slice_count) {
  return round_up(static_cast<uint64_t>(num_slices * slice_count) *
                  sizeof(float));
}

// Where the flat vectors begin.
uint64_t preamble_bytes(int64_t num_slices) {
  constexpr uint64_t kEntryBytes = 32;
  return round_up(kPage + 4 * static_cast<uint64_t>(num_slices) * kEntryBytes);
}

}  // namespace

struct SliceStore::Header {
  uint64_t magic, version, num_slices, slice_count;
};

// `step` is written last: it alone says that the slice counts.
struct SliceStore::Entry {
  std::atomic<int64_t> step;
  int64_t view;
  Hash128 hash;
};

uint64_t SliceStore::bytes(int64_t num_slices, int64_t slice_count) {
  return preamble_bytes(num_slices) + 12 * flat_bytes(num_slices, slice_count);
}

SliceStore::SliceStore(std::span<std::byte> memory, int64_t num_slices,
                       int64_t slice_count)
    : memory_(memory), num_slices_(num_slices), slice_count_(slice_count) {
  static_assert(std::atomic<int64_t>::is_always_lock_free);
  COLOSSUS_CHECK(num_slices > 0 && slice_count > 0 &&
                     memory.size() >= bytes(num_slices, slice_count),
                 "{} bytes for {} slices of {}", memory.size(), num_slices,
                 slice_count);
}

SliceStore SliceStore::create(std::span<std::byte> memory, int64_t num_slices,
                              int64_t slice_count) {
  SliceStore store(memory, num_slices, slice_count);
  for (int64_t step = 0; step < 2; ++step) {
    for (int64_t slice = 0; slice < num_slices; ++slice) {
      for (const SliceCopy copy : {SliceCopy::kOwner, SliceCopy::kBackup}) {
        new (&store.entry(copy, slice, step)) Entry{kNoStep, 0, {}};
      }
    }
  }
  new (memory.data())
      Header{kMagic, kVersion, static_cast<uint64_t>(num_slices),
             static_cast<uint64_t>(slice_count)};
  return store;
}

SliceStore SliceStore::attach(std::span<std::byte> memory, int64_t num_slices,
                              int64_t slice_count) {
  SliceStore store(memory, num_slices, slice_count);
  const auto& header = *reinterpret_cast<const Header*>(memory.data());
  if (header.magic != kMagic || header.version != kVersion ||
      header.num_slices != static_cast<uint64_t>(num_slices) ||
      header.slice_count != static_cast<uint64_t>(slice_count)) {
    throw corrupt_file(
        "the shared memory of the run's slices is not a store of {} slices of "
        "{} floats; it belongs to another run or version",
        num_slices, slice_count);
  }
  return store;
}

SliceStore::Entry& SliceStore::entry(SliceCopy copy, int64_t slice,
                                     int64_t step) const {
  static_assert(sizeof(Entry) == 32);
  COLOSSUS_CHECK(slice >= 0 && slice < num_slices_ && step >= 0,
                 "slice {} of {}, step {}", slice, num_slices_, step);
  const int64_t index =
      (static_cast<int64_t>(copy) * num_slices_ + slice) * 2 + step % 2;
  return reinterpret_cast<Entry*>(memory_.data() + kPage)[index];
}

std::atomic<int64_t>& SliceStore::step_of(SliceCopy copy, int64_t slice,
                                          int64_t step) const {
  return entry(copy, slice, step).step;
}

float* SliceStore::flat(SliceCopy copy, int64_t step, int64_t which) const {
  const auto vector = static_cast<uint64_t>(
      (static_cast<int64_t>(copy) * 2 + step % 2) * 3 + which);
  return reinterpret_cast<float*>(memory_.data() + preamble_bytes(num_slices_) +
                                  vector *
                                      flat_bytes(num_slices_, slice_count_));
}

bool SliceStore::holds(SliceCopy copy, int64_t slice, int64_t step) const {
  return step >= 0 &&
         step_of(copy, slice, step).load(std::memory_order_acquire) == step;
}

std::vector<int64_t> SliceStore::steps(SliceCopy copy, int64_t slice) const {
  std::vector<int64_t> found;
  for (int64_t buffer = 0; buffer < 2; ++buffer) {
    const int64_t step =
        step_of(copy, slice, buffer).load(std::memory_order_acquire);
    // A step in the other's buffer is damage, and not held.
    if (step >= 0 && step % 2 == buffer) found.push_back(step);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<int64_t> SliceStore::newest_common_step() const {
  const auto held_by_all = [&](int64_t step) {
    for (int64_t slice = 0; slice < num_slices_; ++slice) {
      if (!holds(SliceCopy::kOwner, slice, step) &&
          !holds(SliceCopy::kBackup, slice, step)) {
        return false;
      }
    }
    return true;
  };
  std::optional<int64_t> newest;
  for (const SliceCopy copy : {SliceCopy::kOwner, SliceCopy::kBackup}) {
    for (const int64_t step : steps(copy, 0)) {
      if (step > newest.value_or(kNoStep) && held_by_all(step)) newest = step;
    }
  }
  return newest;
}

SliceData SliceStore::data(SliceCopy copy, int64_t slice, int64_t step) const {
  const int64_t at = slice * slice_count_;
  return {flat(copy, step, 0) + at, flat(copy, step, 1) + at,
          flat(copy, step, 2) + at};
}

SliceData SliceStore::begin_write(SliceCopy copy, int64_t slice, int64_t step) {
  step_of(copy, slice, step).store(kNoStep);
  // Nothing of the new content may be seen while the old step still counts.
#if !defined(__SANITIZE_THREAD__)  // which has no fences, and needs none
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  return data(copy, slice, step);
}

void SliceStore::complete(SliceCopy copy, int64_t slice, int64_t step,
                          int64_t view, const Hash128& hash) {
  Entry& e = entry(copy, slice, step);
  e.view = view;
  e.hash = hash;
  e.step.store(step, std::memory_order_release);
}

void SliceStore::discard(SliceCopy copy, int64_t slice, int64_t step) {
  step_of(copy, slice, step).store(kNoStep);
}

const SliceStore::Entry& SliceStore::held(SliceCopy copy, int64_t slice,
                                          int64_t step) const {
  COLOSSUS_CHECK(holds(copy, slice, step), "slice {} at step {}", slice, step);
  return entry(copy, slice, step);
}

int64_t SliceStore::view(SliceCopy copy, int64_t slice, int64_t step) const {
  return held(copy, slice, step).view;
}

Hash128 SliceStore::hash(SliceCopy copy, int64_t slice, int64_t step) const {
  return held(copy, slice, step).hash;
}

std::optional<Hash128> SliceStore::find_hash(SliceCopy copy, int64_t slice,
                                             int64_t step) const {
  if (!holds(copy, slice, step)) return std::nullopt;
  return entry(copy, slice, step).hash;
}

bool SliceStore::passes_hash(SliceCopy copy, int64_t slice,
                             int64_t step) const {
  const SliceData d = data(copy, slice, step);
  return hash_state(slice_count_, d.w, d.m, d.v) == hash(copy, slice, step);
}

SliceData SliceStore::owners(int64_t step) const {
  return data(SliceCopy::kOwner, 0, step);
}

}  // namespace colossus::checkpoint
