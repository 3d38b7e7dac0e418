#include "runtime/rank.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/pulse.h"
#include "base/state_hash.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint_reader.h"
#include "kernels/backend.h"
#include "runtime/chief.h"
#include "runtime/slice_check.h"

namespace colossus::runtime {
namespace {

using checkpoint::SliceCopy;
using checkpoint::SliceData;

SliceCopy other_copy(SliceCopy copy) {
  return copy == SliceCopy::kOwner ? SliceCopy::kBackup : SliceCopy::kOwner;
}

std::span<float> floats(float* data, int64_t count) {
  return {data, static_cast<size_t>(count)};
}

}  // namespace

int64_t chief_of(const config::View& view) {
  return view.placement.owner_S.at(0);
}

RankMemory::RankMemory(const config::Config& config, int64_t num_shards,
                       bool chief, kernels::Backend& backend,
                       tensor::Arena& arena, tensor::Arena& room)
    : step(config, num_shards, backend, arena, room) {
  tensor::Arena& from = chief ? arena : room;
  const int64_t count = 3 * step.padded_count();
  snapshot = floats(from.take<float>(count, "checkpoint snapshot"), count);
  const int64_t all = config.run.num_shards;
  const int64_t slice_count = step.padded_count() / all;
  for (int64_t i = 0; i < all; ++i) {
    const bool at_once = num_shards < all && i < 2 * num_shards;
    tensor::Arena& memory = at_once ? arena : room;
    sums.push_back(memory.take<float>(slice_count, "sums over shards"));
  }
}

Rank::Rank(const config::Config& config, const TrainingData& data,
           const RankPlace& place, RankMemory& memory, RankLink& link)
    : config_(config),
      data_(data),
      place_(place),
      memory_(memory),
      link_(link),
      layout_(memory.step.parameters().layout()),
      step_(config, data.batches, place_, memory.step, link) {}

Rank::~Rank() = default;

void Rank::run() {
  for (;;) {
    const std::optional<config::View> view = link_.next_view();
    if (!view) return;
    place_.backend.set_pulse(&link_.pulse());
    bool over = false;
    try {
      over = !follow(*view);
    } catch (const Interrupted&) {
      // The view ended; what it left is in the store.
    }
    place_.backend.set_pulse(nullptr);
    if (over) return;
  }
}

bool Rank::follow(const config::View& view) {
  connect(view);
  bring_slices(view);
  step_.share_weights(view.start_step);
  link_.barrier(view.start_step);
  const bool chief = chief_of(view) == link_.rank();
  if (chief && chief_ == nullptr) {
    chief_ = std::make_unique<Chief>(config_, data_, place_, memory_, link_);
  }
  if (chief) {
    link_.report(
        ViewReady{view.number, view.start_step, place_.clock.wall_seconds()});
  }
  if (view.stop) {
    if (chief) end_at(view);
    link_.barrier(view.start_step);  // the others wait for the chief
    return false;
  }
  for (int64_t step = view.start_step + 1; step <= config_.run.steps; ++step) {
    do_step(step);
    if (is_duty_due(config_.run, step)) {
      link_.barrier(step);
      if (chief) chief_->after_step(step);
    }
    link_.commit(step);
  }
  return true;  // a view to stop in comes next
}

void Rank::end_at(const config::View& view) {
  if (view.start_step == config_.run.steps) {
    chief_->finish();
  } else {
    chief_->stop_at(view.start_step, view.reason);
  }
}

// Sees to it that a chief who is none any more has written what he was at
// before the new one begins.
void Rank::connect(const config::View& view) {
  if (chief_ != nullptr && chief_of(view) != link_.rank()) chief_.reset();
  view_number_ = view.number;
  place_.backend.set_num_threads(
      config::share_of_threads(place_.num_threads, view, link_.rank()));
  step_.follow(view);
}

void Rank::bring_slices(const config::View& view) {
  const RankLink::Unwatched unwatched(link_);
  for (const int64_t slice : step_.owned()) {
    const int64_t step = view.start_step;
    const bool in_place = place_.store.holds(SliceCopy::kOwner, slice, step);
    bring_slice(SliceCopy::kOwner, slice, step);
    const bool compared = view.placement.backup_S[static_cast<size_t>(slice)] !=
                          config::kNoBackup;
    // What no other rank will compare, it compares with its own hash.
    if (in_place && !compared) {
      require_sound(link_, place_.store, SliceCopy::kOwner, slice, step,
                    place_.store.hash(SliceCopy::kOwner, slice, step));
    }
  }
  for (const int64_t slice : step_.backed_up()) {
    bring_slice(SliceCopy::kBackup, slice, view.start_step);
  }
}

// Nearest first: there already, the other copy on this machine, another
// machine's memory, the disk.
void Rank::bring_slice(SliceCopy copy, int64_t slice, int64_t step) {
  checkpoint::SliceStore& store = place_.store;
  if (store.holds(copy, slice, step)) return;
  const SliceCopy other = other_copy(copy);
  const SliceData to = store.begin_write(copy, slice, step);
  if (store.holds(other, slice, step)) {
    const SliceData from = store.data(other, slice, step);
    const auto bytes = static_cast<size_t>(store.slice_count()) * sizeof(float);
    std::memcpy(to.w, from.w, bytes);
    std::memcpy(to.m, from.m, bytes);
    std::memcpy(to.v, from.v, bytes);
    const Hash128 hash = store.hash(other, slice, step);
    require_sound(link_, store, copy, slice, step, hash);
    store.complete(copy, slice, step, view_number_, hash);
    return;
  }
  if (const auto hash = link_.fetch_slice(copy, slice, step, to)) {
    require_sound(link_, store, copy, slice, step, *hash);
    store.complete(copy, slice, step, view_number_, *hash);
    return;
  }
  if (step > 0) {
    read_checkpoint(slice, step, to);
  } else {
    initialize(slice, to);
  }
  store.complete(copy, slice, step, view_number_,
                 hash_state(store.slice_count(), to.w, to.m, to.v));
}

void Rank::read_checkpoint(int64_t slice, int64_t step, const SliceData& to) {
  const int64_t count = place_.store.slice_count(), first = slice * count;
  if (restored_ == nullptr || restored_->info().step != step) {
    restored_ = std::make_unique<checkpoint::VerifiedCheckpoint>(
        checkpoint::checkpoint_folder(config_.run.dir, step),
        checkpoint::Parts::kWeightsAndOptimizer);
  }
  restored_->read_weights(layout_, floats(to.w, count), first);
  restored_->read_moments(layout_, floats(to.m, count), floats(to.v, count),
                          first);
}

void Rank::initialize(int64_t slice, const SliceData& to) {
  const int64_t count = place_.store.slice_count();
  ThreadPool pool(place_.num_threads);
  model::initialize(memory_.step.parameters(),
                    static_cast<uint64_t>(config_.run.seed), slice * count,
                    floats(to.w, count), pool);
  std::fill_n(to.m, count, 0.0f);
  std::fill_n(to.v, count, 0.0f);
}

void Rank::do_step(int64_t step) {
  StepOutcome outcome = step_.run(step);
  if (!outcome.not_finite.empty()) fail(step, outcome.not_finite);
  if (chief_ != nullptr) chief_->step_done(std::move(outcome));
}

// The update of `step` has not happened: the state is that of the step before.
void Rank::fail(int64_t step, const std::string& reason) {
  const std::string message = fmt::format(
      "step {}: {}; the state after step {} is kept in {}; try a lower "
      "optimizer.learning_rate or look at the data of that batch",
      step, reason, step - 1,
      checkpoint::checkpoint_folder(config_.run.dir, step - 1));
  if (chief_ != nullptr) chief_->fail_at(step - 1, message);
  link_.barrier(step);  // the chief may need what the others hold
  throw RunError(message);
}

}  // namespace colossus::runtime
