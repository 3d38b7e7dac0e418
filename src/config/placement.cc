#include "config/placement.h"

#include <algorithm>

#include "base/error.h"

namespace colossus::config {

int64_t word_of(const Endpoint& endpoint) {
  return int64_t{endpoint.address} << 16 | endpoint.port;
}

bool is_endpoint_word(int64_t word) { return word >> 48 == 0; }

Endpoint endpoint_of(int64_t word) {
  return {static_cast<uint32_t>(word >> 16), static_cast<uint16_t>(word)};
}
namespace {

std::vector<int64_t> positions_of(const std::vector<int64_t>& ranks,
                                  int64_t rank) {
  std::vector<int64_t> found;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i] == rank) found.push_back(static_cast<int64_t>(i));
  }
  return found;
}

}  // namespace

bool takes_part(const Placement& placement, int64_t rank) {
  const auto has = [rank](const std::vector<int64_t>& ranks) {
    return std::find(ranks.begin(), ranks.end(), rank) != ranks.end();
  };
  return has(placement.owner_S) || has(placement.backup_S);
}

std::vector<int64_t> owned_shards(const Placement& placement, int64_t rank) {
  return positions_of(placement.owner_S, rank);
}

std::vector<int64_t> backed_up_slices(const Placement& placement,
                                      int64_t rank) {
  return positions_of(placement.backup_S, rank);
}

std::vector<int64_t> hosting_ranks(const Placement& placement) {
  std::vector<int64_t> ranks = placement.owner_S;
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  return ranks;
}

int share_of_threads(int threads, const View& view, int64_t rank) {
  const std::vector<int64_t> hosts = hosting_ranks(view.placement);
  int64_t machine = -1;
  for (const Member& member : view.members) {
    if (member.rank == rank) machine = member.machine;
  }
  const auto neighbours = std::count_if(
      view.members.begin(), view.members.end(), [&](const Member& member) {
        return member.machine == machine &&
               std::binary_search(hosts.begin(), hosts.end(), member.rank);
      });
  return std::max(1,
                  threads / static_cast<int>(std::max<int64_t>(1, neighbours)));
}

std::vector<ShardBlock> aligned_blocks(const std::vector<int64_t>& shards,
                                       int64_t num_shards) {
  std::vector<ShardBlock> blocks;
  for (const int64_t shard : shards) {
    COLOSSUS_CHECK(shard >= 0 && shard < num_shards, "shard {} of {}", shard,
                   num_shards);
    blocks.push_back({shard, 1});
    // As a binary counter carries: two neighbours that are a pair become one.
    while (blocks.size() >= 2) {
      const ShardBlock right = blocks.back();
      const ShardBlock left = blocks[blocks.size() - 2];
      if (left.count != right.count || left.first + left.count != right.first ||
          left.first % (2 * left.count) != 0) {
        break;
      }
      blocks.pop_back();
      blocks.back().count *= 2;
    }
  }
  return blocks;
}

}  // namespace colossus::config
