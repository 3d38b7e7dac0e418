#include "coordinator/placement_rules.h"

#include <algorithm>

#include "base/error.h"
#include "coordinator/matching.h"

namespace colossus::coordinator {
namespace {

using config::kNoBackup;
using config::Member;
using config::Placement;

bool contains(const std::vector<int64_t>& values, int64_t value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

class Chooser {
 public:
  explicit Chooser(const PlacementRequest& request)
      : request_(request),
        num_shards_(static_cast<size_t>(request.num_shards)) {
    COLOSSUS_CHECK(!request.members.empty() && request.num_shards > 0,
                   "{} shards on {} members", request.num_shards,
                   request.members.size());
    choose_hosts();
  }

  Placement choose() {
    place_owners();
    place_backups();
    return placement_;
  }

 private:
  bool lies_at(size_t shard, int64_t machine) const {
    return shard < request_.machines_S.size() &&
           contains(request_.machines_S[shard], machine);
  }
  int64_t slices_at(int64_t machine) const {
    int64_t count = 0;
    for (size_t s = 0; s < num_shards_; ++s) count += lies_at(s, machine);
    return count;
  }

  // Those that host already, then those beside the most state, then the oldest.
  void choose_hosts() {
    hosts_ = request_.members;
    const auto better = [this](const Member& a, const Member& b) {
      const bool a_hosts = contains(request_.previous.owner_S, a.rank);
      const bool b_hosts = contains(request_.previous.owner_S, b.rank);
      if (a_hosts != b_hosts) return a_hosts;
      const int64_t a_state = slices_at(a.machine);
      const int64_t b_state = slices_at(b.machine);
      if (a_state != b_state) return a_state > b_state;
      return a.rank < b.rank;
    };
    std::stable_sort(hosts_.begin(), hosts_.end(), better);
    const int64_t limit =
        std::clamp<int64_t>(request_.wanted_ranks, 1, request_.num_shards);
    if (std::ssize(hosts_) > limit) {
      hosts_.resize(static_cast<size_t>(limit), Member{});
    }
    std::sort(hosts_.begin(), hosts_.end(),
              [](const Member& a, const Member& b) { return a.rank < b.rank; });
  }

  int64_t previous_owner(size_t shard) const {
    const auto& owners = request_.previous.owner_S;
    return shard < owners.size() ? owners[shard] : kNoBackup;
  }
  int64_t previous_backup(size_t shard) const {
    const auto& backups = request_.previous.backup_S;
    return shard < backups.size() ? backups[shard] : kNoBackup;
  }

  // Ranks beside the slice's state: `first`, `second`, then by number.
  std::vector<size_t> beside_state(size_t shard,
                                   const std::vector<Member>& ranks,
                                   int64_t first, int64_t second) const {
    std::vector<size_t> edges;
    for (const int64_t preferred : {first, second}) {
      for (size_t r = 0; r < ranks.size(); ++r) {
        if (ranks[r].rank == preferred && lies_at(shard, ranks[r].machine)) {
          edges.push_back(r);
        }
      }
    }
    for (size_t r = 0; r < ranks.size(); ++r) {
      if (lies_at(shard, ranks[r].machine) &&
          std::find(edges.begin(), edges.end(), r) == edges.end()) {
        edges.push_back(r);
      }
    }
    return edges;
  }

  void place_owners() {
    const auto num_hosts = std::ssize(hosts_);
    const int64_t capacity = (request_.num_shards + num_hosts - 1) / num_hosts;
    Edges beside_S;
    Edges all_S;
    for (size_t s = 0; s < num_shards_; ++s) {
      beside_S.push_back(
          beside_state(s, hosts_, previous_owner(s), previous_backup(s)));
      std::vector<size_t> all = beside_S.back();
      for (size_t r = 0; r < hosts_.size(); ++r) {
        if (std::find(all.begin(), all.end(), r) == all.end()) all.push_back(r);
      }
      all_S.push_back(std::move(all));
    }
    Matching matching(num_shards_, hosts_.size(), capacity);
    matching.place_all(only(beside_S, hosts_, request_.previous.owner_S));
    matching.place_all(beside_S);
    const bool all_placed = matching.place_all(all_S);
    COLOSSUS_CHECK(all_placed, "{} hosts have no room", num_hosts);
    placement_.owner_S.clear();
    for (size_t s = 0; s < num_shards_; ++s) {
      placement_.owner_S.push_back(hosts_[matching.rank_of(s)].rank);
    }
  }

  // The edges to the rank that had the shard before: it stays if it can.
  Edges only(const Edges& edges_S, const std::vector<Member>& ranks,
             const std::vector<int64_t>& previous_S) const {
    Edges kept_S(num_shards_);
    for (size_t s = 0; s < std::min(num_shards_, previous_S.size()); ++s) {
      for (const size_t r : edges_S[s]) {
        if (ranks[r].rank == previous_S[s]) kept_S[s].push_back(r);
      }
    }
    return kept_S;
  }

  int64_t machine_of(int64_t rank) const {
    for (const Member& member : request_.members) {
      if (member.rank == rank) return member.machine;
    }
    COLOSSUS_CHECK(false, "rank {} is no member", rank);
    return kNoBackup;
  }

  // Who may back the shard up: hosts on another machine, else spares there,
  // else other hosts here, else spares here.
  std::vector<size_t> backup_candidates(size_t shard) const {
    const auto& members = request_.members;
    const int64_t owner = placement_.owner_S[shard];
    const int64_t machine = machine_of(owner);
    for (const bool elsewhere : {true, false}) {
      for (const bool hosting : {true, false}) {
        std::vector<size_t> found;
        for (size_t m = 0; m < members.size(); ++m) {
          if (members[m].rank == owner) continue;
          if ((members[m].machine != machine) != elsewhere) continue;
          if (is_host(members[m].rank) == hosting) found.push_back(m);
        }
        if (!found.empty()) return found;
      }
    }
    return {};
  }

  bool is_host(int64_t rank) const {
    return std::any_of(
        hosts_.begin(), hosts_.end(),
        [rank](const Member& host) { return host.rank == rank; });
  }

  Edges edges_beside_state(const Edges& allowed_S) const {
    Edges edges_S;
    for (size_t s = 0; s < num_shards_; ++s) {
      std::vector<size_t> edges = beside_state(
          s, request_.members, previous_backup(s), previous_owner(s));
      std::erase_if(edges, [&](size_t m) {
        return std::find(allowed_S[s].begin(), allowed_S[s].end(), m) ==
               allowed_S[s].end();
      });
      edges_S.push_back(std::move(edges));
    }
    return edges_S;
  }

  // Neighbours in the list take turns, so that backups spread out.
  Edges allowed_backups() const {
    Edges allowed_S;
    for (size_t s = 0; s < num_shards_; ++s) {
      std::vector<size_t> allowed = backup_candidates(s);
      if (!allowed.empty()) {
        const auto turn = static_cast<std::ptrdiff_t>(s % allowed.size());
        std::rotate(allowed.begin(), allowed.begin() + turn, allowed.end());
      }
      allowed_S.push_back(std::move(allowed));
    }
    return allowed_S;
  }

  void place_backups() {
    if (request_.members.size() == 1) {
      placement_.backup_S.assign(num_shards_, kNoBackup);
      return;
    }
    if (request_.mutation == Mutation::kBackupWithOwner) {
      placement_.backup_S = placement_.owner_S;
      return;
    }
    const Edges allowed_S = allowed_backups();
    const size_t num_members = request_.members.size();
    const Edges beside_S = edges_beside_state(allowed_S);
    Matching matching(num_shards_, num_members, smallest_capacity(allowed_S));
    matching.place_all(
        only(beside_S, request_.members, request_.previous.backup_S));
    matching.place_all(beside_S);
    matching.place_all(allowed_S);
    placement_.backup_S.clear();
    for (size_t s = 0; s < num_shards_; ++s) {
      placement_.backup_S.push_back(request_.members[matching.rank_of(s)].rank);
    }
  }

  // Of backups a rank, such that every slice finds a place.
  int64_t smallest_capacity(const Edges& allowed_S) const {
    for (int64_t capacity = 1;; ++capacity) {
      Matching trial(num_shards_, request_.members.size(), capacity);
      if (trial.place_all(allowed_S)) return capacity;
    }
  }

  const PlacementRequest& request_;
  const size_t num_shards_;
  std::vector<Member> hosts_;
  Placement placement_;
};

}  // namespace

Placement choose_placement(const PlacementRequest& request) {
  return Chooser(request).choose();
}

int64_t num_moved_slices(const PlacementRequest& request,
                         const Placement& placement) {
  const auto moves = [&](size_t slice, int64_t rank) {
    for (const Member& member : request.members) {
      if (member.rank != rank) continue;
      return slice >= request.machines_S.size() ||
             !contains(request.machines_S[slice], member.machine);
    }
    return false;
  };
  int64_t count = 0;
  for (size_t s = 0; s < placement.owner_S.size(); ++s) {
    count += moves(s, placement.owner_S[s]);
    count += moves(s, placement.backup_S[s]);
  }
  return count;
}

}  // namespace colossus::coordinator
