// Weights and optimizer state of a run in memory that outlives its ranks: what
// a machine holds of the run's slices, each step's beside the step before's.
//
// The caller gives the memory, usually shared by the ranks of a machine and its
// agent; untouched parts of it cost nothing. Step n lies in buffer n mod 2, so
// step n + 1 is written while step n is whole. A rank that is killed in the
// middle leaves step n as it was, and whoever takes over goes on from there
// without a byte moved.
//
//   header | entries [copy, slice, buffer] | flat vectors [copy, buffer, w m
//   v],
//                                          num_slices * slice_count floats each
//
// Each entry has the hash of what was written (base/state_hash.h): whether that
// still lies there can be asked at any time.
//
// Of each slice a machine may hold the owner's copy, the backup's, or both. One
// rank writes a slice of a copy at a time (the view says which); what is
// complete may be read by all.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/hash.h"

namespace colossus::checkpoint {

enum class SliceCopy { kOwner = 0, kBackup = 1 };

// Of a slice: slice_count floats each.
struct SliceData {
  float *w, *m, *v;
};

class SliceStore {
 public:
  static uint64_t bytes(int64_t num_slices, int64_t slice_count);

  // Writes the header into fresh (zero) memory: no slice is held.
  static SliceStore create(std::span<std::byte> memory, int64_t num_slices,
                           int64_t slice_count);
  // Memory that another process wrote. Throws CorruptFile unless it is a store
  // of these sizes.
  static SliceStore attach(std::span<std::byte> memory, int64_t num_slices,
                           int64_t slice_count);

  int64_t num_slices() const { return num_slices_; }
  int64_t slice_count() const { return slice_count_; }

  // Whether the slice is there, complete, as of `step`.
  bool holds(SliceCopy copy, int64_t slice, int64_t step) const;
  // The steps of which it is, ascending; at most two.
  std::vector<int64_t> steps(SliceCopy copy, int64_t slice) const;

  // The greatest step of which every slice is held, in either copy.
  std::optional<int64_t> newest_common_step() const;

  // Where the slice as of `step` lies. Writing goes
  //   begin_write (its buffer no longer counts as any step) - fill - complete.
  SliceData data(SliceCopy copy, int64_t slice, int64_t step) const;
  SliceData begin_write(SliceCopy copy, int64_t slice, int64_t step);
  // `view`: under which it was written; `hash`: of what was.
  void complete(SliceCopy copy, int64_t slice, int64_t step, int64_t view,
                const Hash128& hash);
  // It is no longer held: what lies there is not what was written.
  void discard(SliceCopy copy, int64_t slice, int64_t step);

  // All CHECK that it is held.
  int64_t view(SliceCopy copy, int64_t slice, int64_t step) const;
  Hash128 hash(SliceCopy copy, int64_t slice, int64_t step) const;
  // Nullopt if it is not held; of a slice that is being written, any hash.
  std::optional<Hash128> find_hash(SliceCopy copy, int64_t slice,
                                   int64_t step) const;
  // Reads all of it.
  bool passes_hash(SliceCopy copy, int64_t slice, int64_t step) const;

  // The owners' slices of `step`, all of them as flat vectors; those that other
  // machines own are not there.
  SliceData owners(int64_t step) const;

 private:
  struct Header;
  struct Entry;

  SliceStore(std::span<std::byte> memory, int64_t num_slices,
             int64_t slice_count);
  const Entry& held(SliceCopy copy, int64_t slice, int64_t step) const;
  Entry& entry(SliceCopy copy, int64_t slice, int64_t step) const;
  std::atomic<int64_t>& step_of(SliceCopy copy, int64_t slice,
                                int64_t step) const;
  float* flat(SliceCopy copy, int64_t step, int64_t which) const;

  std::span<std::byte> memory_;
  int64_t num_slices_;
  int64_t slice_count_;
};

}  // namespace colossus::checkpoint
