// What the tasks of a step do to the machine's memory, with words for tensors.
// Entering a view and checkpoints: fake_heal.cc.
#include <fmt/core.h>

#include <algorithm>

#include "agent/agent_rules.h"
#include "simulate/simulator.h"

namespace colossus::simulate {

using coordinator::BegunView;
using coordinator::DifferenceKind;
using coordinator::Mutation;

Buffer& Simulator::buffer_of(FakeMachine& machine, int64_t slice, Role role,
                             int64_t step) {
  SliceStore& store = machine.store_S[static_cast<size_t>(slice)];
  const bool one_buffer = mutation() == Mutation::kOverwriteLastStep;
  return store.buffer(role, one_buffer ? 0 : step);
}

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
  if (auto* slot = agent::find_slot(machine(rank.machine)->board, rank.rank)) {
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
  agent::note_checked({word.view, word.step}, machine(rank.machine)->board);
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

}  // namespace colossus::simulate
