// All memory that the agent and the ranks of one machine share in a run: the
// board, the gradient windows, the store of slices, a ring of reports for each
// slot. The agent makes it, ranks inherit it, and it lives as long as one of
// them does.
#pragma once

#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "checkpoint/slice_store.h"
#include "distributed/board.h"
#include "distributed/message_ring.h"
#include "distributed/windows.h"

namespace colossus::agent {

// All processes of a machine must have the same.
struct MachineLayout {
  Hash128 run;  // of what changes its bits
  int num_slots = 16;
  int64_t num_shards = 1;
  int64_t padded_count = 0;  // floats of the flat parameter vector
};

class MachineMemory {
 public:
  // Untouched, and so free of cost but for what is used. Throws RunError if the
  // system refuses.
  static MachineMemory create(const MachineLayout& layout);
  // From the descriptors that a rank was started with. Throws RunError or
  // CorruptFile unless they are those of this layout.
  static MachineMemory inherit(const MachineLayout& layout);

  distributed::Board& board() { return board_; }
  const distributed::Windows& windows() const { return windows_; }
  checkpoint::SliceStore& store() { return store_; }
  int num_slots() const { return board_.num_slots(); }
  // `fresh`: for a rank to come; what its predecessor's slot held is gone.
  distributed::MessageRing ring(int slot, bool fresh) const;

  // For a rank to inherit (distributed/process.h), first of all descriptors.
  std::vector<int> fds() const;

 private:
  MachineMemory(const MachineLayout& layout, distributed::Board board,
                distributed::Windows windows, distributed::SharedMemory store,
                distributed::SharedMemory rings, bool fresh);

  distributed::Board board_;
  distributed::Windows windows_;
  distributed::SharedMemory store_memory_, rings_;
  checkpoint::SliceStore store_;
};

}  // namespace colossus::agent
