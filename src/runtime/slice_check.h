// Whether what lies in the store of slices is what was written there.
#pragma once

#include <cstdint>

#include "checkpoint/slice_store.h"
#include "runtime/rank_link.h"

namespace colossus::runtime {

// Reads the copy, which must be held. Returns if it still has the hash `want`;
// else reports that and does not return (RankLink::differ).
void require_sound(RankLink& link, const checkpoint::SliceStore& store,
                   checkpoint::SliceCopy copy, int64_t slice, int64_t step,
                   const Hash128& want);

}  // namespace colossus::runtime
