#include "coordinator/placement_rules.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace colossus::coordinator {
namespace {

using config::kNoBackup;
using config::Placement;

PlacementRequest request(int64_t num_shards, int64_t wanted,
                         std::vector<config::Member> members) {
  PlacementRequest r;
  r.num_shards = num_shards;
  r.wanted_ranks = wanted;
  r.members = std::move(members);
  return r;
}

// As if `placement` had run: its slices lie where its ranks are.
void let_lie(PlacementRequest& r, const Placement& placement) {
  r.previous = placement;
  r.machines_S.assign(static_cast<size_t>(r.num_shards), {});
  for (size_t s = 0; s < r.machines_S.size(); ++s) {
    for (const auto& member : r.members) {
      if (member.rank == placement.owner_S[s] ||
          member.rank == placement.backup_S[s]) {
        r.machines_S[s].push_back(member.machine);
      }
    }
    std::sort(r.machines_S[s].begin(), r.machines_S[s].end());
  }
}

int64_t most_owned(const Placement& p) {
  int64_t most = 0;
  for (const int64_t rank : p.owner_S) {
    most = std::max<int64_t>(
        most, std::count(p.owner_S.begin(), p.owner_S.end(), rank));
  }
  return most;
}

int64_t machine_of(const PlacementRequest& r, int64_t rank) {
  for (const auto& member : r.members) {
    if (member.rank == rank) return member.machine;
  }
  return -1;
}

TEST(Placement, ASingleRankOwnsAllAndHasNoBackup) {
  const Placement p = choose_placement(request(4, 4, {{7, 0}}));
  EXPECT_EQ(p.owner_S, (std::vector<int64_t>{7, 7, 7, 7}));
  EXPECT_EQ(p.backup_S, std::vector<int64_t>(4, kNoBackup));
}

TEST(Placement, ABackupIsOnAnotherRank) {
  const Placement p = choose_placement(request(4, 2, {{0, 0}, {1, 0}}));
  for (size_t s = 0; s < 4; ++s) EXPECT_NE(p.owner_S[s], p.backup_S[s]);
}

TEST(Placement, ABackupIsOnAnotherMachineWhereThereIsOne) {
  const PlacementRequest r = request(8, 4, {{0, 0}, {1, 0}, {2, 0}, {3, 1}});
  const Placement p = choose_placement(r);
  for (size_t s = 0; s < 8; ++s) {
    EXPECT_NE(machine_of(r, p.owner_S[s]), machine_of(r, p.backup_S[s]));
  }
}

TEST(Placement, ASpareHoldsTheBackupsIfItAloneIsElsewhere) {
  const Placement p = choose_placement(request(4, 2, {{0, 0}, {1, 0}, {2, 1}}));
  EXPECT_EQ(p.backup_S, std::vector<int64_t>(4, 2));
  EXPECT_EQ(std::count(p.owner_S.begin(), p.owner_S.end(), 2), 0);
}

TEST(Placement, RanksBeyondTheWantedNumberAreSpares) {
  const Placement p =
      choose_placement(request(4, 2, {{0, 0}, {1, 1}, {2, 0}, {3, 1}}));
  EXPECT_EQ(config::hosting_ranks(p), (std::vector<int64_t>{0, 1}));
}

TEST(Placement, ASpareTakesAllShardsOfALostRank) {
  PlacementRequest before = request(8, 2, {{0, 0}, {1, 0}, {2, 0}});
  const Placement old = choose_placement(before);
  PlacementRequest after = request(8, 2, {{1, 0}, {2, 0}});
  let_lie(before, old);
  after.previous = old;
  after.machines_S = before.machines_S;
  const Placement p = choose_placement(after);
  for (size_t s = 0; s < 8; ++s) {
    EXPECT_EQ(p.owner_S[s], old.owner_S[s] == 0 ? 2 : 1) << s;
  }
}

TEST(Placement, GrowthLeavesHalfOfTheShardsWhereTheyAre) {
  PlacementRequest r = request(8, 1, {{0, 0}});
  let_lie(r, choose_placement(r));
  r.members = {{0, 0}, {1, 0}};
  r.wanted_ranks = 2;
  const Placement p = choose_placement(r);
  EXPECT_EQ(std::count(p.owner_S.begin(), p.owner_S.end(), 0), 4);
  EXPECT_EQ(num_moved_slices(r, p), 0);  // shared memory: nothing is copied
}

TEST(Placement, NobodyMovesWithoutNeed) {
  PlacementRequest r = request(8, 4, {{0, 0}, {1, 0}, {2, 1}, {3, 1}});
  const Placement old = choose_placement(r);
  let_lie(r, old);
  const Placement p = choose_placement(r);
  EXPECT_EQ(p.owner_S, old.owner_S);
  EXPECT_EQ(num_moved_slices(r, p), 0);
}

// The fewest owners that have to fetch their slice, by trying all placements
// within the smallest maximum.
int64_t fewest_moves(const PlacementRequest& r, size_t shard,
                     std::vector<int64_t>& room) {
  if (shard == static_cast<size_t>(r.num_shards)) return 0;
  int64_t fewest = r.num_shards + 1;
  for (size_t m = 0; m < r.members.size(); ++m) {
    if (room[m] == 0) continue;
    const auto& machines = r.machines_S[shard];
    const bool moves = std::find(machines.begin(), machines.end(),
                                 r.members[m].machine) == machines.end();
    --room[m];
    fewest = std::min(fewest, moves + fewest_moves(r, shard + 1, room));
    ++room[m];
  }
  return fewest;
}

TEST(Placement, MovesTheFewestOwnersOfAllPlacementsAsEven) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    uint64_t index = 0;
    const auto draw = [&](uint64_t below) {
      return static_cast<int64_t>(random_bits(seed, 1, index++) % below);
    };
    PlacementRequest r = request(4, 4, {});
    const int64_t ranks = 1 + draw(4);
    for (int64_t k = 0; k < ranks; ++k) r.members.push_back({k, draw(3)});
    r.machines_S.assign(4, {});
    for (auto& machines : r.machines_S) {
      for (int64_t m = 0; m < 3; ++m) {
        if (draw(2) == 1) machines.push_back(m);
      }
    }
    const Placement p = choose_placement(r);
    const int64_t even = (4 + ranks - 1) / ranks;
    ASSERT_EQ(most_owned(p), even) << seed;
    int64_t moves = 0;
    for (size_t s = 0; s < 4; ++s) {
      const auto& machines = r.machines_S[s];
      moves += std::find(machines.begin(), machines.end(),
                         machine_of(r, p.owner_S[s])) == machines.end();
    }
    std::vector<int64_t> room(r.members.size(), even);
    ASSERT_EQ(moves, fewest_moves(r, 0, room)) << seed;
  }
}

TEST(Placement, BackupsSpreadOverTheRanksThatMayHoldThem) {
  const Placement p =
      choose_placement(request(8, 4, {{0, 0}, {1, 0}, {2, 1}, {3, 1}}));
  for (int64_t rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(std::count(p.backup_S.begin(), p.backup_S.end(), rank), 2);
  }
}

}  // namespace
}  // namespace colossus::coordinator
