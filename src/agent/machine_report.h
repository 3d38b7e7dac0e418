// What an agent reads off its board and its store of slices for the
// coordinator, and what it passes on to its ranks about audits.
#pragma once

#include <cstdint>
#include <vector>

#include "checkpoint/slice_store.h"
#include "protocol/messages.h"
#include "distributed/board.h"

namespace colossus::agent {

// Differences and recomputed gradients of the view that the rank works in.
void note_findings(const distributed::SlotReport& report,
                   protocol::RankSlot& slot);

distributed::RecomputeCall recompute_call(
    const protocol::RecomputeOrder& order);

// Before ranks learn of a view: discards the copies of its start step that are
// not the state it starts from. Ranks use what they find in place, and may find
// what a step left that was stored, but never counted. All ranks have let go.
void discard_other_states(checkpoint::SliceStore& store,
                          const protocol::BegunView& begun);

// The copies of a machine, as it answers one PREPARE after another. All ranks
// have let go by then, so what was said once stays true until BEGIN; it is
// looked at once.
class CopiesAnswer {
 public:
  // For PREPARE `number`. `verify`: every copy is hashed again; one that fails
  // its own hash is reported as not sound, and discarded, so that no rank uses
  // it in place of a sound one.
  const std::vector<protocol::SliceCopy>& answer(checkpoint::SliceStore& store,
                                                 int64_t number, bool verify);

 private:
  int64_t number_ = 0;
  std::vector<protocol::SliceCopy> copies_;
};

}  // namespace colossus::agent
