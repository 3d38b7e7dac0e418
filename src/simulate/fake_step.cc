// What a rank's tasks do to its machine's memory, with words for tensors.
#include <fmt/core.h>

#include <algorithm>

#include "coordinator/agent_rules.h"
#include "simulate/simulator.h"

namespace colossus::simulate {

using coordinator::BegunView;
using coordinator::DifferenceKind;
using coordinator::kFromCheckpoint;
using coordinator::kNone;
using coordinator::Mutation;

Buffer& Simulator::buffer_of(FakeMachine& machine, int64_t slice, Role role,
                             int64_t step) {
  SliceStore& store = machine.store_S[static_cast<size_t>(slice)];
  const bool one_buffer = mutation() == Mutation::kOverwriteLastStep;
  return store.buffer(role, one_buffer ? 0 : step);
}

// ---- Entering a view.

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
  if (!from->alive || is_cut(source, host.machine)) return false;
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
    if (!host.alive || is_cut(host.machine, rank.machine)) return false;
    states.push_back(buffer_of(host, s, kOwner, step).content);
  }
  rank.weights = Function::weights(states);
  rank.weights_step = step;
  return true;
}

// ---- A step.

uint64_t Simulator::gradient_of(FakeRank& rank, int64_t step, int64_t shard) {
  const uint64_t gradient = Function::gradient(rank.weights, step, shard);
  const auto& backups = rank.rules.begun()->view.placement.backup_S;
  // What nobody could compare is beyond what audits promise.
  const bool audited = backups[0] != config::kNoBackup;
  if (!audited || scenario_.audit_permille < 1000) return gradient;
  if (machine(rank.machine)->bad) return gradient ^ mix(random_.bits());
  return gradient;
}

void Simulator::compute(FakeRank& rank) {
  const coordinator::Word& word = rank.rules.word();
  const BegunView& begun = *rank.rules.begun();
  for (const int64_t shard :
       config::owned_shards(begun.view.placement, rank.rank)) {
    invariants_.shard_computed(word.view, shard, rank.rank);
    uint64_t gradient = gradient_of(rank, word.step, shard);
    const auto i = static_cast<size_t>(shard);
    const bool audited = begun.view.placement.backup_S[i] != config::kNoBackup;
    if (rank.flips_gradient && audited) {
      rank.flips_gradient = false;
      guilty_.push_back(rank.machine);
      gradient ^= 1;
      trace([&] {
        return fmt::format("rank {} computes a wrong gradient of shard {}",
                           rank.rank, shard);
      });
    }
    rank.data.gradients[i] = gradient;
  }
  if (auto* slot =
          coordinator::find_slot(machine(rank.machine)->board, rank.rank)) {
    slot->shard_us = scenario_.compute_us * rank.slowness;
  }
}

const PeerData* Simulator::data_of(const FakeRank& rank, int64_t peer) const {
  if (peer == rank.rank) return &rank.data;
  for (const Peer& p : rank.peers) {
    if (p.rank == peer) return p.data.get();
  }
  return nullptr;
}

// From here on, what the buffer held is gone.
void Simulator::begin_store(FakeRank& rank) {
  const int64_t step = rank.rules.word().step;
  const config::Placement& placement = rank.rules.begun()->view.placement;
  FakeMachine& host = *machine(rank.machine);
  for (int64_t s = 0; s < scenario_.options.num_shards; ++s) {
    const auto i = static_cast<size_t>(s);
    for (const Role role : {kOwner, kBackup}) {
      const auto& ranks =
          role == kOwner ? placement.owner_S : placement.backup_S;
      if (ranks[i] == rank.rank) {
        buffer_of(host, s, role, step).complete = false;
      }
    }
  }
}

bool Simulator::store(FakeRank& rank) {
  const BegunView& begun = *rank.rules.begun();
  const config::Placement& placement = begun.view.placement;
  std::vector<uint64_t> gradients;
  for (int64_t s = 0; s < scenario_.options.num_shards; ++s) {
    const auto i = static_cast<size_t>(s);
    const PeerData* owner = data_of(rank, placement.owner_S[i]);
    gradients.push_back(owner->gradients[i]);
  }
  const uint64_t sum = Function::sum(gradients);
  for (int64_t s = 0; s < scenario_.options.num_shards; ++s) {
    const auto i = static_cast<size_t>(s);
    if (placement.owner_S[i] == rank.rank) update_slice(rank, s, kOwner, sum);
    if (placement.backup_S[i] == rank.rank) update_slice(rank, s, kBackup, sum);
  }
  return audit(rank);
}

bool Simulator::is_audited(int64_t step, int64_t shard) const {
  const uint64_t word = mix(mix(scenario_.seed, static_cast<uint64_t>(step)),
                            static_cast<uint64_t>(shard));
  return static_cast<int64_t>(word % 1000) < scenario_.audit_permille;
}

