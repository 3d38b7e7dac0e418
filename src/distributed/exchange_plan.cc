#include "distributed/exchange_plan.h"

#include <algorithm>

#include "base/error.h"

namespace colossus::distributed {
namespace {

int64_t in_turn(const std::vector<int64_t>& ranks, int64_t slice) {
  return ranks[static_cast<size_t>(slice) % ranks.size()];
}

}  // namespace

ExchangePlan::ExchangePlan(const config::View& view, int64_t rank)
    : rank_(rank), placement_(view.placement) {
  for (const config::Member& member : view.members) {
    if (config::takes_part(placement_, member.rank)) members_.push_back(member);
  }
  machine_ = machine_of(rank);
  for (const int64_t machine : machines()) {
    std::vector<int64_t> shards;
    for (int64_t shard = 0; shard < num_shards(); ++shard) {
      const int64_t owner = placement_.owner_S[static_cast<size_t>(shard)];
      if (machine_of(owner) == machine) shards.push_back(shard);
    }
    for (const config::ShardBlock& block :
         config::aligned_blocks(shards, num_shards())) {
      blocks_.push_back({block, machine});
    }
  }
  my_slices_ = config::owned_shards(placement_, rank);
  for (const int64_t slice : config::backed_up_slices(placement_, rank)) {
    my_slices_.push_back(slice);
  }
}

int64_t ExchangePlan::num_shards() const {
  return std::ssize(placement_.owner_S);
}

int64_t ExchangePlan::machine_of(int64_t rank) const {
  const auto found =
      std::find_if(members_.begin(), members_.end(),
                   [&](const config::Member& m) { return m.rank == rank; });
  COLOSSUS_CHECK(found != members_.end(), "rank {} has no part", rank);
  return found->machine;
}

bool ExchangePlan::is_local(int64_t rank) const {
  return machine_of(rank) == machine_;
}

std::vector<int64_t> ExchangePlan::machines() const {
  std::vector<int64_t> found;
  for (const config::Member& member : members_) found.push_back(member.machine);
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<int64_t> ExchangePlan::ranks_on(int64_t machine) const {
  std::vector<int64_t> ranks;
  for (const config::Member& member : members_) {
    if (member.machine == machine) ranks.push_back(member.rank);
  }
  return ranks;
}

std::vector<int64_t> ExchangePlan::local_ranks() const {
  return ranks_on(machine_);
}

std::vector<config::Member> ExchangePlan::remote_members() const {
  std::vector<config::Member> remote;
  for (const config::Member& member : members_) {
    if (member.machine != machine_) remote.push_back(member);
  }
  return remote;
}

int64_t ExchangePlan::sender(const MachineBlock& block, int64_t slice) const {
  return in_turn(ranks_on(block.machine), slice);
}

std::vector<int64_t> ExchangePlan::receivers(const MachineBlock& block,
                                             int64_t slice) const {
  std::vector<int64_t> ranks;
  const auto at = static_cast<size_t>(slice);
  const int64_t owner = placement_.owner_S[at];
  const int64_t backup = placement_.backup_S[at];
  if (machine_of(owner) != block.machine) ranks.push_back(owner);
  if (backup != config::kNoBackup && backup != owner &&
      machine_of(backup) != block.machine) {
    ranks.push_back(backup);
  }
  return ranks;
}

bool ExchangePlan::backs_up_on(int64_t machine, int64_t slice) const {
  const int64_t backup = placement_.backup_S[static_cast<size_t>(slice)];
  return backup != config::kNoBackup && machine_of(backup) == machine;
}

int64_t ExchangePlan::bearer(int64_t machine, int64_t slice) const {
  if (backs_up_on(machine, slice)) {
    return placement_.backup_S[static_cast<size_t>(slice)];
  }
  return in_turn(ranks_on(machine), slice);
}

std::vector<int64_t> ExchangePlan::borne_slices() const {
  std::vector<int64_t> slices;
  for (int64_t slice = 0; slice < num_shards(); ++slice) {
    if (is_local(placement_.owner_S[static_cast<size_t>(slice)])) continue;
    if (bearer(machine_, slice) == rank_) slices.push_back(slice);
  }
  return slices;
}

std::vector<int64_t> ExchangePlan::weight_receivers(int64_t slice) const {
  const int64_t home =
      machine_of(placement_.owner_S[static_cast<size_t>(slice)]);
  std::vector<int64_t> ranks;
  for (const int64_t machine : machines()) {
    if (machine == home || backs_up_on(machine, slice)) continue;
    ranks.push_back(bearer(machine, slice));
  }
  return ranks;
}

}  // namespace colossus::distributed
