#include "distributed/posted_view.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace colossus::distributed {
namespace {

void require(bool holds, const char* field, int64_t value) {
  if (holds) return;
  throw run_error(
      "a view of the board is not valid: {} is {}; the shared memory of this "
      "machine is damaged, restart its agent and ranks",
      field, value);
}

bool has_member(const config::View& view, int64_t rank) {
  const auto by_rank = [](const config::Member& member, int64_t wanted) {
    return member.rank < wanted;
  };
  const auto found =
      std::lower_bound(view.members.begin(), view.members.end(), rank, by_rank);
  return found != view.members.end() && found->rank == rank;
}

// The rules of a view, for both directions.
void validate(const Posted& posted) {
  const config::View& view = posted.view;
  const auto kind = static_cast<int64_t>(posted.kind);
  require(kind >= 0 && kind <= 3, "its kind", kind);
  require(view.number >= 0 && view.number < kMaxNumber, "its number",
          view.number);
  require(view.start_step >= 0, "its start step", view.start_step);
  int64_t before = -1;
  for (const config::Member& member : view.members) {
    require(member.rank > before, "a rank out of order", member.rank);
    before = member.rank;
  }
  if (posted.kind != PostedKind::kBegin) return;
  const auto shards = static_cast<int64_t>(view.placement.owner_S.size());
  require(shards > 0 && (shards & (shards - 1)) == 0, "the number of shards",
          shards);
  for (const int64_t owner : view.placement.owner_S) {
    require(has_member(view, owner), "an owner that is no member", owner);
  }
  for (const int64_t backup : view.placement.backup_S) {
    require(backup == config::kNoBackup || has_member(view, backup),
            "a backup that is no member", backup);
  }
}

}  // namespace

uint64_t encode_endpoint(const config::Endpoint& endpoint) {
  return static_cast<uint64_t>(config::word_of(endpoint));
}

config::Endpoint decode_endpoint(uint64_t word) {
  const auto number = static_cast<int64_t>(word);
  require(config::is_endpoint_word(number), "an endpoint", number);
  return config::endpoint_of(number);
}

namespace {

void encode_hashes(const std::vector<Hash128>& hash_S, PostedData& data) {
  data.has_hashes = hash_S.empty() ? 0 : 1;
  for (size_t slice = 0; slice < hash_S.size(); ++slice) {
    data.hash_high_S[slice] = hash_S[slice].high;
    data.hash_low_S[slice] = hash_S[slice].low;
  }
}

std::vector<Hash128> decode_hashes(const PostedData& data) {
  require(data.has_hashes <= 1, "whether it has hashes",
          static_cast<int64_t>(data.has_hashes));
  std::vector<Hash128> hash_S;
  const int64_t count = data.has_hashes == 1 ? data.num_shards : 0;
  for (size_t slice = 0; slice < static_cast<size_t>(count); ++slice) {
    hash_S.push_back({data.hash_high_S[slice], data.hash_low_S[slice]});
  }
  return hash_S;
}

}  // namespace

PostedData encode_posted(const Posted& posted) {
  const config::View& view = posted.view;
  const auto members = static_cast<int64_t>(view.members.size());
  const auto shards = static_cast<int64_t>(view.placement.owner_S.size());
  require(members <= kMaxMembers, "the number of members", members);
  require(shards <= kMaxShards, "the number of shards", shards);
  require(view.placement.backup_S.size() == view.placement.owner_S.size(),
          "the number of backups",
          static_cast<int64_t>(view.placement.backup_S.size()));
  require(posted.hash_S.empty() || std::ssize(posted.hash_S) == shards,
          "the number of hashes", std::ssize(posted.hash_S));
  validate(posted);
  PostedData data = {};
  data.kind = static_cast<uint64_t>(posted.kind);
  data.number = view.number;
  data.start_step = view.start_step;
  data.stop = view.stop ? 1 : 0;
  data.num_members = members;
  data.num_shards = shards;
  for (size_t i = 0; i < view.members.size(); ++i) {
    data.rank[i] = view.members[i].rank;
    data.machine[i] = view.members[i].machine;
    data.endpoint[i] = encode_endpoint(view.members[i].endpoint);
  }
  std::copy(view.placement.owner_S.begin(), view.placement.owner_S.end(),
            data.owner_S.begin());
  std::copy(view.placement.backup_S.begin(), view.placement.backup_S.end(),
            data.backup_S.begin());
  encode_hashes(posted.hash_S, data);
  std::memcpy(data.reason.data(), view.reason.data(),
              std::min(view.reason.size(), data.reason.size() - 1));
  return data;
}

Posted decode_posted(const PostedData& data) {
  require(data.kind <= 3, "its kind", static_cast<int64_t>(data.kind));
  require(data.num_members >= 0 && data.num_members <= kMaxMembers,
          "the number of members", data.num_members);
  require(data.num_shards >= 0 && data.num_shards <= kMaxShards,
          "the number of shards", data.num_shards);
  Posted posted;
  posted.kind = static_cast<PostedKind>(data.kind);
  config::View& view = posted.view;
  view.number = data.number;
  view.start_step = data.start_step;
  require(data.stop <= 1, "its stop", static_cast<int64_t>(data.stop));
  view.stop = data.stop == 1;
  for (size_t i = 0; i < static_cast<size_t>(data.num_members); ++i) {
    view.members.push_back(
        {data.rank[i], data.machine[i], decode_endpoint(data.endpoint[i])});
  }
  view.placement.owner_S.assign(data.owner_S.begin(),
                                data.owner_S.begin() + data.num_shards);
  view.placement.backup_S.assign(data.backup_S.begin(),
                                 data.backup_S.begin() + data.num_shards);
  posted.hash_S = decode_hashes(data);
  view.reason.assign(data.reason.data(),
                     ::strnlen(data.reason.data(), data.reason.size()));
  validate(posted);
  return posted;
}

}  // namespace colossus::distributed