// The holder of a slice's backup audits the shard of that number.
bool Simulator::audit(FakeRank& rank) {
  const config::Placement& placement = rank.rules.begun()->view.placement;
  const int64_t step = rank.rules.word().step;
  for (int64_t s = 0; s < scenario_.options.num_shards; ++s) {
    const auto i = static_cast<size_t>(s);
    if (placement.backup_S[i] != rank.rank || !is_audited(step, s)) continue;
    const uint64_t theirs = data_of(rank, placement.owner_S[i])->gradients[i];
    const uint64_t ours = gradient_of(rank, step, s);
    if (theirs == ours) continue;
    if (machine(rank.machine)->bad) guilty_.push_back(rank.machine);
    report_difference(rank, DifferenceKind::kGradient, s, rank.rank, theirs,
                      ours);
    return false;
  }
  return true;
}

bool Simulator::update_slice(FakeRank& rank, int64_t slice, Role role,
                             uint64_t sum) {
  const coordinator::Word& word = rank.rules.word();
  FakeMachine& host = *machine(rank.machine);
  const Buffer& before = buffer_of(host, slice, role, word.step - 1);
  const bool there = before.holds(word.step - 1) ||
                     (mutation() == Mutation::kOverwriteLastStep &&
                      before.step == word.step - 1);
  if (!there) {
    throw Violation{
        fmt::format("rank {} makes step {} of slice {} without the "
                    "state of the step before",
                    rank.rank, word.step, slice)};
  }
  invariants_.slice_written(rank, host, word.view);
  uint64_t content = Function::update(before.content, sum, word.step);
  const bool compared =
      rank.rules.begun()->view.placement.backup_S[static_cast<size_t>(slice)] !=
      config::kNoBackup;
  if (rank.flips_update && compared) {
    rank.flips_update = false;
    guilty_.push_back(rank.machine);
    content ^= 2;
    trace([&] {
      return fmt::format("rank {} updates slice {} wrongly", rank.rank, slice);
    });
  }
  buffer_of(host, slice, role, word.step) = {word.step, word.view, content,
                                             content, true};
  auto& hashes =
      role == kOwner ? rank.data.owner_hashes : rank.data.backup_hashes;
  hashes[static_cast<size_t>(slice)] = content;
  return true;
}

bool Simulator::check(FakeRank& rank) {
  const config::Placement& placement = rank.rules.begun()->view.placement;
  std::vector<uint64_t> states;
  for (int64_t s = 0; s < scenario_.options.num_shards; ++s) {
    const auto i = static_cast<size_t>(s);
    const uint64_t owners =
        data_of(rank, placement.owner_S[i])->owner_hashes[i];
    states.push_back(owners);
    const int64_t backup = placement.backup_S[i];
    if (backup == config::kNoBackup ||
        mutation() == Mutation::kCommitWithoutBackup) {
      continue;
    }
    const uint64_t backups = data_of(rank, backup)->backup_hashes[i];
    if (owners == backups) continue;
    report_difference(rank, DifferenceKind::kUpdate, s, backup, owners,
                      backups);
    return false;
  }
  const coordinator::Word& word = rank.rules.word();
  rank.weights = Function::weights(states);
  rank.weights_step = word.step;
  coordinator::note_checked({word.view, word.step},
                            machine(rank.machine)->board);
  return true;
}

void Simulator::commit(FakeRank& rank) {
  const coordinator::Word word = rank.rules.word();
  invariants_.step_committed(rank, word.view, word.step, machines_);
  trace([&] {
    return fmt::format("rank {} commits step {} in view {}", rank.rank,
                       word.step, word.view);
  });
  if (stage_ == Stage::kHealed && word.view == invariants_.newest_view() &&
      std::pair(word.view, word.step) > goal_reached_) {
    goal_reached_ = {word.view, word.step};
    --goal_commits_;
  }
  if (word.step % scenario_.checkpoint_every == 0) save(rank, word.step);
}

// ---- Checkpoints.

// Writes what it owns now; it lies on disk a while later, if the rank lives.
void Simulator::save(FakeRank& rank, int64_t step) {
  const BegunView& begun = *rank.rules.begun();
  const int64_t view = begun.view.number;
  FakeMachine& host = *machine(rank.machine);
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
  events_.push(now_us_ + random_.range(500, 8000), EventKind::kRankSaved,
               rank.rank, step, view, std::move(slices));
}

void Simulator::saved(FakeRank& rank, const std::vector<SavedSlice>& slices,
                      int64_t step, int64_t view) {
  if (!rank.alive || rank.hung_until > now_us_) return;
  std::erase_if(disk_, [this](const SavedSlice& s) {
    return s.step < replayed_.checkpoint_step;
  });
  disk_.insert(disk_.end(), slices.begin(), slices.end());
  FakeMachine& host = *machine(rank.machine);
  if (auto* slot = coordinator::find_slot(host.board, rank.rank)) {
    slot->saved_view = view;
    slot->saved_step = step;
    wake_agent(host);
  }
}

}  // namespace colossus::simulate
