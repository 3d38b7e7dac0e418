#include "runtime/slice_check.h"

#include "base/state_hash.h"

namespace colossus::runtime {

void require_sound(RankLink& link, const checkpoint::SliceStore& store,
                   checkpoint::SliceCopy copy, int64_t slice, int64_t step,
                   const Hash128& want) {
  const checkpoint::SliceData d = store.data(copy, slice, step);
  const Hash128 have = hash_state(store.slice_count(), d.w, d.m, d.v);
  if (have == want) return;
  link.differ({.kind = coordinator::DifferenceKind::kTransfer,
               .step = step,
               .shard = slice,
               .first_rank = coordinator::kNone,
               .second_rank = link.rank(),
               .first_hash = want,
               .second_hash = have},
              [](int64_t) { return Hash128(); });
}

}  // namespace colossus::runtime
