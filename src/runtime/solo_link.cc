#include "runtime/solo_link.h"

#include <utility>

#include "base/error.h"

namespace colossus::runtime {

SoloLink::SoloLink(int64_t num_shards, std::span<float> gradient,
                   const Start& start, const std::atomic<bool>& stop,
                   std::function<std::string()> stop_reason,
                   std::function<void(const JournalEvent&)> on_report)
    : gradient_(gradient),
      stop_(stop),
      stop_reason_(std::move(stop_reason)),
      on_report_(std::move(on_report)),
      last_step_(start.of) {
  view_.start_step = start.step;
  view_.members = {{.rank = 0, .machine = 0}};
  const auto shards = static_cast<size_t>(num_shards);
  view_.placement.owner_S.assign(shards, 0);
  view_.placement.backup_S.assign(shards, config::kNoBackup);
}

std::optional<config::View> SoloLink::next_view() {
  ++view_.number;
  view_.stop = stop_ || view_.start_step >= last_step_;
  if (stop_) view_.reason = stop_reason_();
  return view_;
}

float* SoloLink::sum(int64_t slice) const {
  const size_t count = gradient_.size() / view_.placement.owner_S.size();
  return gradient_.data() + static_cast<size_t>(slice) * count;
}

void SoloLink::differ(coordinator::Difference difference,
                      const Recompute& /*recompute*/) {
  const std::string message = fmt::format(
      "slice {} of weights and optimizer state is not what was stored at step "
      "{}: a bit flipped in this machine's memory; check the machine, and "
      "resume the run from its newest checkpoint",
      difference.shard, difference.step);
  on_report_(RunFailed{difference.step, message});
  throw RunError(message);
}

void SoloLink::commit(int64_t step) {
  view_.start_step = step;
  if (stop_) throw Interrupted();
}

}  // namespace colossus::runtime
