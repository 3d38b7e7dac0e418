#include "runtime/audit_rules.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace colossus::runtime {
namespace {

constexpr size_t kKept = 32, kFewest = 8;  // steps that a median is of
constexpr double kFar = 10;                // times the median

std::vector<config::ShardBlock> blocks_of(int64_t rank,
                                          const config::Placement& placement) {
  return config::aligned_blocks(config::owned_shards(placement, rank),
                                std::ssize(placement.owner_S));
}

double median(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

bool is_audited(int64_t seed, int64_t step, int64_t shard, double fraction) {
  return random_uniform(static_cast<uint64_t>(seed),
                        stream_of("audit") + static_cast<uint64_t>(shard),
                        static_cast<uint64_t>(step)) < fraction;
}

std::vector<config::ShardBlock> audited_by(int64_t rank,
                                           const config::Placement& placement) {
  std::vector<config::ShardBlock> audited;
  for (const int64_t owner : config::hosting_ranks(placement)) {
    if (owner == rank) continue;
    for (const config::ShardBlock& block : blocks_of(owner, placement)) {
      const auto first = static_cast<size_t>(block.first);
      if (placement.backup_S[first] == rank) audited.push_back(block);
    }
  }
  return audited;
}

config::ShardBlock block_of(int64_t shard, const config::Placement& placement) {
  const int64_t owner = placement.owner_S.at(static_cast<size_t>(shard));
  for (const config::ShardBlock& block : blocks_of(owner, placement)) {
    if (block.first == shard) return block;
  }
  COLOSSUS_CHECK(false, "no block begins with shard {}", shard);
}

bool OutOfLine::note(double loss, double grad_norm) {
  if (!std::isfinite(loss) || !std::isfinite(grad_norm)) return true;
  bool far = false;
  if (steps_.size() >= kFewest) {
    std::vector<double> losses, norms;
    for (const Step& step : steps_) {
      losses.push_back(step.loss);
      norms.push_back(step.grad_norm);
    }
    far = loss > kFar * median(losses) || grad_norm > kFar * median(norms);
  }
  steps_.push_back({loss, grad_norm});
  if (steps_.size() > kKept) steps_.erase(steps_.begin());
  return far;
}

}  // namespace colossus::runtime
