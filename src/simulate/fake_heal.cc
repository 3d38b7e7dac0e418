// How a rank brings its slices into its machine's memory when it enters a view,
// and how they come to lie on disk.
#include <fmt/core.h>

#include <algorithm>

#include "agent/agent_rules.h"
#include "simulate/simulator.h"

namespace colossus::simulate {

using coordinator::BegunView;
using coordinator::DifferenceKind;
using coordinator::kFromCheckpoint;
using coordinator::Mutation;

bool Simulator::heal(FakeRank& rank) {
  const BegunView& begun = *rank.rules.begun();
  const config::Placement& placement = begun.view.placement;
  for (int64_t s = 0; s < scenario_.options.num_shards; ++s) {
    const auto i = static_cast<size_t>(s);
    if (placement.owner_S[i] == rank.rank &&
        !heal_slice(rank, s, kOwner, begun.owner_source_S[i])) {
      return false;
    }
    if (placement.backup_S[i] == rank.rank &&
        !heal_slice(rank, s, kBackup, begun.backup_source_S[i])) {
      return false;
    }
  }
  return true;
}

bool Simulator::heal_slice(FakeRank& rank, int64_t slice, Role role,
                           int64_t source) {
  const BegunView& begun = *rank.rules.begun();
  const int64_t step = begun.view.start_step;
  FakeMachine& host = *machine(rank.machine);
  if (source != kFromCheckpoint) return copy_here(rank, slice, role, source);
  uint64_t content = function_.state(0, slice);
  if (step > 0) {
    const auto on_disk =
        std::find_if(disk_.begin(), disk_.end(), [&](const SavedSlice& s) {
          return s.step == step && s.slice == slice;
        });
    if (on_disk == disk_.end()) {
      throw Violation{
          fmt::format("view {} restores step {}, which has no "
                      "checkpoint",
                      begun.view.number, step)};
    }
    content = on_disk->content;
  }
  invariants_.slice_written(rank, host, begun.view.number);
  buffer_of(host, slice, role, step) = {step, begun.view.number, content,
                                        content, true};
  return true;
}

// In place if the copy of this role is the right one, else from the other one
// here, else from the source. What is copied is hashed on the way.
bool Simulator::copy_here(FakeRank& rank, int64_t slice, Role role,
                          int64_t source) {
  const BegunView& begun = *rank.rules.begun();
  const int64_t step = begun.view.start_step;
  const auto i = static_cast<size_t>(slice);
  const uint64_t wanted = begun.hash_S[i].low;
  const bool alone = begun.view.placement.backup_S[i] == config::kNoBackup;
  FakeMachine& host = *machine(rank.machine);
  Buffer& target = buffer_of(host, slice, role, step);
  const auto fits = [&](const Buffer& buffer, bool look) {
    return buffer.holds(step) && buffer.hash == wanted &&
           (!look || buffer.sound());
  };
  if (fits(target, begun.verify || alone)) return true;
  FakeMachine* from = machine(source);
  if (!reaches(rank, slice, source)) return false;
  const bool look = mutation() != Mutation::kSkipTransferHash;
  for (const Role other : {kOwner, kBackup}) {
    const Buffer& buffer = buffer_of(*from, slice, other, step);
    if (&buffer == &target || !fits(buffer, look)) continue;
    invariants_.slice_written(rank, host, begun.view.number);
    target = {step, begun.view.number, buffer.content, buffer.hash, true};
    return true;
  }
  report_difference(rank, DifferenceKind::kTransfer, slice, rank.rank, 0,
                    wanted);
  return false;
}

bool Simulator::gather(FakeRank& rank) {
  const BegunView& begun = *rank.rules.begun();
  const int64_t step = begun.view.start_step;
  std::vector<uint64_t> states;
  for (int64_t s = 0; s < scenario_.options.num_shards; ++s) {
    const int64_t owner = begun.view.placement.owner_S[static_cast<size_t>(s)];
    FakeMachine& host = *machine(this->rank(owner)->machine);
    if (!reaches(rank, s, host.machine)) return false;
    const Buffer& buffer = buffer_of(host, s, kOwner, step);
    if (!buffer.sound()) {  // hashed on the way, as every transfer
      report_difference(rank, DifferenceKind::kTransfer, s, rank.rank,
                        buffer.content, buffer.hash);
      return false;
    }
    states.push_back(buffer.content);
  }
  rank.weights = Function::weights(states);
  rank.weights_step = step;
  return true;
}

// Writes what it owns now; it lies on disk a while later, if the rank lives.
void Simulator::save(FakeRank& rank, int64_t step) {
  const BegunView& begun = *rank.rules.begun();
  const int64_t view = begun.view.number;
  FakeMachine& host = *machine(rank.machine);
  const bool fails =
      stage_ == Stage::kFaults && !begun.save_and_stop && random_.chance(30);
  if (fails) return;  // a full disk, say; the next one may fit
  auto slices = std::make_shared<std::vector<SavedSlice>>();
  for (const int64_t slice :
       config::owned_shards(begun.view.placement, rank.rank)) {
    const Buffer& buffer = buffer_of(host, slice, kOwner, step);
    // A flip at rest is found here; the next update finds it as well.
    if (!buffer.sound()) {
      if (begun.save_and_stop) {
        report_difference(rank, DifferenceKind::kTransfer, slice, rank.rank,
                          buffer.content, buffer.hash);
      }
      return;
    }
    slices->push_back({view, step, slice, buffer.content});
  }
  // One after the other, as a writer's thread does.
  rank.saves_until_us =
      std::max(rank.saves_until_us, now_us_) + random_.range(500, 8000);
  events_.push(rank.saves_until_us, EventKind::kRankSaved, rank.rank, step,
               view, std::move(slices));
}

void Simulator::saved(FakeRank& rank, const std::vector<SavedSlice>& slices,
                      int64_t step, int64_t view) {
  if (!rank.alive) return;
  if (rank.hung_until > now_us_) {
    return events_.push(
        rank.hung_until + 1, EventKind::kRankSaved, rank.rank, step, view,
        std::make_shared<const std::vector<SavedSlice>>(slices));
  }
  std::erase_if(disk_, [this](const SavedSlice& s) {
    return s.step < replayed_.checkpoint_step;
  });
  disk_.insert(disk_.end(), slices.begin(), slices.end());
  FakeMachine& host = *machine(rank.machine);
  if (auto* slot = agent::find_slot(host.board, rank.rank)) {
    slot->saved_view = view;
    slot->saved_step = step;
    wake_agent(host);
  }
}

}  // namespace colossus::simulate
