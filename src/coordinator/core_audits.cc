// What follows when two that should agree do not. docs/failure_model.md.
#include <algorithm>

#include "base/error.h"
#include "coordinator/core.h"
#include "coordinator/rank_rules.h"

namespace colossus::coordinator {
namespace {

const char* name_of(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::kGradient:
      return "gradient";
    case DifferenceKind::kUpdate:
      return "update";
    case DifferenceKind::kTransfer:
      return "transfer";
  }
  return "";
}

DifferenceFound found(const Difference& d, std::string reason) {
  return {name_of(d.kind), d.view,        d.step,           d.shard,
          d.first_rank,    d.second_rank, std::move(reason)};
}

}  // namespace

// Only those of the present view; not while it is being left at once. (If it is
// left at a commit, a difference holds up that commit.)
void CoordinatorCore::judge_differences() {
  const auto is_left = [this] {
    return state_.ended || (state_.preparing && state_.stop_step == kAtOnce);
  };
  collect_answers();
  if (audit_.has_value()) return settle();
  for (const Heard& heard : heard_) {
    if (!heard.reported || !state_.machine(heard.machine)->present) continue;
    for (const RankSlot& slot : heard.report.ranks) {
      if (is_left() || audit_.has_value()) return;
      if (state_.begun == nullptr || !slot.difference.has_value()) continue;
      if (slot.difference->view == state_.begun->view.number) {
        judge(*slot.difference);
      }
    }
  }
}

void CoordinatorCore::judge(const Difference& d) {
  switch (d.kind) {
    case DifferenceKind::kGradient:
      return judge_gradient(d);
    case DifferenceKind::kUpdate:
      return judge_update(d);
    case DifferenceKind::kTransfer: {
      const std::string reason =
          fmt::format("slice {} at rank {} is not what was stored at step {}",
                      d.shard, d.second_rank, d.step);
      record(found(d, reason));
      return prepare(kAtOnce, true, reason);
    }
  }
}

void CoordinatorCore::judge_gradient(const Difference& d) {
  std::vector<int64_t> ranks;
  for (const RankState& rank : state_.ranks) {
    if (takes_part(rank.rank)) ranks.push_back(rank.rank);
  }
  asked_ = ranks_to_ask(d, ranks);
  audit_ = GradientAudit{d, {}};
  record(found(d, fmt::format("ranks {} and {} differ on the gradient of shard "
                              "{} at step {}",
                              d.first_rank, d.second_rank, d.shard, d.step)));
  settle();
}

// The state before the update is compared with its hashes (PREPARE asks for
// it): whoever fails is wrong. If nobody fails, the step is made again.
void CoordinatorCore::judge_update(const Difference& d) {
  const std::string reason =
      fmt::format("ranks {} and {} differ on the update of slice {} at step {}",
                  d.first_rank, d.second_rank, d.shard, d.step);
  // A coordinator that was restarted may have recorded it already.
  const bool known = std::any_of(
      state_.differences.begin(), state_.differences.end(),
      [&d](const DifferenceFound& other) { return other.view == d.view; });
  if (!known) record(found(d, reason));
  prepare(kAtOnce, true, reason);
}

// All copies pass their hashes, and yet a step failed twice: the rank that was
// part of most differences is given up. Of two, the holder of the backup; if it
// was the other one, that one differs from the next partner too.
void CoordinatorCore::drop_repeated_offender() {
  const std::vector<DifferenceFound> all = state_.differences;
  if (all.size() < 2) return;
  const auto count = [&all](int64_t rank) {
    return std::count_if(all.begin(), all.end(), [rank](const auto& d) {
      return d.first_rank == rank || d.second_rank == rank;
    });
  };
  const DifferenceFound& last = all.back();
  const bool first = count(last.first_rank) > count(last.second_rank);
  const int64_t suspect = first ? last.first_rank : last.second_rank;
  drop_machine_of(suspect,
                  fmt::format("the update of slice {} at step {} differed {} "
                              "times: rank {} is given up",
                              last.shard, last.step, all.size(), suspect));
}

void CoordinatorCore::collect_answers() {
  if (!audit_.has_value()) return;
  const Difference& d = audit_->difference;
  audit_->answers.clear();
  for (const int64_t rank : asked_) {
    const RankSlot* slot = reported_slot(rank);
    if (slot == nullptr || !slot->recomputed.has_value()) continue;
    const Recomputed& r = *slot->recomputed;
    if (r.view == d.view && r.step == d.step && r.shard == d.shard) {
      audit_->answers.push_back(r);
    }
  }
}

void CoordinatorCore::settle() {
  const Verdict verdict = settle_gradient(*audit_, asked_, options_.mutation);
  if (verdict.ruling == Ruling::kWait) return;
  audit_.reset();
  asked_.clear();
  if (verdict.ruling == Ruling::kWrong) {
    return drop_machine_of(verdict.wrong_rank, verdict.reason);
  }
  record(RunEnded{committed_step_, true, verdict.reason});
}

void CoordinatorCore::drop_unsound(const StartChoice& choice) {
  if (state_.verify && choice.unsound_machines.empty()) {
    drop_repeated_offender();
  }
  for (const int64_t machine : choice.unsound_machines) {
    for (const RankState& rank : std::vector<RankState>(state_.ranks)) {
      if (rank.machine != machine) continue;
      const bool another =
          std::any_of(state_.machines.begin(), state_.machines.end(),
                      [&](const MachineState& m) {
                        return m.machine != machine && hosts_ranks(m);
                      });
      if (!another) break;
      drop_machine_of(rank.rank,
                      fmt::format("a copy in the memory of machine {} fails "
                                  "its own hash",
                                  machine));
      break;
    }
  }
}

}  // namespace colossus::coordinator
