#include "agent/machine_report.h"

#include <algorithm>

namespace colossus::agent {
namespace {

using protocol::Difference;
using protocol::Recomputed;

Difference from_board(const distributed::FoundDifference& found) {
  return {.kind = static_cast<protocol::DifferenceKind>(found.kind),
          .view = found.view,
          .step = found.step,
          .shard = found.shard,
          .first_rank = found.first_rank,
          .second_rank = found.second_rank,
          .first_hash = found.first_hash,
          .second_hash = found.second_hash};
}

}  // namespace

void note_findings(const distributed::SlotReport& report,
                   protocol::RankSlot& slot) {
  slot.difference.reset();
  slot.recomputed.reset();
  const bool works = report.state == distributed::SlotState::kRunning;
  if (!works || report.rank != slot.rank) return;
  if (report.difference && report.difference->view == report.number) {
    slot.difference = from_board(*report.difference);
  }
  if (report.recomputed && report.recomputed->view == report.number) {
    slot.recomputed = Recomputed{.rank = report.rank,
                                 .view = report.recomputed->view,
                                 .step = report.recomputed->step,
                                 .shard = report.recomputed->shard,
                                 .hash = report.recomputed->hash};
  }
}

distributed::RecomputeCall recompute_call(
    const protocol::RecomputeOrder& order) {
  distributed::RecomputeCall call = {
      .view = order.view, .step = order.step, .shard = order.shard};
  const size_t count = std::min(order.ranks.size(), call.ranks.size());
  std::copy_n(order.ranks.begin(), count, call.ranks.begin());
  return call;
}

void discard_other_states(checkpoint::SliceStore& store,
                          const protocol::BegunView& begun) {
  const int64_t step = begun.view.start_step;
  for (int64_t slice = 0; slice < store.num_slices(); ++slice) {
    const auto at = static_cast<size_t>(slice);
    for (const auto copy :
         {checkpoint::SliceCopy::kOwner, checkpoint::SliceCopy::kBackup}) {
      if (!store.holds(copy, slice, step)) continue;
      // Without hashes the view starts from the checkpoint.
      const bool starts_from_it =
          at < begun.hash_S.size() &&
          store.hash(copy, slice, step) == begun.hash_S[at];
      if (!starts_from_it) store.discard(copy, slice, step);
    }
  }
}

const std::vector<protocol::SliceCopy>& CopiesAnswer::answer(
    checkpoint::SliceStore& store, int64_t number, bool verify) {
  if (number == number_) return copies_;
  number_ = number;
  copies_.clear();
  for (int64_t slice = 0; slice < store.num_slices(); ++slice) {
    for (const auto copy :
         {checkpoint::SliceCopy::kOwner, checkpoint::SliceCopy::kBackup}) {
      for (const int64_t step : store.steps(copy, slice)) {
        copies_.push_back(
            {.slice = slice,
             .step = step,
             .view = store.view(copy, slice, step),
             .hash = store.hash(copy, slice, step),
             .sound = !verify || store.passes_hash(copy, slice, step)});
        if (!copies_.back().sound) store.discard(copy, slice, step);
      }
    }
  }
  return copies_;
}

}  // namespace colossus::agent
