// The memory through which the ranks of a machine exchange gradients and
// weights without copies: for each slot of the board, gradient windows and one
// window of updated slices.
//
// Who writes: the rank that sits in the slot, alone. Who reads: every rank of
// the machine, between the phases of ProcessGroup that say that the window is
// ready and that all have read it. Windows that no rank ever used take no
// memory, so `max_blocks` may be generous.
#pragma once

#include <cstdint>
#include <vector>

#include "config/placement.h"
#include "distributed/shared_memory.h"

namespace colossus::distributed {

struct WindowsLayout {
  int num_slots = 0;
  int max_blocks = 0;        // gradient windows of a slot, one an aligned block
  int64_t padded_count = 0;  // floats of the flat parameter vector
  bool operator==(const WindowsLayout&) const = default;
};

class Windows {
 public:
  static uint64_t bytes(const WindowsLayout& layout);

  // Throws RunError if `memory` is too short for the layout.
  Windows(SharedMemory memory, const WindowsLayout& layout);

  const WindowsLayout& layout() const { return layout_; }
  const SharedMemory& memory() const { return memory_; }

  // padded_count floats, the start of a page.
  float* gradient(int slot, int block) const;
  float* updated(int slot) const;

  // Takes pages for the first `num_blocks` gradient windows of a slot, and for
  // its updated slices if asked.
  void populate(int slot, int num_blocks, bool updated_too) const;
  // Gives back a slot's pages, all of them.
  void release(int slot) const;

 private:
  uint64_t offset(int slot, int window) const;

  SharedMemory memory_;
  WindowsLayout layout_;
};

// The aligned blocks of shards that `rank` owns. Throws RunError if they are
// more than a rank has windows for.
std::vector<config::ShardBlock> blocks_of(const config::View& view,
                                          int64_t rank,
                                          const WindowsLayout& layout);

}  // namespace colossus::distributed
